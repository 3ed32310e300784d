"""Values over time on one line, as block characters."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
"""From the lowest to the highest value."""


def sparkline(values: Sequence[float | None], width: int, top: float | None = None) -> str:
    """At most `width` blocks, each the mean of an equal share of the values. None is an unknown
    value: a share without a known one is a space.

    A full block stands for `top`; for the largest mean if it is None.
    """
    count = max(1, -(-len(values) // max(1, width)))
    means: list[float | None] = []
    for start in range(0, len(values), count):
        known = [value for value in values[start : start + count] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    most = (
        top if top is not None else max((mean for mean in means if mean is not None), default=0.0)
    )
    return "".join(" " if mean is None else BLOCKS[_level(mean, most)] for mean in means)


def _level(value: float, most: float) -> int:
    """An index of `BLOCKS`. The lowest block stands for zero alone, so that any value above zero
    can be seen.
    """
    if value <= 0 or most <= 0:
        return 0
    return min(len(BLOCKS) - 1, max(1, round(value / most * (len(BLOCKS) - 1))))
