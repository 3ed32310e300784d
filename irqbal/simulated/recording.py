"""Recorded traffic: how often each IRQ fired where, and how long each CPU was in hard and in soft
interrupts, interval by interval.

A history does not hold which IRQ took how much of a CPU's time. `Recording.share_out` divides the
recorded seconds among the IRQs (see `cost_split`); nothing is added to what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping

from irqbal.cpuset import CpuSet
from irqbal.simulated.cost_split import HARD, SOFT, CostFit, Frame, fit_costs

_NOMINAL = 1e-6
"""Seconds an interrupt where no CPU's time was recorded: then loads are interrupts."""


class Recording:
    """Intervals in the order in which they were recorded. Gaps between them are left out."""

    def __init__(self) -> None:
        self.names: list[str] = []
        """The IRQs' identities, by index."""
        self.frames: list[Frame] = []
        self.timed = False
        """Whether CPUs' times were recorded."""
        self._index: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        """The length without gaps."""
        return sum(frame.seconds for frame in self.frames)

    @property
    def cpus(self) -> CpuSet:
        """Every CPU on which an IRQ fired."""
        return CpuSet({cpu for frame in self.frames for cpu in frame.cpus})

    def add(self, frame: Frame, fired: Mapping[tuple[str, int], int]) -> None:
        """Append an interval with its interrupts by identity and CPU."""
        for (name, cpu), count in fired.items():
            at = self._index.get(name)
            if at is None:
                at = self._index[name] = len(self.names)
                self.names.append(name)
            frame.lines.append(at)
            frame.cpus.append(cpu)
            frame.counts.append(count)
        self.timed = self.timed or any(hard + soft > 0 for hard, soft in frame.spent.values())
        self.frames.append(frame)

    def share_out(self) -> tuple[dict[str, float], dict[str, float]]:
        """Divide the recorded times; returns the seconds an interrupt by identity, hard and
        soft.
        """
        fits = (self._fit(HARD), self._fit(SOFT))
        for frame in self.frames:
            for kind, fit in enumerate(fits):
                self._divide(frame, kind, fit)
        hard, soft = (dict(zip(self.names, fit.costs, strict=True)) for fit in fits)
        return hard, soft

    def doubt(self) -> float:
        """The share of the time about which the recording's halves disagree, when their fits start
        from different guesses.
        """
        middle = len(self.frames) // 2
        if not (self.timed and middle):
            return float(self.timed)
        irqs = len(self.names)
        halves: list[list[float]] = []
        for frames, tilt in ((self.frames[:middle], 2.0), (self.frames[middle:], 0.5)):
            hard, soft = (fit_costs(frames, irqs, kind, tilt).costs for kind in (HARD, SOFT))
            halves.append([a + b for a, b in zip(hard, soft, strict=True)])
        amounts = [0.0] * irqs
        for frame in self.frames:
            for at, count in zip(frame.lines, frame.counts, strict=True):
                amounts[at] += count
        # An IRQ that fired in only one half says nothing about their difference.
        pairs = [
            (a * amount, b * amount)
            for a, b, amount in zip(*halves, amounts, strict=True)
            if a > 0 and b > 0
        ]
        total = sum(a + b for a, b in pairs)
        return sum(abs(a - b) for a, b in pairs) / total if total > 0 else 0.0

    def _fit(self, kind: int) -> CostFit:
        irqs = len(self.names)
        if self.timed:
            return fit_costs(self.frames, irqs, kind)
        return CostFit([0.0 if kind == SOFT else _NOMINAL] * irqs, 0.0)

    def _divide(self, frame: Frame, kind: int, fit: CostFit) -> None:
        """Divide one interval's time of this kind in proportion to the fitted costs."""
        background = fit.background * frame.seconds
        needed = dict.fromkeys(frame.spent, background)
        weights = [
            count * fit.costs[at] for at, count in zip(frame.lines, frame.counts, strict=True)
        ]
        for cpu, weight in zip(frame.cpus, weights, strict=True):
            needed[cpu] = needed.get(cpu, 0.0) + weight
        scale = dict.fromkeys(needed, 1.0)
        if self.timed:
            scale = {
                cpu: frame.spent[cpu][kind] / total if total > 0 else 0.0
                for cpu, total in needed.items()
                if cpu in frame.spent
            }
        shares = frame.soft if kind == SOFT else frame.hard
        del shares[:]
        shares.extend(
            weight * scale.get(cpu, 0.0) for cpu, weight in zip(frame.cpus, weights, strict=True)
        )
        for cpu in frame.spent:
            hard, soft = frame.rest.get(cpu, (0.0, 0.0))
            rest = background * scale.get(cpu, 0.0)
            frame.rest[cpu] = (hard, rest) if kind == SOFT else (rest, soft)
