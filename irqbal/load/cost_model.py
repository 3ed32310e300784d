"""What an interrupt or a packet costs: attributes a CPU's measured time to the IRQs that it served.
Pure.

Every set of IRQs that one CPU served gives an equation: the CPU's time is the sum of amount × cost,
plus a small background. The costs of groups (same driver, same kind of queue) are fitted first.
Then each IRQ's factor to its group's cost is fitted by least squares, with the last estimate as the
prior: the model thus retains what earlier placements have shown after their equations have decayed.

The file is long because the model and its fit work on the same groups, factors and equations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import mul

import msgspec

from irqbal.load.least_squares import SparseRow, WeightedRow, ridge, solve_sparse

JIFFY = 0.01
"""Seconds; the kernel's unit of CPU time in `/proc/stat` (USER_HZ is 100 on every architecture that
irqbal runs on).
"""
MOST_DOUBT = 0.7
"""Standard error of a factor, at most: costs within one group spread over a factor of ten."""
LEAST_DOUBT = 0.05
"""Standard error of a factor, at least: IRQs of one group are never exactly alike."""
BACKGROUND_DOUBT = 3e-3
"""Standard error of the background, in seconds a second."""
LEAST_FACTOR = 0.03
"""Least factor of an IRQ to its group: no interrupt is free."""
MOST_STEPS = 60
"""Steps of one fit, at most: the solver needs some ten if anything changed."""
MOST_WORK = 400_000
"""Terms that one fit may visit, at most: some 100 ms on the biggest hosts."""
DECAY = 0.95
"""Weight of an observation after one interval: observations count for some twenty intervals."""
MEMORY = 16
"""Sets of IRQs that are remembered of one CPU, at most: older ones have decayed."""
FORGOTTEN = 60.0
"""Intervals after which a set that its CPU no longer serves is forgotten: what it showed is in the
costs.
"""
EVIDENCE = 2.0
"""Seconds for which a CPU must have served a set before single IRQs' costs follow from it: within
the first look, which the first plan rests on, a time counted in jiffies shows nothing of one IRQ.
"""
PILE = 64
"""IRQs of a set that a CPU no longer serves, at most, for single costs to follow from it: before
irqbal starts, one CPU may serve all IRQs, which says next to nothing of each.
"""
CHEAPEST = 0.02
"""Least cost of a group, as a share of the mean cost: no interrupt is free."""
EXPLAINED = 3.0
"""Mean squared error, in variances of the observed times, up to which costs count as explaining the
observations.
"""


class CostsByKind(msgspec.Struct, frozen=True):
    """Learned costs of one kind of time: seconds a unit by group, and factors by IRQ number."""

    groups: dict[str, float]
    factors: dict[int, float]


class Observation(msgspec.Struct, frozen=True):
    """What one CPU did in so many seconds and intervals. `amounts` are interrupts or packets by IRQ
    number, `spent` is seconds of one kind of time (hard or soft interrupts).
    """

    amounts: Mapping[int, float]
    spent: float
    seconds: float
    intervals: float


class _ServedSet:
    """Decayed sums of a CPU's amounts and time while it served one set of IRQs."""

    __slots__ = ("amounts", "last", "seconds", "time")

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.amounts = dict.fromkeys(numbers, 0.0)
        self.seconds = self.time = 0.0
        self.last = 0.0
        """When it was observed last, in intervals."""


