"""Marks what is recorded while the clock is in doubt, and what turns out to have a wrong time."""

from __future__ import annotations

import logging
import time

from irqbal.history.clock import STEP, ClockEvent, ClockJudge, ClockReading
from irqbal.history.recorder import NewSample
from irqbal.history.samples import Clock
from irqbal.history.sqlite.store import WritableSqliteHistory

log = logging.getLogger(__name__)


class ClockMarks:
    """Belongs to the writer of one history. Records are judged in their order, when they are
    stored, each by the clocks of its own moment.
    """

    def __init__(self) -> None:
        self._judge: ClockJudge | None = None
        """None before the first record."""
        self._due: tuple[ClockEvent, ClockReading] | None = None
        """What a reading changed, and is not in the file yet."""
        self._sampled = 0.0
        """When the last sample was recorded, in seconds of CLOCK_BOOTTIME; 0: none was."""

    def mark(
        self, now: ClockReading, sample: NewSample | None, store: WritableSqliteHistory
    ) -> Clock:
        """The mark of what was recorded when the clocks said `now`; what was stored before gets its
        new marks, if there are any. Raises sqlite3.Error: then it is done the next time.
        """
        self._carry_out(store)
        if self._judge is None:
            self._judge = ClockJudge(now, *store.newest_times())
        event = self._judge.judge(now)
        if event is not ClockEvent.NOTHING:
            self._due = (event, now)
            self._carry_out(store)
        mark: Clock = "doubtful" if self._judge.in_doubt else ""
        passed = max(0.0, now.since_boot - self._sampled)
        if sample is not None and self._sampled and sample.seconds > passed + STEP:
            # The monotonic clock jumps only if it is a pretended one.
            mark = "wrong"
        return mark

    def stored(self, now: ClockReading) -> None:
        """A sample of this moment was stored."""
        self._sampled = now.since_boot

    @property
    def in_doubt(self) -> bool:
        """Whether nothing may be deleted: the present time is in doubt, or not judged yet."""
        return self._judge is None or self._judge.in_doubt or self._due is not None

    def _carry_out(self, store: WritableSqliteHistory) -> None:
        if self._due is None:
            return
        event, now = self._due
        if event in (ClockEvent.WRONG, ClockEvent.OTHER_DOUBT):
            log.warning(
                "the clock was wrong: %d samples are marked so, and kept", store.reject_doubtful()
            )
        if event in (ClockEvent.DOUBT, ClockEvent.OTHER_DOUBT):
            log.warning(
                "the clock says %s, which does not follow from what the history knows: records are "
                "marked as doubtful, and nothing is deleted, until it has stood for 10 minutes (in "
                "step with its source), an hour (if that is unknown) or a day",
                time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now.wall)),
            )
        if event is ClockEvent.BELIEVED:
            store.believe_doubtful(now.wall)
            log.info("the clock has stood: what was recorded by it is believed")
        self._due = None
