"""`irqbal serve`, the command, over one host's history file."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import machine
from fleet import BOOT
from irqbal.cli.main import cli as irqbal_cli
from irqbal.client.cli.main import cli as client_cli
from irqbal.errors import ConfigError, HistoryError, IrqbalError
from irqbal.history.samples import Decision, IrqState, Sample, Series
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import WritableSqliteHistory
from mongod import free_port

FIRST = IrqState(
    "0000:3b:00.0/1/eth0-TxRx-0", 24, "eth0-TxRx-0", "0000:3b:00.0", "eth0/rxtx-0", "0-3", "2"
)
SECOND = IrqState(
    "0000:3b:00.0/2/eth0-TxRx-1", 25, "eth0-TxRx-1", "0000:3b:00.0", "eth0/rxtx-1", "2", "2"
)


def write(path: Path, *states: IrqState) -> None:
    """A history of three minutes in which each of these IRQs fired 600 times a minute, and took the
    first a move.
    """
    store, now = WritableSqliteHistory(path), time.time()
    for sequence in range(1, 4):
        counts = {Series("irq", state.identity, 2): 600 for state in states} | {
            Series("time", "softirq", 2): 12_000_000
        }
        store.add_sample(Sample(sequence, BOOT, now - 200 + 60 * sequence, 60.0, counts, states))
    first = states[0]
    store.add_decisions(
        [
            Decision(
                4,
                BOOT,
                now - 100,
                7,
                "move",
                first.identity,
                first.number,
                first.action,
                "pin_nic_queues",
                before="0-3",
                after="2",
                result="written",
                reason="a reason",
            )
        ]
    )
    store.close()


class ServedFile:
    """A central server over a file, in a process of its own."""

    def __init__(self, folder: Path, path: Path, *more: str) -> None:
        self.port, self.log = free_port(), folder / "log"
        self.base = f"http://127.0.0.1:{self.port}"
        config = folder / "irqbal.yaml"
        config.write_text(f"state_dir: {folder / 'state'}\n")
        self.words = [
            "serve",
            "--store",
            f"sqlite://{path}",
            "--name",
            "db9",
            "-c",
            str(config),
            *more,
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Until the end of the block, where it must end by itself."""
        with self.log.open("wb") as out:
            process = subprocess.Popen(
                [machine.IRQBAL, *self.words, "127.0.0.1", str(self.port)], stderr=out
            )
        try:
            machine.wait_for(lambda: "serving 1 hosts" in self.log.read_text(), self.log)
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            machine.kill(process)

    def ask(self, path: str, token: str = "") -> tuple[int, Any]:
        """(status, answer)."""
        request = urllib.request.Request(
            self.base + path, headers={"Authorization": f"Bearer {token}"} if token else {}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def get(self, path: str) -> Any:
        """What a route answers that must not refuse."""
        status, found = self.ask(f"/api/v1{path}")
        assert status == 200, (path, found)
        return found

    def client(self, *words: str) -> str:
        """What the client prints."""
        return CliRunner().invoke(client_cli, ["127.0.0.1", str(self.port), *words]).stdout


@pytest.fixture
def served(tmp_path: Path) -> ServedFile:
    write(tmp_path / FILE, FIRST, SECOND)
    return ServedFile(tmp_path, tmp_path / FILE)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """A command in this process sets logging up; afterwards it is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("own_logging")
def test_what_cannot_be_served_is_refused_with_what_to_do(
    served: ServedFile, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for error, said, more in (
        (ConfigError, "without `tls`", ["0.0.0.0"]),
        (click.UsageError, "must be given together", ["--cert", "x", "127.0.0.1"]),
        (HistoryError, "there is no history at", ["--store", str(tmp_path / "none"), "127.0.0.1"]),
        (
            HistoryError,
            "takes mongodb://…, sqlite:///PATH or a file",
            ["--store", "http://db/x", "127.0.0.1"],
        ),
        (click.UsageError, "--store is empty", ["--store", "", "127.0.0.1"]),
        (IrqbalError, "is empty: write a token", ["--token-file", str(empty), "127.0.0.1"]),
    ):
        with pytest.raises(error, match=said):
            irqbal_cli([*served.words, *more, str(served.port)], standalone_mode=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", served.port))
        taken.listen()
        words = [machine.IRQBAL, *served.words, "127.0.0.1", str(served.port)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done
    assert (
        f"cannot listen on 127.0.0.1:{served.port}: Address already in use; nothing is served"
        in done.stderr
    ), done.stderr
    assert "balancing" not in done.stderr and "serving" not in done.stderr


def test_a_history_file_is_served_as_a_host_of_its_own(served: ServedFile, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a secret\n")
    served.words += ["--token-file", str(tmp_path / "token")]
    with served.running():
        (host,) = served.get("/hosts")
        assert (host["host"], host["cpus"], host["irqs"], host["remote"]) == ("db9", 1, 2, None)
        found = served.get("/irqs")
        assert [(irq["name"], irq["rate"], irq["affinity"], irq["effective"]) for irq in found] == [
            ("eth0-TxRx-0", 10.0, "0-3", "2"),
            ("eth0-TxRx-1", 10.0, "2", "2"),
        ]
        assert [
            point["counts"] for point in served.get("/irqs/24/history?start=10m&step=10m")["points"]
        ] == [{"2": 1800}]
        assert (
            served.ask("/api/v1/status", "a secret")[0] == 200
            and served.ask("/api/v1/status", "another")[0] == 401
        )
        # What is not known is not made up.
        status = served.client("status")
        assert (
            "1 CPUs, 2 IRQs" in status
            and "known from its stored history alone" in status
            and "running since" not in status
        )
        explained = served.client("explain", "24")
        assert "by pin_nic_queues" in explained and "no policy claims it" not in explained
        assert [item["code"] for item in served.get("/fleet/findings")] == ["shared-core"]


def test_another_file_in_its_place_is_noticed_and_a_missing_one_told(
    served: ServedFile, tmp_path: Path
) -> None:
    path, other = tmp_path / FILE, tmp_path / "other.sqlite"
    write(other, FIRST)
    with served.running():
        assert len(served.get("/irqs")) == 2 and served.ask("/readyz")[0] == 200
        path.rename(tmp_path / "kept")
        status, said = served.ask("/api/v1/decisions")
        assert status == 503 and "there is no history at" in said["error"]["message"]
        assert served.ask("/readyz")[0] == 503 and served.ask("/healthz")[0] == 200
        other.rename(path)
        machine.wait_for(lambda: served.ask("/readyz")[0] == 200, served.log)
        machine.wait_for(lambda: len(served.get("/irqs")) == 1, served.log)


@pytest.mark.root("mounts a folder that cannot be written")
def test_a_copy_on_a_medium_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "medium"
    folder.mkdir()
    write(folder / FILE, FIRST)
    script = (
        f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && "
        f"{machine.IRQBAL} history 24 --store {folder / FILE}"
    )
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0 and re.search(r"^2 +10\.0 ", done.stdout, re.M), done
