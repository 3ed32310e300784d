"""What an interrupt, or a packet, costs: CPUs' measured time shared out to the IRQs that they served. Pure.

The fit is expectation-maximisation for Poisson counts (jiffies): each CPU's time goes to its IRQs in proportion to amount × cost, and
each cost becomes the time it was given over the amount counted, with its group's cost (same driver, same kind) as the prior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

JIFFY = 0.01
"""Seconds; the kernel's unit of CPU time towards user space (USER_HZ is 100 on every architecture that irqbal runs on)."""

_PRIOR = 2 * JIFFY
_DECAY = 0.95
_MEMORY = 16
_SPREAD = 5.0
_CHEAPEST = 0.02
_EXPLAINED = 3.0
_BETTER = 0.5
_STEPS_AFTER_CHANGE = 30
_STEPS = 3


class _Seen:
    """What one CPU spent while it served one set of IRQs: decayed seconds, and decayed amounts of each."""

    __slots__ = ("amounts", "seconds", "time")

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.amounts = dict.fromkeys(numbers, 0.0)
        self.seconds = self.time = 0.0


class Costs:
    """Seconds a unit (an interrupt, or a packet) of each IRQ, learnt from what CPUs spent in one kind of time."""

    def __init__(self, nominal: float) -> None:
        self._nominal = nominal
        self._seen: dict[int, dict[tuple[int, ...], _Seen]] = {}
        self._group_of: dict[int, str] = {}
        self._factors: dict[int, float] = {}
        self._groups: dict[str, float] = {}
        self._background = 0.0
        self._changed = False

    def know(self, number: int, group: str, factor: float = 1.0) -> None:
        """This IRQ is of this group, and begins with this factor to its group's cost."""
        self._group_of[number] = group
        self._factors[number] = factor

    def forget(self, number: int) -> None:
        """This IRQ began a new generation: nothing learnt of it holds."""
        self._group_of.pop(number, None)
        self._factors.pop(number, None)
        self._forget_seen({number})

    def cost(self, number: int) -> float:
        """Seconds a unit: its group's cost times its own factor."""
        return self._groups.get(self._group_of[number], self._nominal) * self._factors[number]

    def learnt(self) -> tuple[dict[str, float], dict[int, float]]:
        """(cost by group, factor by IRQ number) as far as anything was learnt."""
        return dict(self._groups), {number: factor for number, factor in self._factors.items() if factor != 1.0}

    def start_from(self, groups: Mapping[str, float]) -> None:
        """What an irqbal before this one learnt of groups."""
        self._groups = {**groups, **self._groups}

    def observe(self, cpu: int, amounts: Mapping[int, float], spent: float, seconds: float, intervals: float) -> None:
        """This CPU served these amounts in `seconds` (so many intervals), and spent so many seconds of this kind of time."""
        numbers = tuple(amounts)
        sets = self._seen.setdefault(cpu, {})
        known = sets.get(numbers)
        if known is not None and known.seconds > 0 and self._surprising(known, amounts, spent, seconds):
            self._forget_seen(set(numbers))
            sets = self._seen.setdefault(cpu, {})
            known = None
        self._changed |= known is None
        if known is None:
            known = sets[numbers] = _Seen(numbers)
            while len(sets) > _MEMORY:
                del sets[next(iter(sets))]
        decay = _DECAY**intervals
        for seen in sets.values():
            seen.time *= decay
            seen.seconds *= decay
            for number in seen.amounts:
                seen.amounts[number] *= decay
        known.time += spent
        known.seconds += seconds
        for number, amount in amounts.items():
            known.amounts[number] += amount

    def _surprising(self, known: _Seen, amounts: Mapping[int, float], spent: float, seconds: float) -> bool:
        """Whether this time is far from what the costs say: they have changed."""
        expected = self._background * seconds + sum(amounts[number] * self.cost(number) for number in known.amounts)
        jiffies, seen = expected / JIFFY, spent / JIFFY
        return abs(seen - jiffies) > 4 * math.sqrt(max(jiffies, 1.0)) + 0.3 * jiffies

    def _forget_seen(self, numbers: set[int]) -> None:
        for sets in self._seen.values():
            for key in [key for key in sets if not numbers.isdisjoint(key)]:
                del sets[key]

    def fit(self) -> None:
        """First what groups cost, which few equations tell; then how single IRQs differ from their group, as far as that explains
        what is left."""
        changed, self._changed = self._changed, False
        rows = self._rows()
        if changed or self._unexplained(rows):
            self._fit_groups(rows)
        for _ in range(_STEPS_AFTER_CHANGE if changed else _STEPS):
            expected, given = self._expect()
            for number, time in expected.items():
                # The prior draws the factor to 1: a jiffy or two do not make an IRQ an exception.
                self._factors[number] *= (given[number] + _PRIOR) / (time + _PRIOR * self._factors[number])

    def _rows(self) -> list[_Seen]:
        return [seen for sets in self._seen.values() for seen in sets.values()]

    def _error(self, rows: list[_Seen], costs: Mapping[int, float], background: float) -> float:
        """Squared misses of what the costs expect, in variances of what was seen."""
        error = 0.0
        for seen in rows:
            expected = background * seen.seconds + sum(amount * costs[number] for number, amount in seen.amounts.items())
            error += (seen.time - expected) ** 2 / _variance(seen.time)
        return error

    def _unexplained(self, rows: list[_Seen]) -> bool:
        """Whether even with a factor for each IRQ the costs miss what was seen: then it is the groups that are wrong."""
        costs = {number: self.cost(number) for number in self._factors}
        return self._error(rows, costs, self._background) > _EXPLAINED * max(1, len(rows))

    def _fit_groups(self, rows: list[_Seen]) -> None:
        """Weighted least squares of every CPU's time over its amounts by group and its idle background, drawn weakly to the mean cost,
        so that groups that always come together share what they cost. Where that explains all there is, what single IRQs seemed to
        differ by was noise, or the groups' error before."""
        names = sorted({self._group_of[number] for seen in rows for number in seen.amounts})
        index = {name: at for at, name in enumerate(names)}
        equations: list[tuple[dict[int, float], float, float]] = []
        total_time = total_amount = 0.0
        for seen in rows:
            row: dict[int, float] = {len(names): seen.seconds}
            for number, amount in seen.amounts.items():
                at = index[self._group_of[number]]
                row[at] = row.get(at, 0.0) + amount
                total_amount += amount
            total_time += seen.time
            equations.append((row, seen.time, _variance(seen.time)))
        if not total_amount or not total_time:
            return
        mean = total_time / total_amount
        found = _ridge(equations, [*[mean] * len(names), 1e-3], [*[1.0] * len(names), 0.0])
        groups = {name: max(mean * _CHEAPEST, found[at] * mean) for name, at in index.items()}
        background = max(1e-5, found[len(names)] * 1e-3)
        if self._groups and not self._improves(rows, groups, background):
            return
        self._factors = dict.fromkeys(self._factors, 1.0)
        self._groups.update(groups)
        self._background = background

    def _improves(self, rows: list[_Seen], groups: Mapping[str, float], background: float) -> bool:
        """Whether new groups explain all there is, or at least much better than the present ones do without their exceptions."""
        fresh = {number: groups.get(group, self._nominal) for number, group in self._group_of.items()}
        error = self._error(rows, fresh, background)
        if error <= _EXPLAINED * len(rows):
            return True
        present = {number: self._groups.get(group, self._nominal) for number, group in self._group_of.items()}
        return error < _BETTER * self._error(rows, present, self._background)

    def _expect(self) -> tuple[dict[int, float], dict[int, float]]:
        """(seconds that each IRQ should have cost, seconds that it is given of what was spent); the background is fitted along."""
        expected: dict[int, float] = {}
        given: dict[int, float] = {}
        background = self._background or 1e-4
        background_given = background_seconds = 0.0
        costs = {number: self.cost(number) for number in self._factors}
        for seen in self._rows():
            shares = {number: amount * costs[number] for number, amount in seen.amounts.items()}
            total = background * seen.seconds + sum(shares.values())
            if total <= 0:
                continue
            ratio = seen.time / total
            background_given += background * seen.seconds * ratio
            background_seconds += seen.seconds
            for number, share in shares.items():
                expected[number] = expected.get(number, 0.0) + share
                given[number] = given.get(number, 0.0) + share * ratio
        if background_seconds:
            self._background = background_given / background_seconds
        return expected, given


