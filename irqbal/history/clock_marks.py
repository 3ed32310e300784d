"""Marks what is recorded while the clock is in doubt, and what turns out to have a wrong time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from irqbal.history.clock import STEP, ClockEvent, ClockJudge, ClockReading
from irqbal.history.recorder import NewSample
from irqbal.history.samples import Clock
from irqbal.history.sqlite.store import WritableSqliteHistory

log = logging.getLogger(__name__)


class ClockMarks:
    """Belongs to the writer of one history."""

    def __init__(self) -> None:
        self._judge: ClockJudge | None = None
        """None before the file was open."""
        self._sampled = 0.0
        """When the last sample was recorded, in seconds of CLOCK_BOOTTIME; 0: none was."""

    def judge(
        self, now: ClockReading, store: WritableSqliteHistory, flush: Callable[[], None]
    ) -> None:
        """Judge this time, and what was recorded while another one was in doubt; `flush` stores
        what waits. Raises sqlite3.Error, HistoryError.
        """
        if self._judge is None:
            self._judge = ClockJudge(now, *store.newest_times())
        event = self._judge.judge(now)
        if event in (ClockEvent.WRONG, ClockEvent.OTHER_DOUBT):
            flush()
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
            flush()
            store.believe_doubtful(now.wall)
            log.info("the clock has stood: what was recorded by it is believed")

    def present(self, now: ClockReading, sample: NewSample | None) -> Clock:
        """The mark of what is recorded now, with this sample."""
        mark: Clock = "doubtful" if self._judge is not None and self._judge.in_doubt else ""
        if sample is not None:
            if self._sampled and sample.seconds > now.since_boot - self._sampled + STEP:
                # The monotonic clock jumped, which only a pretended one does.
                mark = "wrong"
            self._sampled = now.since_boot
        return mark
