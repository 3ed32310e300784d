"""The history file in a process that is killed, and on a disk that is full."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from irqbal.history.samples import Sample, Series
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import WritableSqliteHistory
from irqbal.history.store import Query
from places import TESTS

_FULL = """
import sys, subprocess
sys.path.insert(0, {tests!r})
from pathlib import Path
folder = Path({folder!r})
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
from irqbal.config.schema import Retention
from irqbal.history.writer import HistoryWriter
from irqbal.history.recorder import NewSample
from irqbal.history.samples import Series
from irqbal.history.samples import Sample, Series
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory, WritableSqliteHistory
import irqbal.history.writer as module, os
module.WAITING_VALUES = 400_000
writer = HistoryWriter(folder, Retention(), outbox=False)
total = 600
for minute in range(total):
    values = {{Series("irq", f"irq {{number}}", number % 8): int.from_bytes(os.urandom(4), "big") for number in range(2000)}}
    writer.record("boot", NewSample(1.8e9 + minute * 60, 60.0, values, ()), [])
waiting, dropped = writer.waiting(), writer.dropped
assert waiting > 0 and dropped > 0, (waiting, dropped)
assert waiting * 2050 <= 400_000, waiting
stored = writer.store.next_sequence() - 1
assert stored + waiting + dropped == total, (stored, waiting, dropped)
assert writer.store.check() == "ok"
subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
writer.record("boot", None, [])
assert writer.waiting() == 0, "room again: what waited is written"
assert writer.store.next_sequence() - 1 == total - dropped
writer.close()
print("stored", stored, "waiting", waiting, "dropped", dropped)
"""  # noqa: E501


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
@pytest.mark.root("mounts a small file system")
def test_a_full_disk_of_2_mb_stops_nothing_and_what_is_lost_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    script = _FULL.format(tests=str(TESTS / "fakes"), folder=str(folder))
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stderr.count("Traceback") == 0


_WRITER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from irqbal.history.writer import HistoryWriter
    from irqbal.history.clock import ClockReading
    from irqbal.history.recorder import NewSample
    from irqbal.history.samples import Series
    from irqbal.config.schema import Retention
    writer = HistoryWriter(Path(sys.argv[1]), Retention(), outbox=False)
    start = int(sys.argv[2])
    cells = [Series("irq", f"irq {number}", number % 4) for number in range(300)]
    for number in range(start, start + 100_000):
        values = {cell: 100 for cell in cells}
        wall = 1.8e9 + number * 10.0
        clocks = ClockReading(wall, number * 10.0, True)
        writer.record("boot", NewSample(wall, 10.0, values, ()), [], clocks)
        print(number, flush=True)
""")


_OTHER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
print(db.execute("select count(*) from sample").fetchone()[0])
db.close()
"""


def test_looking_at_the_file_leaves_the_locks_of_its_writer(tmp_path: Path) -> None:
    """Who opens the database with write access while the daemon runs, as `sqlite3 .backup` does,
    and closes it last, deletes the WAL: unless it sees the daemon's locks.
    """
    store = WritableSqliteHistory(tmp_path / FILE)
    wal = tmp_path / f"{FILE}-wal"
    try:
        for number in range(5):
            assert store.is_intact()
            values = {Series("irq", "irq 1", 0): number}
            store.add_sample(Sample(number + 1, "boot", 1.8e9 + 60.0 * number, 60.0, values))
            assert wal.stat().st_size > 0
            done = subprocess.run(
                [sys.executable, "-c", _OTHER, str(tmp_path / FILE)],
                check=True,
                capture_output=True,
                text=True,
            )
            assert done.stdout == f"{number + 1}\n"
            assert wal.exists(), "the WAL was deleted below its writer"
    finally:
        store.close()


def test_killed_at_a_hundred_random_moments_at_most_the_sample_in_flight_is_missing(
    tmp_path: Path,
) -> None:
    acknowledged = 0
    number = 1
    for _ in range(100):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), str(number)], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(random.uniform(0.0, 0.05))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.stdout.close()
        writer.wait()
        last = int(rest[-1]) if rest else number
        acknowledged += last - number + 1
        number = last + 2
    store = WritableSqliteHistory(tmp_path / FILE)
    assert store.check() == "ok"
    found = list(store.samples(0, 1e12))
    assert acknowledged <= len(found) <= acknowledged + 100
    assert all(set(item.values.values()) == {100} for item in found)
    points = store.series(Query(1.8e9, 1.8e9 + number * 10, 300.0))
    assert all(
        sum(point.counts.values()) == pytest.approx(point.seconds * 3000) for point in points
    ), "no spike, no hole"
    assert sum(sum(point.counts.values()) for point in points) == len(found) * 30_000
    store.close()
