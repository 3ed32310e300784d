"""The daemon and its history, on this machine's own kernel: killed at any moment, and read back by
the commands.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

import machine
from irqbal.history.mongodb.store import MongodbHistory
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory, WritableSqliteHistory
from irqbal.history.store import Query
from machine import IRQBAL, daemon, irqbal, wait_for
from mongod import Mongod

KILLS = 100 if os.environ.get("IRQBAL_LONG") else 15


def _config(tmp_path: Path, policies: str = "[]") -> Path:
    path = tmp_path / "irqbal.yaml"
    path.write_text(
        f"interval: 100ms\nstate_dir: {tmp_path}\nhistory: {{every: 100ms}}\napi: {{listen: []}}\n"
        f"policies: {policies}\n"
    )
    return path


@pytest.mark.timeout(600)
def test_a_daemon_killed_at_random_moments_leaves_a_sound_history_without_spikes(
    tmp_path: Path,
) -> None:
    config = _config(tmp_path)
    began = time.time()
    for number in range(KILLS):
        with (tmp_path / "log").open("wb") as out:
            process = subprocess.Popen(
                [IRQBAL, "daemon", "-c", str(config)], stdout=out, stderr=out
            )
        wait_for(
            lambda process=process: (
                "ready:" in (tmp_path / "log").read_text() or process.poll() is not None
            ),
            tmp_path / "log",
        )
        time.sleep(random.uniform(0.0, 0.8))
        process.send_signal(signal.SIGKILL)
        assert process.wait(90) == -signal.SIGKILL, number
    store = WritableSqliteHistory(tmp_path / FILE)
    assert store.check() == "ok"
    samples = list(store.samples(0, 1e12))
    assert len(samples) > KILLS, "most runs must have recorded something"
    numbers = [item.sequence for item in samples]
    kept = {item.sequence for item in store.decisions(0, 1e12)}
    assert sorted({*numbers, *kept}) == list(range(1, max(numbers) + 1)), (
        "none between two others is missing"
    )
    assert sum(item.seconds for item in samples) <= time.time() - began, (
        "what nobody saw is not made up"
    )
    for item in samples:
        assert 0.01 < item.seconds < 30
        # A total taken for a difference would be millions of interrupts a second.
        assert (
            sum(value for series, value in item.values.items() if series.kind == "irq")
            / item.seconds
            < 200_000
        )
        assert all(
            value / item.seconds < 100_000
            for series, value in item.values.items()
            if series.name == "LOC"
        )
    store.close()


def test_the_commands_read_what_the_daemon_recorded(tmp_path: Path) -> None:
    number = machine.movable()[-1]
    cpu = "0"
    config = _config(
        tmp_path,
        f"[{{pin_irqs: {{rules: [{{irq: '{number}', cpus: {cpu}}}, {{irq: "
        f"'{machine.managed()[0]}', cpus: 0}}]}}}}]",
    )
    with daemon("-c", str(config), log=tmp_path / "log"):
        wait_for((tmp_path / FILE).exists, tmp_path / "log")
        Path("/proc/irq", str(number), "smp_affinity_list").read_text()
        # Something for the block device's managed IRQ to do.
        for _ in range(20):
            with (tmp_path / "written").open("wb") as file:
                file.write(os.urandom(1 << 16))
                os.fsync(file.fileno())
            time.sleep(0.05)
        # The daemon goes on while others read.
        lines = irqbal("decisions", "-c", str(config), "--start", "1h").stdout.splitlines()
        assert any(
            f"IRQ {number} (" in line and "-> 0 [written]" in line and "pin_irqs: rule 1" in line
            for line in lines
        )
        assert any("refusal" in line and "its driver left its affinity" in line for line in lines)
        points = json.loads(
            irqbal(
                "history", "all", "-c", str(config), "--start", "1h", "--step", "1s", "--json"
            ).stdout
        )
        assert sum(sum(point["counts"].values()) for point in points) > 0
        table = irqbal(
            "history",
            "all",
            "-c",
            str(config),
            "--start",
            "20260101-000000",
            "--step",
            "1h",
            "--csv",
        ).stdout.splitlines()
        assert table[0].startswith("time,seconds,cpu") and len(table) >= 2
    out = tmp_path / "out.jsonl"
    irqbal("export", str(out), "-c", str(config), "--start", "1h")
    records = [json.loads(line) for line in out.read_text().splitlines()]
    store = SqliteHistory(tmp_path / FILE)
    assert len(records) == len(list(store.samples(0, 1e12)))
    exported = sum(
        sum(cells.values()) for record in records for cells in record.get("irq", {}).values()
    )
    stored = sum(
        sum(point.counts.values())
        for point in store.series(Query(time.time() - 3600, time.time() + 10, 60))
    )
    assert exported == stored > 0
    store.close()
    assert irqbal("history", "no-such-irq", "-c", str(config), check=3).stderr.startswith(
        "irqbal: the history has no IRQ"
    )
    assert (
        "is not a time"
        in irqbal("history", "all", "-c", str(config), "--start", "yesterday", check=2).stderr
    )


def test_the_daemon_starts_without_mongodb_ships_when_it_comes_and_cycles_on_time_meanwhile(
    tmp_path: Path,
) -> None:
    server = Mongod(tmp_path / "mongod")
    config = _config(tmp_path)
    address = f"mongodb://127.0.0.1:{server.port}"
    section = f"history: {{every: 100ms, mongodb: {{url: '{address}', database: fleet}}}}"
    config.write_text(config.read_text().replace("history: {every: 100ms}", section))
    log = tmp_path / "log"
    try:
        with daemon("-c", str(config), "--debug", log=log):
            # No cycle waits for a database.
            wait_for(lambda: log.read_text().count("DEBUG   cycle ") >= 10, log)
            server.start()
            wait_for(lambda: _arrived(address) > 10, log)
        history = SqliteHistory(tmp_path / FILE)
        here = [item.sequence for item in history.samples(0, 1e12)]
        assert len(here) > 10
        remote = MongodbHistory(f"{address}/fleet")
        there = [item.sequence for item in remote.samples(0, time.time() + 10)]
        assert len(there) == len(set(there)) > 10
        assert set(there) <= set(here)
        # What the last second gave may still be in the outbox: the next run ships it.
        with daemon("-c", str(config), log=log):
            wait_for(
                lambda: (
                    set(here) <= {item.sequence for item in remote.samples(0, time.time() + 10)}
                ),
                log,
            )
        again = irqbal(
            "history",
            "all",
            "-c",
            str(config),
            "--store",
            f"{address}/fleet",
            "--start",
            "1h",
            "--json",
            "--step",
            "1h",
        )
        assert sum(sum(point["counts"].values()) for point in json.loads(again.stdout)) > 0
        remote.close()
        history.close()
    finally:
        if server.alive:
            server.kill()


def _arrived(address: str) -> int:
    """How many samples the database holds."""
    with MongoClient[Any](address, serverSelectionTimeoutMS=5000) as client:
        return int(client["fleet"]["samples"].estimated_document_count())
