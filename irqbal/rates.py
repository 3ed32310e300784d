"""Two readings -> smoothed rates and loads. Pure: readings in, numbers out.

Load is time, not interrupts: a CPU's seconds in hard and soft interrupts are shared out to the IRQs that it served, by
rate times a cost per interrupt that is fitted over time. The fit is expectation-maximisation for Poisson counts
(jiffies): each CPU's time goes to its IRQs in proportion to rate × cost, and each cost becomes the time it was given
over the interrupts counted, with its group's cost (same driver, same kind) as the prior. While no time is visible at
all, every interrupt costs the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from irqbal.cpuset import CpuSet
from irqbal.host import Pulse

NOMINAL_COST = 5e-6
"""Seconds that an interrupt is taken to cost until time says otherwise."""
JIFFY = 0.01
"""Seconds; the kernel's unit of CPU time towards user space (USER_HZ is 100 on every architecture that irqbal runs on).
"""
WRAP = 1 << 32
PLAUSIBLE_RATE = 5e6
"""Interrupts a second that one IRQ might just raise; more means that a counter was reset rather than wrapped."""

_PRIOR = 2 * JIFFY
_ALPHA = 0.1
_DECAY = 0.95
_MEMORY = 16
_VISIBLE = 5 * JIFFY
_SPREAD = 5.0
_CHEAPEST = 0.02
_EXPLAINED = 3.0
_STEPS_AFTER_CHANGE = 30
_STEPS = 3


def fell(before: int, after: int, seconds: float) -> bool:
    """Whether a total was reset between two readings, rather than counted on (perhaps past 2**32)."""
    if after >= before:
        return False
    return (after - before) % WRAP > PLAUSIBLE_RATE * max(seconds, 0.001)


class _Rate:
    """An IRQ's smoothed rate with its spread; after a change of level (two readings in a row far off) it starts anew.
    """

    __slots__ = ("count", "factor", "group", "key", "mean", "off", "variance")

    def __init__(self, key: str, group: str) -> None:
        self.key, self.group = key, group
        self.mean = self.variance = 0.0
        self.count = 0
        self.off = 0
        self.factor = 1.0

    def add(self, rate: float) -> None:
        error = rate - self.mean
        if self.count >= 2 and abs(error) > 4 * math.sqrt(self.variance) + 0.3 * self.mean:
            step = 1 if error > 0 else -1
            self.off = self.off + step if self.off * step > 0 else step
            if abs(self.off) >= 2:
                self.mean, self.variance, self.count, self.off = rate, 0.0, 1, 0
                return
            if self.count > 3:
                return
        else:
            self.off = 0
        self.count += 1
        alpha = max(_ALPHA, 1 / self.count)
        self.mean += alpha * error
        if self.count > 1:
            self.variance = (1 - alpha) * (self.variance + alpha * error * error)

    @property
    def noise(self) -> float:
        """Standard error of the mean."""
        alpha = max(_ALPHA, 1 / max(self.count, 1))
        return math.sqrt(self.variance * alpha / (2 - alpha)) if self.count > 1 else 0.0


class _Seen:
    """What one CPU spent while it served one set of IRQs: decayed seconds, and decayed interrupts of each."""

    __slots__ = ("counts", "seconds", "time")

    def __init__(self, numbers: tuple[int, ...]) -> None:
        self.counts = dict.fromkeys(numbers, 0.0)
        self.seconds = self.time = 0.0


class Meter:
    """Rates, costs and loads of all IRQs, carried from one interval to the next."""

    def __init__(self) -> None:
        self._rates: dict[int, _Rate] = {}
        self._seen: dict[int, dict[tuple[int, ...], _Seen]] = {}
        self._groups: dict[str, float] = {}
        self._background = 0.0
        self._time = 0.0
        self.cpu_times: dict[int, tuple[float, float]] = {}
        """(irq, softirq) seconds a second of each CPU in the last interval."""

    @property
    def time_visible(self) -> bool:
        """Whether the kernel has shown any time in interrupts worth speaking of."""
        return self._time >= _VISIBLE

    def rate(self, number: int) -> float:
        """Interrupts a second, smoothed."""
        found = self._rates.get(number)
        return found.mean if found is not None else 0.0

    def load(self, number: int) -> tuple[float, float]:
        """(seconds of CPU a second, its standard error)."""
        found = self._rates.get(number)
        if found is None:
            return 0.0, 0.0
        cost = self._cost(found)
        return found.mean * cost, found.noise * cost

    def forget(self, number: int) -> None:
        """This IRQ began a new generation: nothing learnt of it holds."""
        self._rates.pop(number, None)
        self._forget_seen({number})

    def update(
        self, before: Pulse, after: Pulse, start: Mapping[int, CpuSet], keys: Mapping[int, tuple[str, str]]
    ) -> None:
        """Take one interval in. `start` is where each IRQ was delivered at its beginning; `keys` gives each IRQ's
        (identity and generation, group). An interval with a hotplug, and an IRQ that moved or has several effective
        CPUs, attribute nothing.
        """
        seconds = after.time - before.time
        if seconds <= 0:
            return
        counts, uncounted = self._count(before, after, seconds, keys)
        self.cpu_times = {
            cpu: (max(0.0, time.irq - old.irq) / seconds, max(0.0, time.softirq - old.softirq) / seconds)
            for cpu, time in after.cpu_times.items()
            if (old := before.cpu_times.get(cpu)) is not None
        }
        if before.online != after.online:
            return
        changed = self._observe(counts, uncounted, after, start, seconds)
        if self.time_visible:
            self._fit(changed)

    def _count(
        self, before: Pulse, after: Pulse, seconds: float, keys: Mapping[int, tuple[str, str]]
    ) -> tuple[dict[int, int], set[int]]:
        """The interrupts of each IRQ, and those IRQs that fired an unknown number of times: new ones, and reset ones.
        """
        counts: dict[int, int] = {}
        uncounted: set[int] = set()
        for number, (key, group) in keys.items():
            now, then = after.totals.get(number), before.totals.get(number)
            rate = self._rates.get(number)
            if rate is None or rate.key != key:
                if rate is not None:
                    self._forget_seen({number})
                rate = self._rates[number] = _Rate(key, group)
            if now is None or then is None or fell(then, now, seconds):
                uncounted.add(number)
                continue
            counts[number] = (now - then) % WRAP
            rate.add(counts[number] / seconds)
        for number in self._rates.keys() - keys.keys():
            self.forget(number)
        return counts, uncounted

    def _observe(
        self, counts: Mapping[int, int], uncounted: set[int], after: Pulse, start: Mapping[int, CpuSet], seconds: float
    ) -> bool:
        """Remember which IRQs each CPU's time was spent on. Returns whether any CPU served another set than before."""
        served: dict[int, list[int]] = {cpu: [] for cpu in after.online}
        unclean: set[int] = set()
        for number in uncounted:
            if after.totals.get(number, 1):
                unclean.update(after.effective.get(number, CpuSet()) | start.get(number, CpuSet()))
        for number, count in counts.items():
            if not count:
                continue
            end, begin = after.effective.get(number, CpuSet()), start.get(number, CpuSet())
            if len(end) == 1 and end == begin:
                served.setdefault(end.first, []).append(number)
            else:
                unclean.update(end | begin)
        spent = {cpu: sum(times) * seconds for cpu, times in self.cpu_times.items()}
        self._time = min(10.0, 0.99 * self._time + sum(spent.values()))
        changed = False
        for cpu, numbers in served.items():
            if cpu in unclean or cpu not in spent:
                continue
            changed |= self._remember(cpu, tuple(numbers), counts, spent[cpu], seconds)
        return changed

    def _remember(
        self, cpu: int, numbers: tuple[int, ...], counts: Mapping[int, int], spent: float, seconds: float
    ) -> bool:
        sets = self._seen.setdefault(cpu, {})
        known = sets.get(numbers)
        if known is not None and known.seconds > 0 and self._surprising(known, counts, spent, seconds):
            self._forget_seen(set(numbers))
            sets = self._seen.setdefault(cpu, {})
            known = None
        fresh = known is None
        if known is None:
            known = sets[numbers] = _Seen(numbers)
            while len(sets) > _MEMORY:
                del sets[next(iter(sets))]
        for seen in sets.values():
            seen.time *= _DECAY
            seen.seconds *= _DECAY
            for number in seen.counts:
                seen.counts[number] *= _DECAY
        known.time += spent
        known.seconds += seconds
        for number in numbers:
            known.counts[number] += counts[number]
        return fresh

    def _surprising(self, known: _Seen, counts: Mapping[int, int], spent: float, seconds: float) -> bool:
        """Whether these interrupts' time is far from what their costs say: the costs have changed."""
        expected = self._background * seconds
        expected += sum(counts[number] * self._cost(self._rates[number]) for number in known.counts)
        jiffies, seen = expected / JIFFY, spent / JIFFY
        return abs(seen - jiffies) > 4 * math.sqrt(max(jiffies, 1.0)) + 0.3 * jiffies

    def _forget_seen(self, numbers: set[int]) -> None:
        for sets in self._seen.values():
            for key in [key for key in sets if not numbers.isdisjoint(key)]:
                del sets[key]

    def _cost(self, rate: _Rate) -> float:
        """Seconds an interrupt: its group's cost times its own factor."""
        if not self.time_visible:
            return NOMINAL_COST
        return self._groups.get(rate.group, NOMINAL_COST) * rate.factor

    def _fit(self, changed: bool) -> None:
        """First what groups cost, which few equations tell; then how single IRQs differ from their group, as far as that explains
        what is left.
        """
        if changed:
            self._fit_groups()
        for _ in range(_STEPS_AFTER_CHANGE if changed else _STEPS):
            expected, given = self._expect()
            for number, time in expected.items():
                rate = self._rates[number]
                # The prior draws the factor to 1: a jiffy or two do not make an IRQ an exception.
                rate.factor *= (given[number] + _PRIOR) / (time + _PRIOR * rate.factor)

    def _fit_groups(self) -> None:
        """Weighted least squares of every CPU's time over its interrupts by group and its idle background, drawn weakly to the
        mean cost, so that groups that always come together share what they cost. Where that explains all there is, what single
        IRQs seemed to differ by was noise, or the groups' error before.
        """
        names = sorted({self._rates[number].group for sets in self._seen.values() for key in sets for number in key})
        index = {name: at for at, name in enumerate(names)}
        rows: list[tuple[dict[int, float], float, float]] = []
        total_time = total_count = 0.0
        for sets in self._seen.values():
            for seen in sets.values():
                row: dict[int, float] = {len(names): seen.seconds}
                for number, count in seen.counts.items():
                    at = index[self._rates[number].group]
                    row[at] = row.get(at, 0.0) + count
                    total_count += count
                total_time += seen.time
                rows.append((row, seen.time, JIFFY * JIFFY + 0.25 * JIFFY * seen.time))
        if not total_count or not total_time:
            return
        mean = total_time / total_count
        scale = [*[mean] * len(names), 1e-3]
        found = _ridge(rows, scale, [*[1.0] * len(names), 0.0])
        error = 0.0
        for row, value, variance in rows:
            error += (value - sum(amount * scale[at] * found[at] for at, amount in row.items())) ** 2 / variance
        if error > _EXPLAINED * len(rows) and self._groups:
            return
        for rate in self._rates.values():
            rate.factor = 1.0
        for name, at in index.items():
            self._groups[name] = max(mean * _CHEAPEST, found[at] * mean)
        self._background = max(1e-5, found[len(names)] * 1e-3)

    def _expect(self) -> tuple[dict[int, float], dict[int, float]]:
        """(seconds that each IRQ should have cost, seconds that it is given of what was spent); the background is
        fitted along.
        """
        expected: dict[int, float] = {}
        given: dict[int, float] = {}
        background = self._background or 1e-4
        background_given = background_seconds = 0.0
        costs = {number: self._cost(rate) for number, rate in self._rates.items()}
        for sets in self._seen.values():
            for seen in sets.values():
                shares = {number: count * costs[number] for number, count in seen.counts.items()}
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
