"""What an interrupt of each IRQ costs, found from counts by IRQ and CPU and from times by CPU.

The costs are those that explain the CPUs' times best: Richardson-Lucy iterations, which is the
maximum likelihood of counts with non-negative costs. A background that no IRQ causes is fitted
along; it stays on the CPU where it was measured.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec

HARD, SOFT = 0, 1
"""Kinds of time, as indexes into `Frame.spent`."""
_CHUNKS = 240
"""Equations for each CPU, at most: a longer recording has several intervals in each."""
_STEPS = 200
"""Iterations, at most: more change the costs by less than a recording's noise."""
_LEAST_STEPS = 30
"""Iterations in any case."""
_WORK = 5_000_000
"""Terms that all iterations together may visit; it bounds the time to some seconds."""
_IDLE = 0.1
"""The share of all time that is taken to be background before the first iteration."""


class Frame:
    """One recorded interval. `lines`, `cpus` and `counts` run side by side: an IRQ (its index),
    where it fired, and how often.

    `spent` are each CPU's seconds of hard and of soft interrupts; `hard` and `soft` what of them is
    each entry's, and `rest` what belongs to no IRQ. `wall` is the interval's end (seconds since the
    epoch), `seconds` its length.
    """

    __slots__ = ("counts", "cpus", "hard", "lines", "rest", "seconds", "soft", "spent", "wall")

    def __init__(self, wall: float, seconds: float, spent: dict[int, tuple[float, float]]) -> None:
        self.wall, self.seconds, self.spent = wall, seconds, spent
        self.lines, self.cpus, self.counts = array("l"), array("l"), array("d")
        self.hard, self.soft = array("d"), array("d")
        self.rest: dict[int, tuple[float, float]] = {}


class CostFit(msgspec.Struct, frozen=True):
    """Seconds an interrupt by the IRQ's index, and background in seconds a second on each CPU."""

    costs: list[float]
    background: float


class _Equation(msgspec.Struct, frozen=True):
    """One CPU in one stretch of intervals: interrupts by IRQ, seconds spent, and its length."""

    served: dict[int, float]
    spent: float
    seconds: float


def fit_costs(frames: Sequence[Frame], irqs: int, kind: int, tilt: float = 1.0) -> CostFit:
    """The costs of so many IRQs, of one kind of time. `tilt` makes the first guess uneven, so that
    fits from two guesses show how well the costs are determined.
    """
    equations = _equations(frames, kind)
    amounts = [0.0] * irqs
    spent = seconds = 0.0
    for equation in equations:
        spent += equation.spent
        seconds += equation.seconds
        for at, count in equation.served.items():
            amounts[at] += count
    total = sum(amounts)
    mean = (1 - _IDLE) * spent / total if total else 0.0
    costs = [mean * tilt ** (at % 3 - 1) for at in range(irqs)]
    background = (_IDLE if total else 1.0) * spent / seconds if seconds else 0.0
    terms = sum(len(equation.served) + 1 for equation in equations)
    for _ in range(max(_LEAST_STEPS, min(_STEPS, _WORK // max(1, terms)))):
        shares, idle = [0.0] * irqs, 0.0
        for equation in equations:
            served = equation.served
            needed = background * equation.seconds + sum(
                count * costs[at] for at, count in served.items()
            )
            if needed > 0:
                scale = equation.spent / needed
                idle += background * equation.seconds * scale
                for at, count in served.items():
                    shares[at] += count * costs[at] * scale
        costs = [
            share / amount if amount else 0.0 for share, amount in zip(shares, amounts, strict=True)
        ]
        background = idle / seconds if seconds else 0.0
    return CostFit(costs, background)


def _equations(frames: Sequence[Frame], kind: int) -> list[_Equation]:
    size = max(1, -(-len(frames) // _CHUNKS))
    equations = []
    for begin in range(0, len(frames), size):
        served: dict[int, dict[int, float]] = {}
        spent: dict[int, float] = {}
        length: dict[int, float] = {}
        for frame in frames[begin : begin + size]:
            for cpu, times in frame.spent.items():
                spent[cpu] = spent.get(cpu, 0.0) + times[kind]
                length[cpu] = length.get(cpu, 0.0) + frame.seconds
            for at, cpu, count in zip(frame.lines, frame.cpus, frame.counts, strict=True):
                row = served.setdefault(cpu, {})
                row[at] = row.get(at, 0.0) + count
        equations += [
            _Equation(served.get(cpu, {}), time, length[cpu]) for cpu, time in spent.items()
        ]
    return equations
