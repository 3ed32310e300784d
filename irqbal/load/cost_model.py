"""What an interrupt, or a packet, costs: CPUs' measured time shared out to the IRQs that they
served. Pure.

Every set of IRQs that one CPU served is an equation: its time is the sum of amount × cost, and a
little background. Groups (same driver, same kind) are solved for first; then each IRQ's factor to
its group's cost, by least squares with what was believed before as the prior, so that what moves
have shown is kept when the equations that showed it are gone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

JIFFY = 0.01
"""Seconds; the kernel's unit of CPU time towards user space (USER_HZ is 100 on every architecture
that irqbal runs on).
"""

_DOUBT = 0.7
"""Standard error of a factor, at most: costs of one group are spread over ten."""
_LEAST_DOUBT = 0.05
_BACKGROUND_DOUBT = 3e-3
_LEAST = 0.03
_MOST_STEPS = 60
_MOST_WORK = 400_000
"""Terms that one fit may visit."""
_NEGLIGIBLE = 1e-5
"""Mean square, in standard errors of the priors, below which what is left to solve is noise of
noise.
"""
_DECAY = 0.95
_MEMORY = 16
_SPREAD = 5.0
_CHEAPEST = 0.02
_EXPLAINED = 3.0


class _Seen:
    """What one CPU spent while it served one set of IRQs: decayed seconds, and decayed amounts of
    each.
    """

    __slots__ = ("amounts", "seconds", "time")

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.amounts = dict.fromkeys(numbers, 0.0)
        self.seconds = self.time = 0.0


class CostModel:
    """Seconds a unit (an interrupt, or a packet) of each IRQ, learnt from what CPUs spent in one
    kind of time.
    """

    def __init__(self, nominal: float) -> None:
        self._nominal = nominal
        self._seen: dict[int, dict[tuple[int, ...], _Seen]] = {}
        self._group_of: dict[int, str] = {}
        self._factors: dict[int, float] = {}
        self._groups: dict[str, float] = {}
        self._background = 0.0
        self._exact: dict[int, float] = {}

    def know(self, number: int, group: str, factor: float = 1.0) -> None:
        """This IRQ is of this group, and begins with this factor to its group's cost."""
        self._group_of[number] = group
        self._factors[number] = factor

    def forget(self, number: int) -> None:
        """This IRQ began a new generation: nothing learnt of it holds."""
        self._group_of.pop(number, None)
        self._factors.pop(number, None)
        self._exact.pop(number, None)
        self._forget_seen({number})

    def cost(self, number: int) -> float:
        """Seconds a unit: as measured, else its group's cost times its own factor."""
        exact = self._exact.get(number)
        if exact is not None:
            return exact
        return self._groups.get(self._group_of[number], self._nominal) * self._factors[number]

    def learnt(self) -> tuple[dict[str, float], dict[int, float]]:
        """(cost by group, factor by IRQ number) as far as anything was learnt."""
        groups = dict(self._groups)
        for number in self._exact:
            groups.setdefault(self._group_of[number], self._nominal)
        own = {
            number: cost / max(1e-12, groups[self._group_of[number]])
            for number, cost in self._exact.items()
        }
        return groups, {
            number: factor for number, factor in (self._factors | own).items() if factor != 1.0
        }

    def start_from(self, groups: Mapping[str, float]) -> None:
        """What an irqbal before this one learnt of groups."""
        self._groups = {**groups, **self._groups}

    def teach(self, costs: Mapping[int, float], same: float) -> bool:
        """Seconds a unit that were measured, and hold until they are measured again, or until the
        IRQ's life ends. Returns whether any differs by more than this share from what was believed;
        others stay as they were.
        """
        news = {
            number: cost
            for number, cost in costs.items()
            if abs(cost - self.cost(number)) > same * self.cost(number)
        }
        for number in costs:
            self._exact[number] = news.get(number, self.cost(number))
        return bool(news)

    def untaught(self) -> None:
        """Go on learning from what was measured."""
        groups, factors = self.learnt()
        self._exact = {}
        self._groups, self._factors = groups, self._factors | factors

    def observe(
        self, cpu: int, amounts: Mapping[int, float], spent: float, seconds: float, intervals: float
    ) -> None:
        """This CPU served these amounts in `seconds` (so many intervals), and spent so many seconds
        of this kind of time.
        """
        numbers = tuple(amounts)
        sets = self._seen.setdefault(cpu, {})
        known = sets.get(numbers)
        if (
            known is not None
            and known.seconds > 0
            and self._surprising(known, amounts, spent, seconds)
        ):
            self._forget_seen(set(numbers))
            sets = self._seen.setdefault(cpu, {})
            known = None
        if known is None:
            known = sets[numbers] = _Seen(numbers)
            while len(sets) > _MEMORY:
                del sets[next(iter(sets))]
        decay = _DECAY**intervals
        known.time *= decay
        known.seconds *= decay
        for number in known.amounts:
            known.amounts[number] *= decay
        known.time += spent
        known.seconds += seconds
        for number, amount in amounts.items():
            known.amounts[number] += amount

    def _surprising(
        self, known: _Seen, amounts: Mapping[int, float], spent: float, seconds: float
    ) -> bool:
        """Whether this time is far from what the costs say: they have changed."""
        expected = self._background * seconds + sum(
            amounts[number] * self.cost(number) for number in known.amounts
        )
        jiffies, seen = expected / JIFFY, spent / JIFFY
        return abs(seen - jiffies) > 4 * math.sqrt(max(jiffies, 1.0)) + 0.3 * jiffies

    def _forget_seen(self, numbers: set[int]) -> None:
        for sets in self._seen.values():
            for key in [key for key in sets if not numbers.isdisjoint(key)]:
                del sets[key]

    def fit(self) -> None:
        """First what groups cost, which few equations tell; then how single IRQs differ from their
        group, as far as that explains what is left.
        """
        rows = self._rows()
        known = all(
            self._group_of[number] in self._groups
            for seen in rows
            for number in seen.amounts
            if number not in self._exact
        )
        if not known or self._unexplained(rows):
            self._fit_groups(rows)
        self._fit_factors(rows)

    def _rows(self) -> list[_Seen]:
        return [seen for sets in self._seen.values() for seen in sets.values()]

    def _error(self, rows: list[_Seen], costs: Mapping[int, float], background: float) -> float:
        """Squared misses of what the costs expect, in variances of what was seen."""
        error = 0.0
        for seen in rows:
            expected = background * seen.seconds + sum(
                amount * costs[number] for number, amount in seen.amounts.items()
            )
            error += (seen.time - expected) ** 2 / _variance(seen.time)
        return error

    def _unexplained(self, rows: list[_Seen]) -> bool:
        """Whether even with a factor for each IRQ the costs miss what was seen: then it is the
        groups that are wrong.
        """
        costs = {number: self.cost(number) for number in self._factors}
        return self._error(rows, costs, self._background) > _EXPLAINED * max(1, len(rows))

    def _fit_groups(self, rows: list[_Seen]) -> None:
        """Weighted least squares of every CPU's time over its amounts by group and its idle
        background, drawn weakly to the mean cost, so that groups that always come together share
        what they cost. Where that explains all there is, what single IRQs seemed to differ by was
        noise, or the groups' error before.
        """
        exact = self._exact
        names = sorted(
            {
                self._group_of[number]
                for seen in rows
                for number in seen.amounts
                if number not in exact
            }
        )
        index = {name: at for at, name in enumerate(names)}
        equations: list[tuple[dict[int, float], float, float]] = []
        total_time = total_amount = 0.0
        for seen in rows:
            row: dict[int, float] = {len(names): seen.seconds}
            time = seen.time
            for number, amount in seen.amounts.items():
                if number in exact:
                    time -= amount * exact[number]
                    continue
                at = index[self._group_of[number]]
                row[at] = row.get(at, 0.0) + amount
                total_amount += amount
            time = max(0.0, time)
            total_time += time
            equations.append((row, time, _variance(seen.time)))
        if not total_amount:
            return
        if not total_time:
            # This kind of time costs nothing here, as far as anybody can see.
            self._groups.update(dict.fromkeys(names, 0.0))
            self._background = self._nominal = 0.0
            return
        mean = total_time / total_amount
        found = _ridge(equations, [*[mean] * len(names), 1e-3], [*[1.0] * len(names), 0.0])
        groups = {name: max(mean * _CHEAPEST, found[at] * mean) for name, at in index.items()}
        background = max(1e-5, found[len(names)] * 1e-3)
        if self._groups and not self._improves(rows, groups, background):
            return
        self._factors = dict.fromkeys(self._factors, 1.0)
        self._groups.update(groups)
        self._nominal = mean
        self._background = background

    def _improves(self, rows: list[_Seen], groups: Mapping[str, float], background: float) -> bool:
        """Whether new groups alone explain all there is, or more than the present costs do with all
        their exceptions.
        """
        fresh = {
            number: groups.get(group, self._nominal) for number, group in self._group_of.items()
        } | self._exact
        error = self._error(rows, fresh, background)
        present = {number: self.cost(number) for number in self._factors}
        return error <= _EXPLAINED * len(rows) or error < self._error(
            rows, present, self._background
        )

    def _doubt(self, rows: list[_Seen]) -> float:
        """By how much IRQs differ from their group, as a standard error of their factors: what
        groups alone leave unexplained, beyond what jiffies do. Where IRQs of a group cost alike,
        every difference that is seen is noise, and must move nothing.
        """
        plain = {
            number: self._groups.get(group, self._nominal)
            for number, group in self._group_of.items()
        } | self._exact
        unexplained = self._error(rows, plain, self._background) - len(rows)
        room = _spread(rows, plain)
        return (
            min(_DOUBT, max(_LEAST_DOUBT, math.sqrt(max(0.0, unexplained) / room)))
            if room > 0
            else _LEAST_DOUBT
        )

    def _fit_factors(self, rows: list[_Seen]) -> None:
        """Conjugate gradients on the normal equations, started at what is believed: few steps
        suffice, and each costs one pass.
        """
        exact = self._exact
        numbers = sorted(
            {number for seen in rows for number in seen.amounts if number not in exact}
        )
        index = {number: at for at, number in enumerate(numbers)}
        background = len(numbers)
        base = [self._groups.get(self._group_of[number], self._nominal) for number in numbers]
        doubt = self._doubt(rows)
        equations: list[tuple[list[tuple[int, float]], float]] = []
        for seen in rows:
            # In standard errors of the CPU's time, and of each factor's prior.
            weight = 1 / math.sqrt(_variance(seen.time))
            terms = [
                (index[number], amount * base[index[number]] * doubt * weight)
                for number, amount in seen.amounts.items()
                if number not in exact
            ]
            believed = (
                sum(amount * self.cost(number) for number, amount in seen.amounts.items())
                + self._background * seen.seconds
            )
            terms.append((background, seen.seconds * _BACKGROUND_DOUBT * weight))
            equations.append((terms, (seen.time - believed) * weight))
        steps = min(
            _MOST_STEPS, max(8, _MOST_WORK // (1 + sum(len(terms) for terms, _ in equations)))
        )
        change = _conjugate(equations, background + 1, steps)
        for number, at in index.items():
            self._factors[number] = max(_LEAST, self._factors[number] + doubt * change[at])
        self._background = max(0.0, self._background + _BACKGROUND_DOUBT * change[background])


def _spread(rows: list[_Seen], costs: Mapping[int, float]) -> float:
    """Sum of squares of what single IRQs should have cost, in variances of their CPUs' times."""
    total = 0.0
    for seen in rows:
        total += sum(
            [(amount * costs[number]) ** 2 for number, amount in seen.amounts.items()]
        ) / _variance(seen.time)
    return total


def _variance(time: float) -> float:
    """Of a CPU's time that is counted in jiffies, and a little for what no model holds."""
    return JIFFY * JIFFY + 0.25 * JIFFY * time


def _conjugate(
    equations: list[tuple[list[tuple[int, float]], float]], size: int, steps: int
) -> list[float]:
    """x that makes |A x - b|² + |x|² least. An equation is (terms (i, a) of a row, b)."""
    x = [0.0] * size
    residual = [0.0] * size
    for terms, value in equations:
        for at, factor in terms:
            residual[at] += factor * value
    direction = residual[:]
    old = sum([value * value for value in residual])
    for _ in range(steps):
        if old < _NEGLIGIBLE * size:
            break
        image = direction[:]
        for terms, _ in equations:
            dot = sum([factor * direction[at] for at, factor in terms])
            for at, factor in terms:
                image[at] += factor * dot
        step = old / sum([a * b for a, b in zip(direction, image, strict=True)])
        x = [a + step * b for a, b in zip(x, direction, strict=True)]
        residual = [a - step * b for a, b in zip(residual, image, strict=True)]
        new = sum([value * value for value in residual])
        direction = [a + new / old * b for a, b in zip(residual, direction, strict=True)]
        old = new
    return x


def _ridge(
    rows: list[tuple[dict[int, float], float, float]], scale: list[float], prior: list[float]
) -> list[float]:
    """Solve for x, where each row says sum(row[i] * scale[i] * x[i]) = value, with this variance; x
    is drawn to `prior` with a standard error of _SPREAD. Gaussian elimination on the normal
    equations, which are positive definite for that prior.
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
        found[i] = (right[i] - sum(matrix[i][j] * found[j] for j in range(i + 1, size))) / matrix[
            i
        ][i]
    return found