def _variance(time: float) -> float:
    """Of a CPU's time that is counted in jiffies, and a little for what no model holds."""
    return JIFFY * JIFFY + 0.25 * JIFFY * time


def _ridge(rows: list[tuple[dict[int, float], float, float]], scale: list[float], prior: list[float]) -> list[float]:
    """Solve for x, where each row says sum(row[i] * scale[i] * x[i]) = value, with this variance; x is drawn to `prior` with a
    standard error of _SPREAD. Gaussian elimination on the normal equations, which are positive definite for that prior.
    """
    size = len(scale)
    weight = 1 / _SPREAD**2
    matrix = [[weight if i == j else 0.0 for j in range(size)] for i in range(size)]
    right = [weight * value for value in prior]
    for row, value, variance in rows:
        terms = [(at, amount * scale[at]) for at, amount in row.items()]
        for i, a in terms:
            right[i] += a * value / variance
            line = matrix[i]
            for j, b in terms:
                line[j] += a * b / variance
    for i in range(size):
        pivot = matrix[i][i]
        for k in range(i + 1, size):
            ratio = matrix[k][i] / pivot
            if ratio:
                for j in range(i, size):
                    matrix[k][j] -= ratio * matrix[i][j]
                right[k] -= ratio * right[i]
    found = [0.0] * size
    for i in reversed(range(size)):
        found[i] = (right[i] - sum(matrix[i][j] * found[j] for j in range(i + 1, size))) / matrix[i][i]
    return found