class CostModel:
    """Cost of each IRQ in seconds a unit (an interrupt or a packet), learned from the CPUs' time of
    one kind (hard or soft interrupts).
    """

    def __init__(self, nominal: float) -> None:
        self._nominal = nominal
        self._equations: dict[int, dict[tuple[int, ...], _ServedSet]] = {}
        self._now = 0.0
        """Intervals since the first observation."""
        self._cpus_of: dict[int, set[int]] = {}
        """The CPUs that have equations with an IRQ, by its number."""
        self._group_of: dict[int, str] = {}
        self._factors: dict[int, float] = {}
        self._groups: dict[str, float] = {}
        self._background = 0.0
        self._measured: dict[int, float] = {}

    def add(self, number: int, group: str, factor: float = 1.0) -> None:
        """Add an IRQ of this group, whose cost starts at `factor` times the group's."""
        self._group_of[number] = group
        self._factors[number] = factor

    def forget(self, number: int) -> None:
        """Forget all that was learned of this IRQ: it has a new generation or is gone."""
        self._group_of.pop(number, None)
        self._factors.pop(number, None)
        self._measured.pop(number, None)
        self._forget_equations({number})

    def cost(self, number: int) -> float:
        """Seconds a unit: the measured cost, else the group's cost times the IRQ's factor. Raises
        KeyError for an IRQ that was not added.
        """
        measured = self._measured.get(number)
        if measured is not None:
            return measured
        return self._groups.get(self._group_of[number], self._nominal) * self._factors[number]

    def learned(self) -> CostsByKind:
        """What was learned so far; IRQs whose factor is 1 are omitted."""
        groups = dict(self._groups)
        for number in self._measured:
            groups.setdefault(self._group_of[number], self._nominal)
        own = {
            number: cost / max(1e-12, groups[self._group_of[number]])
            for number, cost in self._measured.items()
        }
        factors = self._factors | own
        return CostsByKind(
            groups, {number: factor for number, factor in factors.items() if factor != 1.0}
        )

    def start_from(self, groups: Mapping[str, float]) -> None:
        """Begin with group costs that an earlier process learned."""
        self._groups = {**groups, **self._groups}

    def set_measured(self, costs: Mapping[int, float], same: float) -> bool:
        """Take over measured costs (seconds a unit by IRQ number). They hold until the next
        measurement or a new generation of the IRQ. A cost that differs from the present estimate by
        at most the share `same` leaves the estimate in force. Returns whether any differs by more.
        """
        news = {
            number: cost
            for number, cost in costs.items()
            if abs(cost - self.cost(number)) > same * self.cost(number)
        }
        for number in costs:
            self._measured[number] = news.get(number, self.cost(number))
        return bool(news)

    def clear_measured(self) -> None:
        """Continue to learn costs, starting from the measured ones."""
        learned = self.learned()
        self._measured = {}
        self._groups, self._factors = learned.groups, self._factors | learned.factors

    def observe(self, cpu: int, observation: Observation) -> None:
        """Add an observation of this CPU. If it is far from what the costs predict, the costs have
        changed: older observations of these IRQs are then dropped.
        """
        amounts = observation.amounts
        numbers = tuple(amounts)
        sets = self._equations.setdefault(cpu, {})
        equation = sets.get(numbers)
        known = equation is not None and equation.seconds >= EVIDENCE
        if known and self._is_surprising(observation):
            self._forget_equations(set(numbers))
            sets = self._equations.setdefault(cpu, {})
            equation = None
        if equation is None:
            equation = sets[numbers] = _ServedSet(numbers)
            for number in numbers:
                self._cpus_of.setdefault(number, set()).add(cpu)
            while len(sets) > MEMORY:
                del sets[next(iter(sets))]
        decay = DECAY**observation.intervals
        equation.time = equation.time * decay + observation.spent
        equation.seconds = equation.seconds * decay + observation.seconds
        equation.last = self._now
        for number, amount in amounts.items():
            equation.amounts[number] = equation.amounts[number] * decay + amount

    def elapse(self, intervals: float) -> None:
        """So many intervals were observed of all CPUs."""
        self._now += intervals
        horizon = self._now - FORGOTTEN
        for sets in self._equations.values():
            if len(sets) > 1:
                for key in [key for key, served in sets.items() if served.last < horizon]:
                    del sets[key]

    def _is_surprising(self, observation: Observation) -> bool:
        """Whether the time spent is farther from the predicted time than rounding to jiffies
        explains.
        """
        expected = self._background * observation.seconds + sum(
            amount * self.cost(number) for number, amount in observation.amounts.items()
        )
        jiffies, spent = expected / JIFFY, observation.spent / JIFFY
        return abs(spent - jiffies) > 4 * math.sqrt(max(jiffies, 1.0)) + 0.3 * jiffies

    def _forget_equations(self, numbers: set[int]) -> None:
        for cpu in {cpu for number in numbers for cpu in self._cpus_of.pop(number, ())}:
            sets = self._equations[cpu]
            for key in [key for key in sets if not numbers.isdisjoint(key)]:
                del sets[key]

    def fit(self) -> None:
        """Fit group costs first, for which few equations suffice, then per-IRQ factors to what the
        groups leave unexplained.
        """
        rows = self._rows()
        known = all(
            self._group_of[number] in self._groups
            for row in rows
            for number in row.amounts
            if number not in self._measured
        )
        if not known or self._unexplained(rows):
            self._fit_groups(rows)
        self._fit_factors(self._telling(rows))

    def _telling(self, rows: list[_ServedSet]) -> list[_ServedSet]:
        """The sets that tell something of single IRQs."""
        newest = max((row.last for row in rows), default=0.0)
        return [
            row
            for row in rows
            if row.seconds >= EVIDENCE and (len(row.amounts) <= PILE or row.last == newest)
        ]

    def _rows(self) -> list[_ServedSet]:
        return [equation for sets in self._equations.values() for equation in sets.values()]

    def _plain(self) -> dict[int, float]:
        """Each IRQ's cost without its own factor."""
        groups, nominal = self._groups, self._nominal
        plain = {number: groups.get(group, nominal) for number, group in self._group_of.items()}
        return plain | self._measured if self._measured else plain

    def _costs(self, plain: Mapping[int, float]) -> dict[int, float]:
        """Each IRQ's cost."""
        factors = self._factors
        costs = {number: cost * factors[number] for number, cost in plain.items()}
        return costs | self._measured if self._measured else costs

    def _error(
        self, rows: list[_ServedSet], costs: Mapping[int, float], background: float
    ) -> float:
        """Sum of the squared errors of the predicted times, in variances of the observed times."""
        return sum(
            [
                (row.time - predicted) ** 2 / _variance(row.time)
                for row, predicted in zip(rows, _predicted(rows, costs, background), strict=True)
            ]
        )

    def _unexplained(self, rows: list[_ServedSet]) -> bool:
        """Whether the costs do not explain the observations even with a factor for each IRQ: then
        the group costs are wrong.
        """
        error = self._error(rows, self._costs(self._plain()), self._background)
        return error > EXPLAINED * max(1, len(rows))

    def _fit_groups(self, rows: list[_ServedSet]) -> None:
        """Fit group costs and the background by weighted least squares of every CPU's time over its
        amounts by group. A weak prior at the mean cost divides the cost among groups that always
        occur together. New group costs reset all factors: the earlier factors were noise or
        compensated for wrong group costs.
        """
        measured = self._measured
        names = sorted(
            {
                self._group_of[number]
                for row in rows
                for number in row.amounts
                if number not in measured
            }
        )
        index = {name: at for at, name in enumerate(names)}
        equations: list[WeightedRow] = []
        total_time = total_amount = 0.0
        for row in rows:
            shares: dict[int, float] = {len(names): row.seconds}
            time = row.time
            for number, amount in row.amounts.items():
                if number in measured:
                    time -= amount * measured[number]
                    continue
                at = index[self._group_of[number]]
                shares[at] = shares.get(at, 0.0) + amount
                total_amount += amount
            time = max(0.0, time)
            total_time += time
            equations.append(WeightedRow(shares, time, _variance(row.time)))
        if not total_amount:
            return
        if not total_time:
            # No time of this kind was recorded; the cost is 0.
            self._groups.update(dict.fromkeys(names, 0.0))
            self._background = self._nominal = 0.0
            return
        mean = total_time / total_amount
        solution = ridge(equations, [*[mean] * len(names), 1e-3], [*[1.0] * len(names), 0.0])
        groups = {name: max(mean * CHEAPEST, solution[at] * mean) for name, at in index.items()}
        background = max(1e-5, solution[len(names)] * 1e-3)
        if self._groups and not self._improves(rows, groups, background):
            return
        self._factors = dict.fromkeys(self._factors, 1.0)
        self._groups.update(groups)
        self._nominal = mean
        self._background = background

    def _improves(
        self, rows: list[_ServedSet], groups: Mapping[str, float], background: float
    ) -> bool:
        """Whether new group costs alone explain the observations, or explain more of them than the
        present costs with all their factors.
        """
        fresh = {
            number: groups.get(group, self._nominal) for number, group in self._group_of.items()
        } | self._measured
        error = self._error(rows, fresh, background)
        present = self._costs(self._plain())
        return error <= EXPLAINED * len(rows) or error < self._error(
            rows, present, self._background
        )

    def _doubt(self, rows: list[_ServedSet], plain: Mapping[int, float]) -> float:
        """Standard error of the factors: what group costs leave unexplained beyond the rounding to
        jiffies. If the IRQs of a group cost the same, observed differences are noise and must not
        move an IRQ.
        """
        unexplained = self._error(rows, plain, self._background) - len(rows)
        if unexplained <= 0:
            return LEAST_DOUBT
        room = _spread(rows, plain)
        return (
            min(MOST_DOUBT, max(LEAST_DOUBT, math.sqrt(unexplained / room)))
            if room > 0
            else LEAST_DOUBT
        )

    def _fit_factors(self, rows: list[_ServedSet]) -> None:
        """Fit the factors to what the present estimate leaves unexplained, and then the background,
        which all CPUs share and which therefore must not join their equations.
        """
        measured = self._measured
        plain = self._plain()
        costs = self._costs(plain)
        doubt = self._doubt(rows, plain)
        equations: list[SparseRow] = []
        errors: list[tuple[float, float]] = []
        terms_in_all = 0
        for row, predicted in zip(rows, _predicted(rows, costs, self._background), strict=True):
            # In standard errors of the CPU's time, and of each factor's prior.
            weight = 1 / math.sqrt(_variance(row.time))
            scale = doubt * weight
            terms = [
                (number, amount * plain[number] * scale)
                for number, amount in row.amounts.items()
                if amount and number not in measured
            ]
            terms_in_all += len(terms)
            value = (row.time - predicted) * weight
            equations.append(SparseRow(terms, value))
            errors.append((row.seconds * BACKGROUND_DOUBT * weight, value))
        steps = min(MOST_STEPS, max(8, MOST_WORK // (1 + terms_in_all)))
        change = solve_sparse(equations, steps)
        factors = self._factors
        for number, by in change.items():
            factors[number] = max(LEAST_FACTOR, factors[number] + doubt * by)
        left = weights = 0.0
        for equation, (factor, value) in zip(equations, errors, strict=True):
            rest = value - sum([term * change[number] for number, term in equation.terms])
            left += factor * rest
            weights += factor * factor
        self._background = max(0.0, self._background + BACKGROUND_DOUBT * left / (1 + weights))


def _predicted(
    rows: list[_ServedSet], costs: Mapping[int, float], background: float
) -> list[float]:
    """The time of each set at these costs."""
    return [
        background * row.seconds
        + sum(map(mul, row.amounts.values(), map(costs.__getitem__, row.amounts)))
        for row in rows
    ]


def _spread(rows: list[_ServedSet], costs: Mapping[int, float]) -> float:
    """Sum of the squared predicted times of single IRQs, in variances of their CPUs' time."""
    total = 0.0
    for row in rows:
        total += sum(
            [(amount * costs[number]) ** 2 for number, amount in row.amounts.items()]
        ) / _variance(row.time)
    return total


def _variance(time: float) -> float:
    """Variance of a CPU's time in s²: the rounding to jiffies, and a share for what the model does
    not cover.
    """
    return JIFFY * JIFFY + 0.25 * JIFFY * time
