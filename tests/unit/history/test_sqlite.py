"""The history in SQLite: what goes in comes back, summed as it should be, whatever happens to the
file.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqbal.config.schema import Retention
from irqbal.errors import HistoryError
from irqbal.history.recorder import NewSample
from irqbal.history.samples import Decision, IrqState, Sample, Series
from irqbal.history.sqlite import blobs, schema
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.rollup import STEPS, bucket
from irqbal.history.sqlite.store import SqliteHistory, WritableSqliteHistory
from irqbal.history.store import Query
from irqbal.history.writer import WAITING_DECISIONS, HistoryWriter
from irqbal.wire import Duration

T0 = 1_800_000_000.0
"""A full hour."""
assert T0 % 3600 == 0
A, B = "0000:00:03.0/1/eth0-TxRx-0", "0000:00:04.0/1/nvme0q1"


def sample(
    sequence: int,
    wall: float,
    seconds: float = 60.0,
    states: tuple[IrqState, ...] = (),
    **values: int,
) -> Sample:
    """Values as `a0=5`: IRQ A on CPU 0."""
    names = {"a": A, "b": B}
    cells = {Series("irq", names[key[0]], int(key[1:])): value for key, value in values.items()}
    return Sample(sequence, "boot-1", wall, seconds, cells, states)


def filled(path: Path, hours: int = 3) -> SqliteHistory:
    """A sample a minute: A fires 10 times on CPU 0 and once on CPU 1, B 3 times on CPU 1."""
    store = WritableSqliteHistory(path)
    for minute in range(1, hours * 60 + 1):
        store.add_sample(sample(store.next_sequence(), T0 + minute * 60, a0=10, a1=1, b1=3))
    return store


@given(st.lists(st.one_of(st.just(0), st.integers(0, 2**64 - 1)), max_size=400))
@settings(deadline=None)
def test_blobs_come_back(values: list[int]) -> None:
    assert list(blobs.unpack(blobs.pack_dense(values))) == values


@given(st.binary(max_size=200))
def test_what_is_no_blob_is_a_value_error(data: bytes) -> None:
    try:
        blobs.unpack(data)
    except ValueError:
        return


def test_samples_and_decisions_come_back_as_they_went_in(tmp_path: Path) -> None:
    state = IrqState(A, 24, "eth0-TxRx-0", "0000:00:03.0", "eth0/rxtx-0", "0-3", "2")
    first = sample(1, T0 + 60, states=(state,), a0=10, b1=3)
    second = Sample(
        2,
        "boot-2",
        T0 + 120,
        59.5,
        {Series("row", "LOC", 3): 2**40, Series("time", "softirq", 0): 7},
    )
    decision = Decision(
        3,
        "boot-2",
        T0 + 121,
        9,
        "move",
        A,
        24,
        "eth0-TxRx-0",
        "pin",
        "place",
        "0-3",
        "2",
        "written",
        "why",
    )
    store = WritableSqliteHistory(tmp_path / FILE)
    store.add_sample(first)
    store.add_sample(second)
    store.add_decisions([decision])
    store.close()
    for reader in (SqliteHistory(tmp_path / FILE), WritableSqliteHistory(tmp_path / FILE)):
        assert list(reader.samples(T0, T0 + 1000)) == [first, second]
        assert reader.decisions(T0, T0 + 1000) == [decision] == reader.decisions(T0, T0 + 1000, A)
        assert reader.decisions(T0, T0 + 1000, B) == [] == reader.decisions(T0, T0 + 121)
        assert reader.irqs() == [state]
        reader.close()
    store = WritableSqliteHistory(tmp_path / FILE)
    assert store.next_sequence() == 4
    store.close()


def test_series_sum_by_cpu_and_by_irq_from_the_right_roll_up(tmp_path: Path) -> None:
    store = filled(tmp_path / FILE)
    for step in (60, 300, 900, 3600):
        points = store.series(Query(T0, T0 + 3 * 3600, step))
        assert len(points) == 3 * 3600 // step
        assert all(
            point.seconds == step and point.counts == {"0": step // 6, "1": step // 15}
            for point in points
        ), step
    by_irq = store.series(Query(T0, T0 + 7200, 7200, by="irq"))
    assert [point.counts for point in by_irq] == [{A: 11 * 120, B: 3 * 120}]
    only_b = store.series(Query(T0, T0 + 7200, 3600, identities=(B,)))
    assert [point.counts for point in only_b] == [{"1": 180}, {"1": 180}]
    assert store.series(Query(T0, T0 + 7200, 3600, identities=("nobody",))) == []
    store.close()


def test_roll_ups_are_written_as_samples_arrive_and_made_up_for_after_a_kill(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path / FILE, hours=1)
    db = sqlite3.connect(tmp_path / FILE)
    full = db.execute("SELECT count(*) FROM rollup WHERE step = 300").fetchone()[0]
    assert full == 11, "the last bucket is still open"
    store.close()
    with db:
        db.execute("DELETE FROM rollup WHERE start > ?", (T0 + 900,))
    db.close()
    store = WritableSqliteHistory(tmp_path / FILE)
    points = store.series(Query(T0, T0 + 3600, 300))
    assert [point.counts["0"] for point in points] == [50] * 12
    store.close()


def test_a_gap_is_a_gap(tmp_path: Path) -> None:
    store = WritableSqliteHistory(tmp_path / FILE)
    for minute in (*range(1, 11), *range(31, 41)):
        store.add_sample(sample(store.next_sequence(), T0 + minute * 60, a0=10))
    points = store.series(Query(T0, T0 + 3600, 300))
    assert [(point.start - T0) / 300 for point in points] == [0, 1, 6, 7], (
        "no zeros for what nobody saw"
    )
    hour = store.series(Query(T0, T0 + 3600, 3600))
    assert [(point.seconds, point.counts) for point in hour] == [(1200.0, {"0": 200})], (
        "a rate over what was covered, not over the hour"
    )
    store.close()


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_that_is_stepped_makes_no_spike(tmp_path: Path, step: float) -> None:
    store = WritableSqliteHistory(tmp_path / FILE)
    for minute in range(1, 121):
        wall = T0 + 7200 + minute * 60 + (step if minute > 60 else 0)
        store.add_sample(sample(store.next_sequence(), wall, a0=10))
    for length in (60, 300, 3600):
        points = store.series(Query(T0, T0 + 5 * 3600, length))
        assert sum(point.counts["0"] for point in points) == 1200
        assert all(
            point.counts["0"] / point.seconds == pytest.approx(10 / 60) for point in points
        ), length
    store.close()


def test_what_is_old_goes_and_coarser_sums_stay(tmp_path: Path) -> None:
    path = tmp_path / FILE
    store = WritableSqliteHistory(
        path, keep=Retention(Duration(3600), Duration(2 * 3600), Duration(100 * 3600))
    )
    for minute in range(1, 6 * 60 + 1):
        store.add_sample(sample(store.next_sequence(), T0 + minute * 60, a0=10))
    now = T0 + 6 * 3600
    assert store.prune(now) > 200
    points = store.series(Query(T0, now, 60))
    assert sum(point.counts["0"] for point in points) == 3600, (
        "what is old is read from what is left of it"
    )
    assert [round(point.seconds) for point in points[:4]] == [3600, 3600, 3600, 3600]
    assert points[-1].seconds == 60
    assert store.check() == "ok"
    store.close()


def test_what_is_not_shipped_yet_is_not_deleted(tmp_path: Path) -> None:
    store = WritableSqliteHistory(tmp_path / FILE, keep=Retention(raw=Duration(60)), outbox=True)
    for minute in range(1, 11):
        store.add_sample(sample(store.next_sequence(), T0 + minute * 60, a0=10))
    store.add_decisions([Decision(store.next_sequence(), "boot-1", T0, 1, "drift")])
    assert store.backlog() == 11
    assert store.prune(T0 + 1e6) == 0
    first = store.pending(1, 100)
    assert [item.sequence for item in first] == [1], "at least one, however small the batch"
    everything = store.pending(1 << 20, 100)
    assert [item.sequence for item in everything] == list(range(1, 12))
    store.mark_shipped([item.sequence for item in everything[:4]])
    assert store.backlog() == 7
    assert store.prune(T0 + 1e6) == 4
    store.close()


def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path / FILE, hours=1).close()
    data = bytearray((tmp_path / FILE).read_bytes())
    random.seed(1)
    for at in range(0, len(data), 97):
        data[at] = random.randrange(256)
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(HistoryError, match="damaged"):
        SqliteHistory(tmp_path / FILE)
    store = WritableSqliteHistory(tmp_path / FILE)
    assert "was moved to" in caplog.text
    store.add_sample(sample(store.next_sequence(), T0, a0=1))
    store.close()
    aside = [
        path
        for path in tmp_path.iterdir()
        if ".corrupt-" in path.name and path.name.count("-") == 1
    ]
    assert len(aside) == 1 and aside[0].read_bytes() == data


def test_a_cycle_of_a_very_large_host_loses_no_decision(tmp_path: Path) -> None:
    """All of them at once are more than may wait in memory; the disk is healthy."""
    many = [
        Decision(0, "boot", T0, 1, "refusal", f"irq {n}", n, "nvme", "p", "unmovable")
        for n in range(2 * WAITING_DECISIONS)
    ]
    writer = HistoryWriter(tmp_path, Retention(), outbox=False)
    writer.record("boot", None, many)
    assert (writer.dropped, writer.waiting()) == (0, 0)
    writer.close()
    store = SqliteHistory(tmp_path / FILE)
    assert len(store.decisions(0, 1e12, limit=100_000)) == len(many)
    store.close()


def test_a_file_that_is_damaged_under_the_daemon_is_replaced(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, Retention(), outbox=False)
    for minute in range(200):
        writer.record(
            "boot", NewSample(T0 + minute * 60, 60.0, {Series("irq", A, 0): minute + 1}, ()), []
        )
    with (tmp_path / FILE).open("r+b") as file:
        file.write(b"garbage" * 100_000)
    (tmp_path / f"{FILE}-wal").write_bytes(b"more garbage" * 10_000)
    for minute in range(200, 210):
        writer.record("boot", NewSample(T0 + minute * 60, 60.0, {Series("irq", A, 0): 1}, ()), [])
    assert writer.waiting() == 0
    writer.close()
    store = SqliteHistory(tmp_path / FILE)
    assert store.check() == "ok"
    assert len(list(store.samples(0, 1e12))) >= 9
    store.close()


def test_a_newer_schema_and_a_foreign_file_are_refused_or_moved(tmp_path: Path) -> None:
    WritableSqliteHistory(tmp_path / FILE).close()
    db = sqlite3.connect(tmp_path / FILE)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    with pytest.raises(HistoryError, match="newer irqbal"):
        WritableSqliteHistory(tmp_path / FILE)
    assert (tmp_path / FILE).exists(), "what a newer irqbal wrote is not touched"


def test_buckets_hold_what_ends_in_them() -> None:
    assert [bucket(T0 + at, 300) - T0 for at in (1, 300, 301, 600)] == [0, 0, 300, 300]
    assert STEPS == (300, 3600)


def test_a_sample_that_cannot_be_stored_leaves_no_trace(tmp_path: Path) -> None:
    store = WritableSqliteHistory(tmp_path / FILE)
    store.add_sample(sample(1, T0 + 60, a0=1))
    with pytest.raises(sqlite3.IntegrityError):
        store.add_sample(msgspec.structs.replace(sample(1, T0 + 120, b1=1)))
    store.add_sample(sample(2, T0 + 120, b1=7))
    assert [dict(item.values) for item in store.samples(0, 1e12)] == [
        {Series("irq", A, 0): 1},
        {Series("irq", B, 1): 7},
    ]
    store.close()


def test_an_outbox_that_cannot_be_counted_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, Retention(), outbox=True)
    writer.record("boot", NewSample(T0, 60.0, {Series("irq", A, 0): 1}, ()), [])
    assert writer.backlog() == 1
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("DROP TABLE decision")
    with pytest.raises(HistoryError, match="the history cannot be read"):
        writer.backlog()
