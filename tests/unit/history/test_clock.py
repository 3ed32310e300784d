"""Wrong clocks: nothing is deleted on the word of one, and a wrong time is marked, not believed."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqbal.config.schema import Retention
from irqbal.errors import HistoryError
from irqbal.history import clock
from irqbal.history.clock import ClockEvent, ClockJudge, ClockReading, read_clock
from irqbal.history.recorder import NewSample
from irqbal.history.samples import Decision, Sample, Series
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory
from irqbal.history.store import Query
from irqbal.history.writer import HistoryWriter
from irqbal.wire import Duration

T0 = 1_800_000_000.0
MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86400.0, 365 * 86400.0
A = "0000:00:03.0/1/eth0-TxRx-0"


class WronglyClocked:
    """A host whose true time goes on, with a clock that may be wrong, and a daemon on it."""

    def __init__(self, folder: Path, *, synchronised: bool | None = True) -> None:
        self.folder, self.synchronised = folder, synchronised
        self.true, self.boot, self.off = T0, 100.0, 0.0
        self.recorded = 0
        self._writer: HistoryWriter | None = None

    def start(self) -> None:
        """Start the daemon."""
        keep = Retention(raw=Duration(48 * HOUR), five_minutes=Duration(30 * DAY))
        self._writer = HistoryWriter(self.folder, keep, outbox=False)

    def stop(self, down: float = 0.0) -> None:
        """Stop the daemon, for so many seconds, at the end of which the host boots."""
        assert self._writer is not None
        self._writer.close()
        self.true += down
        if down:
            self.boot = 10.0

    def run(self, seconds: float, every: float = MINUTE) -> None:
        """Let the daemon record samples of 60 interrupts, and a decision with each."""
        assert self._writer is not None
        for _ in range(int(seconds / every)):
            self.true += every
            self.boot += every
            self.recorded += 1
            wall = self.true + self.off
            self._writer.record(
                "boot",
                NewSample(wall, every, {Series("irq", A, 0): 60}, ()),
                [Decision(0, "boot", wall, self.recorded, "action")],
                ClockReading(wall, self.boot, self.synchronised),
            )

    def samples(self) -> list[Sample]:
        """All that is in the file."""
        store = SqliteHistory(self.folder / FILE)
        try:
            return sorted(store.samples(0, 1e11), key=lambda one: one.sequence)
        finally:
            store.close()

    def clocks(self) -> Counter[str]:
        """How many samples have which mark."""
        return Counter(one.clock for one in self.samples())

    def counts(self, start: float, end: float, step: float) -> int:
        """The IRQ's interrupts in this window."""
        store = SqliteHistory(self.folder / FILE)
        try:
            points = store.series(Query(start, end, step))
        finally:
            store.close()
        return sum(sum(point.counts.values()) for point in points)


@pytest.mark.parametrize("synchronised", [True, None, False])
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("off", [3 * YEAR, 40 * DAY, -HOUR, 2 * HOUR])
def test_a_clock_that_is_wrong_for_a_minute_deletes_nothing(
    tmp_path: Path, off: float, restarted: bool, synchronised: bool | None
) -> None:
    host = WronglyClocked(tmp_path)
    host.start()
    host.run(6 * HOUR)
    host.synchronised = synchronised
    if restarted:
        host.stop(5 * MINUTE)
        host.start()
    host.off = off
    host.run(2 * MINUTE)
    host.off = 0.0
    if restarted:
        host.stop()
        host.start()
    host.run(HOUR)
    host.stop()
    assert len(host.samples()) == host.recorded
    assert host.clocks() == {"": host.recorded - 2, "wrong": 2}
    wrong = [one.wall for one in host.samples() if one.clock]
    assert all(abs(wall - host.true - off) < 2 * HOUR for wall in wrong), "kept as they were"
    believed = host.recorded - 2
    for step in (60, 300, 3600):
        assert host.counts(T0 - DAY, T0 + 2 * DAY, step) == 60 * believed, step
    assert host.counts(T0 + DAY * 30, T0 + 9 * YEAR, 3600) == 0


@pytest.mark.parametrize(
    ("synchronised", "stood"), [(True, 600.0), (None, 3600.0), (False, 86400.0)]
)
def test_a_time_that_stands_is_believed(
    tmp_path: Path, synchronised: bool | None, stood: float
) -> None:
    host = WronglyClocked(tmp_path)
    host.start()
    host.run(HOUR)
    host.synchronised, host.off = synchronised, 40 * DAY
    host.run(stood - 2 * MINUTE)
    assert host.clocks()["doubtful"] == (stood - 2 * MINUTE) / MINUTE
    assert host.counts(host.true + host.off - stood, host.true + 50 * DAY, 300) > 0, "shown"
    host.run(5 * MINUTE)
    host.stop()
    assert host.clocks() == {"": host.recorded}
    for step in (60, 300, 3600):
        assert host.counts(T0 - HOUR, T0 + 60 * DAY, step) == 60 * host.recorded, step


def test_what_is_old_goes_once_the_jump_is_believed(tmp_path: Path) -> None:
    """The host was off for 40 days."""
    host = WronglyClocked(tmp_path)
    host.start()
    host.run(3 * HOUR)
    host.stop(40 * DAY)
    host.start()
    host.run(DAY)
    assert len(host.samples()) == host.recorded, "not at once"
    host.run(HOUR)
    host.stop()
    assert all(one.wall > T0 + DAY for one in host.samples())
    assert host.counts(T0, T0 + DAY, 3600) == 3 * 60 * 60, "in the roll-up of hours"


