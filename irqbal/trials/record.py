"""A trial as it is run, kept and shown. These are structs alone: clients import them."""

from __future__ import annotations

import random
from typing import Literal

import msgspec

from irqbal.trials.measures import Measure
from irqbal.wire import Duration, Moment

Side = Literal["a", "b"]
Verdict = Literal["better", "worse", "no-difference", "too-few", "guarded", "ended"]
"""Side B beside side A: better; worse; no difference that so many windows could show; too few
windows for any; a side was so bad that its windows were ended; the trial was ended early.
"""
Phase = Literal["settling", "measuring", "ended"]


class TrialWindow(msgspec.Struct, frozen=True, kw_only=True):
    """One window: the pair it belongs to, its side, its length in seconds, and what it measured.
    `guarded` says why it was ended early, or is empty.
    """

    pair: int
    side: Side
    seconds: float
    values: dict[Measure, float]
    guarded: str = ""


class ComparedMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of both sides. `a` and `b` are means over the windows. `effect`, from `low` to
    `high` with 98 % confidence, is B ÷ A − 1 of a `ratio`, else B − A; None: so few pairs say
    nothing of it. `chance` is the probability of an effect as large if the sides are the same; that
    of a measure beside the primary one is corrected for their number. `differs`: it is at most 2 %.
    """

    measure: Measure
    ratio: bool
    pairs: int
    a: float
    b: float
    effect: float
    low: float | None
    high: float | None
    chance: float
    differs: bool


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome. `compared` has the primary measure first. `visible` is the effect on it that so
    many windows would have found nine times of ten (None: none). `needed` is, by effect, the number
    of windows that would. `detail` says why it ended early.
    """

    verdict: Verdict
    primary: Measure
    pairs: int
    compared: tuple[ComparedMeasure, ...] = ()
    visible: float | None = None
    needed: dict[str, int] = {}
    detail: str = ""


class TrialPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a trial is run: seconds of a window, and of the time before it that is left out; the
    number of windows, an even one; the seed of their order. `command`: the primary measure is a
    number that somebody gives for each window.
    """

    window: float = 60.0
    windows: int = 40
    settle: float = 5.0
    seed: int = 0
    command: bool = False
    more_is_better: bool = False

    @property
    def primary(self) -> Measure:
        """The measure that the verdict is about."""
        return "command" if self.command else "busiest"

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.windows * (self.window + self.settle)

    def order(self) -> list[tuple[int, Side]]:
        """(pair, side) of each window."""
        dice = random.Random(self.seed)
        found: list[tuple[int, Side]] = []
        for pair in range(self.windows // 2):
            first: Side = "a" if dice.random() < 0.5 else "b"
            found += [(pair, first), (pair, "b" if first == "a" else "a")]
        return found


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
