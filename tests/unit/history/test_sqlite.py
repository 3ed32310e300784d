"""The history in SQLite: what goes in comes back, summed as it should be, whatever happens to the
file.
"""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
import sqlite3
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archives import extract
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
from places import TESTS

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


def test_roll_ups_are_written_as_samples_arrive_and_made_up_for_at_a_start(
    tmp_path: Path,
) -> None:
    store = filled(tmp_path / FILE, hours=1)
    db = sqlite3.connect(tmp_path / FILE)
    full = db.execute("SELECT count(*) FROM rollup WHERE step = 300").fetchone()[0]
    assert full == 11, "the last bucket is still open"
    store.close()
    with db:
        db.execute("DELETE FROM rollup")
        db.execute("UPDATE progress SET rolled = 0")
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


def test_what_waits_is_counted_while_more_is_recorded(tmp_path: Path) -> None:
    """The API's thread asks; the disk is out of order, so that much waits."""
    (tmp_path / "file").touch()
    writer = HistoryWriter(tmp_path / "file", Retention(), outbox=False)
    recorded = threading.Event()

    def record() -> None:
        for minute in range(1500):
            writer.record("boot", NewSample(T0 + minute, 1.0, {Series("irq", A, 0): 1}, ()), [])
        recorded.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=record)
    thread.start()
    try:
        while not recorded.is_set():
            assert writer.waiting() >= 0
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert writer.waiting() > 1000


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


@pytest.mark.parametrize("raw", [1, 60, 120, 300, 301, 900])
def test_a_retention_shorter_than_a_roll_up_never_makes_it_wrong(tmp_path: Path, raw: int) -> None:
    keep = Retention(Duration(raw), Duration(max(raw, 600)), Duration(100 * 3600))
    store = WritableSqliteHistory(tmp_path / FILE, keep=keep)
    for minute in range(1, 4 * 60 + 1):
        store.add_sample(sample(store.next_sequence(), T0 + minute * 60, a0=10))
        store.prune(T0 + minute * 60)
        if minute % 50 == 0:
            store.close()
            store = WritableSqliteHistory(tmp_path / FILE, keep=keep)
    for step in (60, 300, 3600):
        points = store.series(Query(T0, T0 + 4 * 3600, step))
        assert sum(point.counts["0"] for point in points) == 2400, step
        assert sum(point.seconds for point in points) == pytest.approx(4 * 3600)
    store.close()


def test_series_that_nothing_fills_any_more_are_forgotten(tmp_path: Path) -> None:
    """A NIC that is set up again and again has new identities each time."""
    day, keep = 86400, Retention(Duration(3600), Duration(7200), Duration(2 * 86400))
    store = WritableSqliteHistory(tmp_path / FILE, keep=keep)
    for number in range(200):
        wall = T0 + number * day / 4
        values = {Series("irq", f"irq {number}", 0): 7, Series("irq", A, 0): 1}
        store.add_sample(Sample(store.next_sequence(), "boot", wall, 60.0, values))
        store.prune(wall)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as db:
        names = {name for (name,) in db.execute("SELECT name FROM series")}
        assert len(names) < 30 and {A, "irq 199"} <= names
        assert db.execute("SELECT max(id) FROM series").fetchone()[0] < 30, "numbers are used again"
    end = T0 + 200 * day / 4
    points = store.series(Query(end - 2 * day, end, 3600, by="irq"))
    assert sum(point.counts.get(A, 0) for point in points) == 7
    for number in range(193, 200):
        assert sum(point.counts.get(f"irq {number}", 0) for point in points) == 7, number
    store.close()
    store = WritableSqliteHistory(tmp_path / FILE, keep=keep)
    store.add_sample(sample(store.next_sequence(), end, a0=5, b1=9))
    (point,) = store.series(Query(end - 60, end, 60, by="irq"))
    assert point.counts == {A: 5, B: 9}
    store.close()


def test_a_reader_that_stays_open_follows_a_number_that_another_irq_gets(tmp_path: Path) -> None:
    day = 86400
    keep = Retention(Duration(3600), Duration(7200), Duration(2 * day))
    writer = WritableSqliteHistory(tmp_path / FILE, keep=keep)
    writer.add_sample(Sample(1, "boot", T0, 60.0, {Series("irq", "gone", 0): 7}))
    reader = SqliteHistory(tmp_path / FILE)
    (point,) = reader.series(Query(T0 - 60, T0, 60, by="irq"))
    assert point.counts == {"gone": 7}
    for number in range(1, 30):
        wall = T0 + number * day / 4
        writer.add_sample(
            Sample(writer.next_sequence(), "boot", wall, 60.0, {Series("irq", A, 0): 1})
        )
        writer.prune(wall)
    end = T0 + 30 * day / 4
    writer.add_sample(
        Sample(writer.next_sequence(), "boot", end, 60.0, {Series("irq", "heir", 0): 5})
    )
    with contextlib.closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert {name for (name,) in db.execute("SELECT name FROM series")} == {A, "heir"}
        assert db.execute("SELECT max(id) FROM series").fetchone()[0] < 2, "the number of another"
    (last,) = reader.samples(end - 1, end + 1)
    assert last.values == {Series("irq", "heir", 0): 5}
    (point,) = reader.series(Query(end - 60, end, 60, by="irq"))
    assert point.counts == {"heir": 5}
    reader.close()
    writer.close()


