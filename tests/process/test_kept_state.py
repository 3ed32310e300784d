"""Starting on folders that an earlier version left loses nothing: originals, overrides, tokens,
ledger, costs, the history and what waits to be shipped.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

import machine
from archives import extract
from mongod import Mongod, free_port
from places import TESTS
from served import Served

ARCHIVE = TESTS / "kept/schema-1.tar.gz"
OPS = "irqbal_8gR0N3V2qeWqxoqaYGkNj3O_KKByVvPVdaJE0vwuIRg"
"""A token that the earlier version made, with scope admin."""
MISC = "0000:01:00.0/0/ice-0000:01:00.0:misc"
FIRST = "0000:01:00.0/1/ice-eth0-TxRx-0"


class KeptFolders(msgspec.Struct, frozen=True):
    """A copy of the folders, in a place of its own."""

    tree: Path
    state: Path

    @property
    def originals(self) -> dict[str, str]:
        """The original values by identity, as they stand in the file."""
        lines = (self.state / "run/originals.jsonl").read_text().splitlines()
        return {line["identity"]: line["value"] for line in map(json.loads, lines)}

    def count(self, table: str, where: str = "1") -> int:
        """Rows of the history."""
        with sqlite3.connect(self.state / "history.sqlite") as db:
            (found,) = db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
        return int(found)


@pytest.fixture
def kept(tmp_path: Path) -> KeptFolders:
    """The archive, with the paths and inodes of this copy."""
    extract(ARCHIVE, tmp_path)
    found = KeptFolders(tmp_path / "tree", tmp_path / "state")
    path = found.state / "run/originals.jsonl"
    path.write_text(path.read_text().replace("/tmp/kept/out/tree", str(found.tree.resolve())))
    path = found.state / "run/ledger.json"
    ledger = json.loads(path.read_text())
    numbers = {line["identity"]: line["number"] for line in _lines(found)}
    ledger["inodes"] = {
        identity: (found.tree / f"proc/irq/{numbers[identity]}").stat().st_ino
        for identity in ledger["inodes"]
    }
    path.write_text(json.dumps(ledger))
    return found


def _lines(kept: KeptFolders) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, (kept.state / "run/originals.jsonl").read_text().splitlines())


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[Mongod]:
    server = Mongod(tmp_path / "mongod")
    server.start()
    yield server
    server.kill()


def started(kept: KeptFolders, folder: Path, mongodb: str, log: Path) -> Any:
    """A daemon of today on these folders, with the configuration of then but for its port."""
    port = free_port()
    config = folder / "today.yaml"
    config.write_text(
        f"interval: 1s\nstate_dir: {kept.state}\n"
        f"history: {{every: 1s, mongodb: {{url: '{mongodb}', database: irqbal}}}}\n"
        f"api: {{listen: ['127.0.0.1:{port}']}}\n"
    )
    return config, machine.daemon("--root", str(kept.tree), "-c", str(config), log=log), port


def test_nothing_is_lost_and_what_waited_is_shipped(
    kept: KeptFolders, mongo: Mongod, tmp_path: Path
) -> None:
    originals = kept.originals
    waiting = kept.count("sample", "shipped = 0"), kept.count("decision", "shipped = 0")
    assert waiting[0] >= 20 and waiting[1] >= 10, "the archive holds an outbox"
    log = tmp_path / "log"
    config, daemon, port = started(kept, tmp_path, f"mongodb://127.0.0.1:{mongo.port}", log)
    began = time.time()
    with daemon as process:
        served = Served(process.pid, port, kept.state, log)
        irqs = {irq["identity"]: irq for irq in served.get("/api/v1/irqs")}
        # Overrides: one until it is cleared, one for ten years.
        overrides = {item["identity"]: item for item in served.get("/api/v1/overrides")}
        assert {key: item["cpus"] for key, item in overrides.items()} == {MISC: "3", FIRST: "2-3"}
        assert overrides[MISC]["reason"] == "kept for the database"
        assert overrides[FIRST]["expires"].startswith("2036-11-24")
        # The ledger: irqbal knows that it placed these masks, and when.
        assert (irqs[FIRST]["policy"], irqs[FIRST]["affinity"]) == ("override", "2-3")
        assert irqs[FIRST]["generation"] == 1 and irqs[FIRST]["placed_ago"] is not None
        # Tokens: of then, and the one for root.
        for token in (OPS, served.admin):
            assert served.ask("POST", "/api/v1/cycle", token=token).status == 200
        # The history of then is read.
        decisions = served.get("/api/v1/decisions?start=20261127-000000&end=20261128-000000")
        assert any(item["reason"] == "kept for the database" for item in decisions)
        assert len(decisions) >= waiting[1]
        with MongoClient[Any](f"mongodb://127.0.0.1:{mongo.port}") as client:
            database = client.irqbal
            machine.wait_for(
                lambda: (
                    database.samples.count_documents({"time": {"$lt": _date(began)}}) == waiting[0]
                    and database.decisions.count_documents({"time": {"$lt": _date(began)}})
                    == waiting[1]
                ),
                log,
            )
        machine.wait_for(lambda: kept.count("sample", f"shipped=0 AND wall<{began}") == 0, log)
        # Originals: the first value of then wins, whatever was written since.
        assert {key: kept.originals[key] for key in originals} == originals
    text = log.read_text()
    assert "ERROR" not in text and "Traceback" not in text
    done = machine.irqbal("--root", str(kept.tree), "restore", "-c", str(config))
    assert done.returncode == 0 and len(done.stdout.splitlines()) >= len(originals)
    for number in (24, 25, 26, 27, 28):
        mask = (kept.tree / f"proc/irq/{number}/smp_affinity_list").read_text().strip()
        assert mask == "0-7", number


def test_costs_of_then_are_known_at_the_start(kept: KeptFolders, tmp_path: Path) -> None:
    """The first plan knows that one queue's packets cost five times what another's do."""
    stored = json.loads((kept.state / "costs.json").read_text())
    log = tmp_path / "log"
    _, daemon, port = started(kept, tmp_path, "mongodb://127.0.0.1:9", log)
    with daemon as process:
        assert Served(process.pid, port, kept.state, log).get("/api/v1/status")["state"]
    today = json.loads((kept.state / "costs.json").read_text())
    for kind in ("hard", "soft"):
        assert today[kind] == pytest.approx(stored[kind]), kind
    assert today["factors"].keys() >= stored["factors"].keys()
    for identity, factors in stored["factors"].items():
        assert today["factors"][identity] == pytest.approx(factors), identity


def _date(wall: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(wall, UTC)
