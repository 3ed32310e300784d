"""Backups of a history that is written to twenty times a second by a process that is killed again
and again: every one is whole, and no sample is lost.
"""

from __future__ import annotations

import random
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory
from places import TESTS

KILLS, BACKUPS = 30, 40
_WRITER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from irqbal.config.schema import Retention
    from irqbal.history.recorder import NewSample
    from irqbal.history.samples import Series
    from irqbal.history.writer import HistoryWriter
    writer = HistoryWriter(Path(sys.argv[1]), Retention(), outbox=False)
    cells = [Series("irq", f"irq {number}", number % 4) for number in range(300)]
    for number in range(int(sys.argv[2]), 10**9):
        writer.record(
            "boot", NewSample(time.time(), 0.05, {cell: number for cell in cells}, ()), []
        )
        print(number, flush=True)
        time.sleep(0.05)
""")


def documented() -> list[str]:
    """The commands with which docs/operating.md copies a history."""
    text = (TESTS.parent / "docs/operating.md").read_text()
    found = re.findall(r"^sqlite3 /var/lib/irqbal/history\.sqlite (.*)$", text, re.MULTILINE)
    assert len(found) >= 2
    return [command.strip('"') for command in found]


@pytest.mark.parametrize("command", documented())
def test_forty_backups_under_writes_and_thirty_kills(tmp_path: Path, command: str) -> None:
    folder, copies = tmp_path / "state", tmp_path / "copies"
    copies.mkdir()
    source = folder / FILE
    acknowledged: list[int] = []
    done = threading.Event()

    def write() -> None:
        number, dice = 1, random.Random(7)
        for _ in range(KILLS):
            writer = subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(folder), str(number)], stdout=subprocess.PIPE
            )
            assert writer.stdout is not None
            writer.stdout.readline()
            acknowledged.append(number)
            time.sleep(dice.uniform(0.2, 1.5))
            writer.send_signal(signal.SIGKILL)
            acknowledged.extend(int(word) for word in writer.stdout.read().split())
            writer.stdout.close()
            writer.wait()
            number = acknowledged[-1] + 2
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    made: list[tuple[Path, int]] = []
    while not source.exists():
        time.sleep(0.05)
    while len(made) < BACKUPS or not done.is_set():
        known = len(acknowledged)
        copy = copies / f"{len(made)}.sqlite"
        words = re.sub(r"/root/copy/\w+\.sqlite", str(copy), command)
        # A restarting writer may hold the file for a moment, as it does for any other program.
        subprocess.run(
            ["sqlite3", "-cmd", ".timeout 20000", str(source), words],
            check=True,
            capture_output=True,
            text=True,
        )
        made.append((copy, known))
        time.sleep(0.3)
    thread.join()
    assert len(made) >= BACKUPS
    store = SqliteHistory(source)
    assert store.check() == "ok"
    numbers = _numbers(store)
    store.close()
    missing = set(acknowledged) - numbers
    assert not missing, f"{len(missing)} of {len(acknowledged)} samples are lost"
    for copy, known in made:
        with sqlite3.connect(copy) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        backup = SqliteHistory(copy)
        found = _numbers(backup)
        backup.close()
        assert set(acknowledged[:known]) <= found <= numbers
    print(f"{len(made)} backups by {command!r}, {len(acknowledged)} samples, none lost")


def _numbers(store: SqliteHistory) -> set[int]:
    """The number that each sample counted, which is one for all its series."""
    found = set()
    for sample in store.samples(0, 1e12):
        (number,) = set(sample.values.values())
        found.add(number)
    return found