def test_a_deleted_file_that_cannot_be_written_again_whole_has_no_part_of_it(
    tmp_path: Path,
) -> None:
    store = WritableSqliteHistory(tmp_path / FILE)
    values = {Series("irq", f"irq {number}", 0): number for number in range(20_000)}
    for minute in range(1, 4):
        store.add_sample(Sample(store.next_sequence(), "boot", T0 + minute, 1.0, values))
    for path in tmp_path.iterdir():
        path.unlink()
    # No more room than this, as on a full disk.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises((sqlite3.Error, OSError)):
            store.write_again()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []
    store.write_again()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    copy = SqliteHistory(tmp_path / FILE)
    assert copy.check() == "ok" and len(list(copy.samples(0, 1e12))) == 3
    copy.close()
    store.close()


def test_an_outbox_without_mongodb_is_kept_like_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = WritableSqliteHistory(tmp_path / FILE, keep=Retention(raw=Duration(60)), outbox=True)
    for minute in range(1, 11):
        store.add_sample(sample(store.next_sequence(), T0 + minute * 60, a0=10))
    store.close()
    store = WritableSqliteHistory(tmp_path / FILE, keep=Retention(raw=Duration(60)))
    assert store.backlog() == 0
    assert "10 samples and decisions waited for MongoDB" in caplog.text
    assert store.prune(T0 + 1e6) == 5, "the rest is not rolled up yet"
    store.close()


def test_a_dry_run_leaves_what_waits_for_mongodb_alone(tmp_path: Path) -> None:
    """Its own configuration may name none."""
    store = WritableSqliteHistory(tmp_path / FILE, outbox=True)
    for minute in range(1, 4):
        store.add_sample(sample(store.next_sequence(), T0 + minute * 60, a0=10))
    store.close()
    store = WritableSqliteHistory(tmp_path / FILE, outbox=None)
    store.add_sample(sample(store.next_sequence(), T0 + 240, a0=10))
    assert store.backlog() == 3
    store.close()


class WholeHistory:
    """A history that is not damaged, and what is in it."""

    def __init__(self, path: Path, samples: dict[int, Sample]) -> None:
        self.path, self.samples = path, samples


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> WholeHistory:
    """A history of 400 samples and decisions that wait for MongoDB, and its samples."""
    path = tmp_path_factory.mktemp("whole") / FILE
    store = WritableSqliteHistory(path, outbox=True)
    whole: dict[int, Sample] = {}
    dice = random.Random(1)
    for minute in range(1, 401):
        values = {Series("irq", f"irq {n}", n % 4): dice.randrange(1, 1 << 30) for n in range(200)}
        made = Sample(store.next_sequence(), "boot", T0 + minute * 60, 60.0, values)
        whole[made.sequence] = made
        store.add_sample(made)
        store.add_decisions([Decision(store.next_sequence(), "boot", T0 + minute * 60, 1, "drift")])
    store.close()
    return WholeHistory(path, whole)


@given(st.dictionaries(st.integers(0, 10_000), st.booleans(), min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_what_can_be_read_of_a_damaged_file_is_kept(
    tmp_path_factory: pytest.TempPathFactory,
    many: WholeHistory,
    damage: dict[int, bool],
) -> None:
    """Whatever pages are damaged: what is there afterwards is what was there before."""
    source, whole = many.path, many.samples
    path = tmp_path_factory.mktemp("damaged") / FILE
    shutil.copy(source, path)
    pages = path.stat().st_size // 16384
    bad = {1 + page % (pages - 1): zeros for page, zeros in damage.items()}
    with path.open("r+b") as file:
        for page, zeros in bad.items():
            file.seek(page * 16384)
            file.write(bytes(16384) if zeros else random.randbytes(16384))
    store = WritableSqliteHistory(path, outbox=True)
    assert store.check() == "ok"
    found = {item.sequence: item for item in store.samples(0, 1e12)}
    names = {series.name for item in found.values() for series in item.values}
    if not any("lost" in name for name in names):
        for sequence, item in found.items():
            assert msgspec.structs.replace(item, boot="boot") == whole[sequence]
    # A page holds some twenty samples; those that no inner page leads to are found, too.
    assert len(found) >= 400 - 40 * len(bad)
    waiting = [item for item in store.pending(1 << 30, 10_000) if isinstance(item, Sample)]
    assert {item.sequence for item in waiting} == set(found), "what waited for MongoDB still does"
    made = Sample(store.next_sequence(), "boot", T0 + 500 * 60, 60.0, {Series("irq", "new", 0): 3})
    store.add_sample(made)
    assert list(store.samples(T0 + 500 * 60, 1e12)) == [made]
    store.close()


def test_an_older_schema_is_read_without_being_changed(tmp_path: Path) -> None:
    """A copy of a history may lie on a medium that cannot be written."""
    extract(TESTS / "kept/schema-1.tar.gz", tmp_path)
    path = tmp_path / "state" / FILE
    before = path.read_bytes()
    store = SqliteHistory(path)
    samples = list(store.samples(0, 1e12))
    decisions = store.decisions(0, 1e12, limit=10_000)
    points = store.series(Query(samples[0].wall - 100, samples[-1].wall, 300))
    store.close()
    assert path.read_bytes() == before
    moves = [item for item in decisions if item.kind in ("move", "steering", "default")]
    assert samples and {item.done for item in moves} == {True}
    writable = WritableSqliteHistory(path)
    assert list(writable.samples(0, 1e12)) == samples
    assert writable.decisions(0, 1e12, limit=10_000) == decisions
    again = writable.series(Query(samples[0].wall - 100, samples[-1].wall, 300))
    counted = sum(
        count for item in samples for series, count in item.values.items() if series.kind == "irq"
    )
    for found in (points, again):
        assert sum(sum(point.counts.values()) for point in found) == counted
    writable.close()
