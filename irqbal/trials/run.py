"""Runs a trial: pairs of windows in an order that is drawn at random, each after a settling time.

What it changes and reads comes from `TrialSides`; it knows neither a kernel nor a clock of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from irqbal.errors import IrqbalError
from irqbal.trials.measures import Measure, TrialReading, measured
from irqbal.trials.record import Phase, Side, TrialPlan, TrialWindow

GUARD_EVERY = 5.0
"""Seconds between two looks of the guard within a window, at most."""
MOST_GUARDED = 3
"""Windows of one side that the guard ends; then the trial is over."""


class FarWorse(msgspec.Struct, frozen=True):
    """A window is ended if a measure is more than `least`, and more than `times` what it was in any
    window of the other side. `text` says so with what is `here` and what was `usual` there.
    """

    measure: Measure
    least: float
    times: float
    text: str


GUARD = (
    FarWorse(
        "busiest",
        0.8,
        2.0,
        "the busiest CPU spent {here:.0%} of its time on interrupts, on the other side at most "
        "{usual:.0%}",
    ),
    FarWorse(
        "drops",
        100.0,
        10.0,
        "{here:.0f} packets a second were dropped, on the other side at most {usual:.0f}",
    ),
)


class TrialProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a trial is: the window (from 0), its side and phase, and the windows that ended."""

    window: int
    side: Side
    phase: Phase
    done: tuple[TrialWindow, ...]


class TrialEnded(IrqbalError):
    """Why the trial cannot go on."""


class TrialSides(Protocol):
    """What a trial changes and reads. Each may raise IrqbalError: the trial then ends."""

    async def put(self, side: Side) -> None:
        """Write the masks and settings of a side."""

    async def read(self, whole: bool = True) -> TrialReading:
        """All counters; those of the guard alone unless `whole`."""

    async def number(self, window: int) -> float | None:
        """The number of a window that has just ended, once it is known; None: there is none."""


Sleep = Callable[[float], Awaitable[object]]


class TrialRun:
    """One trial. Who runs it puts everything back afterwards, whatever happened."""

    def __init__(
        self,
        plan: TrialPlan,
        sides: TrialSides,
        watch: Callable[[TrialProgress], None],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._plan, self._sides, self._watch, self._sleep = plan, sides, watch, sleep
        self.windows: list[TrialWindow] = []
        """The windows that ended."""
        self.guarded = ""
        """Why the guard ended the trial; empty if it did not."""

    async def run(self) -> None:
        """Run all windows. Raises IrqbalError; `windows` then has those that ended before."""
        for at, (pair, side) in enumerate(self._plan.order()):
            await self._sides.put(side)
            self._tell(at, side, "settling")
            await self._sleep(self._plan.settle)
            self.windows.append(await self._window(at, pair, side))
            ended = [item for item in self.windows if item.guarded and item.side == side]
            if len(ended) >= MOST_GUARDED:
                self.guarded = f"side {side.upper()}: {ended[-1].guarded}"
                break

    async def _window(self, at: int, pair: int, side: Side) -> TrialWindow:
        begun = await self._sides.read()
        self._tell(at, side, "measuring")
        left, guarded = self._plan.window, ""
        while left > 0 and not guarded:
            step = min(left, GUARD_EVERY)
            await self._sleep(step)
            left -= step
            if left > 0:
                seen = await self._sides.read(whole=False)
                guarded = self._far_worse(side, measured(begun, seen))
        ended = await self._sides.read()
        values = measured(begun, ended)
        if self._plan.command:
            number = await self._sides.number(at)
            if number is not None:
                values["command"] = number
        seconds = ended.counts.time - begun.counts.time
        return TrialWindow(pair=pair, side=side, seconds=seconds, values=values, guarded=guarded)

    def _far_worse(self, side: Side, values: dict[Measure, float]) -> str:
        """Why this window is ended; empty if it goes on."""
        others = [item.values for item in self.windows if item.side != side]
        if not others:
            return ""
        for far in GUARD:
            here = values.get(far.measure, 0.0)
            usual = max(item.get(far.measure, 0.0) for item in others)
            if here > far.least and here > far.times * usual:
                return far.text.format(here=here, usual=usual)
        return ""

    def _tell(self, at: int, side: Side, phase: Phase) -> None:
        self._watch(TrialProgress(window=at, side=side, phase=phase, done=tuple(self.windows)))