def test_the_first_clock_of_all_is_years_ahead_until_it_is_set(tmp_path: Path) -> None:
    """A board without a battery-backed clock."""
    host = WronglyClocked(tmp_path, synchronised=False)
    host.off = 3 * YEAR
    host.start()
    host.run(10 * MINUTE)
    assert host.clocks() == {"": 10}
    host.off, host.synchronised = 0.0, True
    host.run(HOUR)
    host.stop()
    assert host.clocks() == {"wrong": 10, "": 60}
    assert host.counts(T0, T0 + DAY, 300) == 3600


def test_an_hour_back_for_good_marks_what_lies_ahead(tmp_path: Path) -> None:
    host = WronglyClocked(tmp_path)
    host.start()
    host.run(6 * HOUR)
    host.off = -HOUR
    host.run(HOUR)
    host.stop()
    assert len(host.samples()) == host.recorded
    assert host.clocks() == {"": host.recorded - 60, "wrong": 60}
    for step in (60, 300, 3600):
        assert host.counts(T0, T0 + DAY, step) == 60 * (host.recorded - 60), step


def test_wrong_times_go_with_their_neighbours(tmp_path: Path) -> None:
    """Their own time says nothing of their age."""
    host = WronglyClocked(tmp_path)
    host.start()
    host.run(HOUR)
    host.off = 3 * YEAR
    host.run(2 * MINUTE)
    host.off = 0.0
    host.run(3 * DAY, every=HOUR / 2)
    host.stop()
    assert host.clocks()["wrong"] == 0
    store = SqliteHistory(tmp_path / FILE)
    assert {one.clock for one in store.decisions(0, 1e11, limit=10_000)} == {"", "wrong"}
    store.close()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 3 * YEAR, 40 * DAY, -HOUR, 30.0, -45.0, -3 * YEAR]),
            st.integers(1, 40),
            st.booleans(),
            st.sampled_from([True, None, False]),
        ),
        max_size=8,
    )
)
def test_whatever_the_clock_does_every_sample_of_two_days_is_there_and_counted_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, int, bool, bool | None]]
) -> None:
    host = WronglyClocked(tmp_path_factory.mktemp("clock"))
    host.start()
    host.run(10 * MINUTE)
    for off, minutes, restarted, host.synchronised in steps:
        host.off = off
        if restarted:
            host.stop()
            host.start()
        host.run(minutes * MINUTE)
    host.stop()
    samples = host.samples()
    assert len(samples) == host.recorded
    counted = sum(one.clock != "wrong" for one in samples)
    for step in (60, 300, 3600):
        assert host.counts(T0 - 4 * YEAR, T0 + 4 * YEAR, step) == 60 * counted, step


@pytest.mark.parametrize(
    ("synchronised", "session"), [(True, 9 * MINUTE), (None, 50 * MINUTE), (False, 10 * HOUR)]
)
def test_a_host_that_is_off_every_night_is_not_called_wrong(
    tmp_path: Path, synchronised: bool | None, session: float
) -> None:
    """Each start is further ahead than was expected, and contradicts none before it."""
    host = WronglyClocked(tmp_path, synchronised=synchronised)
    for _ in range(6):
        host.start()
        host.run(session)
        host.stop(DAY - session)
    assert host.clocks()["wrong"] == 0
    assert host.counts(T0 - HOUR, T0 + 8 * DAY, 60) == 60 * host.recorded


def test_what_waited_for_the_file_is_judged_by_its_own_time(tmp_path: Path) -> None:
    """Another process held the history when the clock was wrong."""

    class HeldByAnother:
        """It lets go after some tries."""

        tries = 0

        def hold(self) -> None:
            """Raises HistoryError the first times."""
            HeldByAnother.tries += 1
            if HeldByAnother.tries <= 4:
                raise HistoryError("another process records")

        def is_lost(self) -> bool:
            """Not for good."""
            return False

        def release(self) -> None:
            """Nothing to do."""

    host = WronglyClocked(tmp_path)
    host.start()
    host.run(5 * MINUTE)
    host.stop(5 * MINUTE)
    host.start()
    assert host._writer is not None
    host._writer._claim = HeldByAnother()
    host.off = 20 * YEAR
    host.run(4 * MINUTE)
    host.off = 0.0
    host.run(4 * MINUTE)
    host.stop()
    assert host.clocks() == {"": 9, "wrong": 4}


def test_the_clocks_of_this_machine_are_read() -> None:
    one = read_clock()
    assert abs(one.wall - time.time()) < 5
    assert abs(one.since_boot - float(Path("/proc/uptime").read_text().split()[0])) < 5
    assert one.synchronised in (True, False, None)


def test_a_suspended_host_is_no_jump() -> None:
    """CLOCK_BOOTTIME goes on, as the wall clock does."""
    judge = ClockJudge(ClockReading(T0, 50.0, False), T0 - 30)
    assert judge.judge(ClockReading(T0, 50.0, False)) is ClockEvent.NOTHING
    later = ClockReading(T0 + 9 * HOUR, 50.0 + 9 * HOUR, False)
    assert judge.judge(later) is ClockEvent.NOTHING and not judge.in_doubt
    assert clock.STEP < clock.LONGEST_GAP
