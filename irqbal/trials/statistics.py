"""A permutation test for pairs of windows. Pure.

Each pair holds a window of either side, in an order that was drawn at random. If the sides do not
differ, each pair's difference may as well have the other sign: the share of sign patterns whose
mean is at least as far from 0 as the observed one is the probability of what was seen (Fisher's
exact test for paired data). Nothing is assumed of how windows are distributed or how the load
drifts.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from operator import mul
from statistics import NormalDist, fmean, stdev

import msgspec

LEVEL = 0.02
"""Probability of a difference that is none, at most."""
POWER = 0.9
"""Probability with which a difference that is said to be visible would have been found."""
EXACT = 16
"""Pairs up to which all sign patterns are counted; beyond, so many are drawn:"""
PATTERNS = 9999
LEAST_PAIRS = 7
"""Pairs with which a probability below LEVEL is possible at all: 2 of 2**6 patterns are 3 %, of
2**7 1.6 %.
"""


class PairedEffect(msgspec.Struct, frozen=True):
    """What pairs of one measure show. `mean` is the mean difference (B less A), `low` to `high` its
    interval at LEVEL, `chance` the probability of one as large if the sides are the same, `spread`
    the standard deviation of one pair's difference.
    """

    pairs: int
    mean: float
    low: float
    high: float
    chance: float
    spread: float


def paired_effect(differences: Sequence[float], seed: int = 0) -> PairedEffect:
    """The effect that these differences of pairs show. Without a pair nothing is known."""
    count = len(differences)
    if count == 0:
        return PairedEffect(0, 0.0, -math.inf, math.inf, 1.0, 0.0)
    mean = fmean(differences)
    spread = stdev(differences) if count > 1 else math.inf
    sums = _pattern_means(differences, seed)
    low, high = _interval(mean, spread, sums)
    return PairedEffect(count, mean, low, high, _chance(mean, sums, 0.0), spread)


def _pattern_means(differences: Sequence[float], seed: int) -> list[tuple[float, float]]:
    """(mean of the differences, mean of the signs) of patterns of signs, the observed one among
    them. With the differences lessened by c, a pattern's mean is the first less c times the second.
    """
    count = len(differences)
    if count <= EXACT:
        patterns: Iterable[int] = range(1 << count)
    else:
        dice = random.Random(seed)
        patterns = [(1 << count) - 1, *(dice.getrandbits(count) for _ in range(PATTERNS))]
    # The sums of each byte of a pattern are looked up.
    tables = [_sums(differences[at : at + 8]) for at in range(0, count, 8)]
    found = []
    for pattern in patterns:
        total, signs = 0.0, 0
        for at, table in enumerate(tables):
            part, sign = table[pattern >> 8 * at & 255]
            total += part
            signs += sign
        found.append((total / count, signs / count))
    return found


def _sums(differences: Sequence[float]) -> list[tuple[float, int]]:
    """(sum of the differences, sum of the signs) for each pattern of 8 bits; 1 is plus."""
    found = []
    for pattern in range(256):
        signs = [1 if pattern >> at & 1 else -1 for at in range(len(differences))]
        found.append((sum(map(mul, signs, differences)), sum(signs)))
    return found


def _chance(mean: float, sums: Sequence[tuple[float, float]], shift: float) -> float:
    """The share of patterns that are as far from 0 as the observed one, had each difference been
    smaller by `shift`.
    """
    # Sums of the same numbers in another order differ by rounding alone.
    least = abs(mean - shift) * (1 - 1e-9) - 1e-15
    return sum(abs(total - shift * sign) >= least for total, sign in sums) / len(sums)


def _interval(
    mean: float, spread: float, sums: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """The shifts that the test does not refuse at LEVEL."""
    if _chance(0.0, [(0.0, sign) for _, sign in sums], 1.0) > LEVEL:
        # Too few pairs: no shift at all is refused.
        return -math.inf, math.inf
    if spread == 0:
        return mean, mean
    ends = []
    for direction in (-1, 1):
        inside, outside = 0.0, spread
        while _chance(mean, sums, mean + direction * outside) > LEVEL:
            inside, outside = outside, 2 * outside
        for _ in range(20):
            middle = (inside + outside) / 2
            if _chance(mean, sums, mean + direction * middle) > LEVEL:
                inside = middle
            else:
                outside = middle
        ends.append(mean + direction * outside)
    return ends[0], ends[1]


def corrected(chances: Mapping[str, float]) -> dict[str, float]:
    """The probabilities of several measures, corrected for their number (Holm's method): the
    smallest counts as many times as there are measures, the next one time less, and so on.
    """
    found: dict[str, float] = {}
    highest = 0.0
    for at, (name, chance) in enumerate(sorted(chances.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, chance * (len(chances) - at)))
        found[name] = highest
    return found


def visible(spread: float, pairs: int) -> float:
    """The difference that so many pairs would have shown with the probability POWER; infinite with
    too few.
    """
    return math.inf if pairs < LEAST_PAIRS else spread * _factor() / math.sqrt(pairs)


def pairs_for(difference: float, spread: float) -> int:
    """The pairs with which a difference would be found with the probability POWER."""
    if difference == 0:
        return 0
    return max(LEAST_PAIRS, math.ceil((_factor() * spread / abs(difference)) ** 2))


def _factor() -> float:
    normal = NormalDist()
    return normal.inv_cdf(1 - LEVEL / 2) + normal.inv_cdf(POWER)
