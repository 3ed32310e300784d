"""A trial as it is kept and shown."""

from __future__ import annotations

import msgspec

from irqbal.trials.result import Side, TrialResult, TrialWindow, conclude
from irqbal.trials.run import Phase, TrialPlan, TrialRun
from irqbal.wire import Duration, Moment


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One trial. `a` and `b` say in words what the sides are, `changes` how many masks and settings
    differ between them. While it runs, `window` (from 0), `side` and `phase` are where it is, and
    `ends` when it will have ended if no window takes longer. `done` are the windows that ended;
    `result` is null until the end, and `summary` says it in a sentence.
    """

    id: str
    started: Moment
    who: str
    a: str
    b: str
    changes: int
    length: Duration
    settle: Duration
    windows: int
    command: bool = False
    more_is_better: bool = False
    phase: Phase = "settling"
    window: int = 0
    side: Side = "a"
    ends: Moment | None = None
    done: tuple[TrialWindow, ...] = ()
    result: TrialResult | None = None
    summary: str = ""

    @property
    def plan(self) -> TrialPlan:
        """How it is run."""
        return TrialPlan(
            window=float(self.length),
            windows=self.windows,
            settle=float(self.settle),
            seed=int(self.id, 16),
            command=self.command,
            more_is_better=self.more_is_better,
        )

    def finished(self, run: TrialRun, ended: str, now: float) -> TrialRecord:
        """The record of a trial whose run is over at `now`, seconds since the epoch, with its
        result; `ended` says why it is over before its time, or is empty.
        """
        result = conclude(
            run.windows,
            self.plan.primary,
            more_is_better=self.more_is_better,
            ended=ended,
            guarded=run.guarded,
        )
        return msgspec.structs.replace(
            self, phase="ended", done=tuple(run.windows), ends=Moment(now), result=result
        )
