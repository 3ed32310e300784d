"""Interrupts over time as a table: a line for each CPU or IRQ, with a sparkline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Console

from irqbal.render.console import plain, to_the_second
from irqbal.render.sparkline import sparkline
from irqbal.render.tables import Column, print_rows
from irqbal.wire import Duration, Moment

WIDE = 100
"""Columns of a terminal from which on a sparkline is long."""
SHORT_LINE, LONG_LINE = 30, 60
"""Blocks of a sparkline."""


class ShownPoint(msgspec.Struct, frozen=True):
    """One step: its start, the seconds of it that samples cover, and counts by line. Steps that no
    sample covers are left out.
    """

    at: Moment
    seconds: float
    counts: Mapping[str, int]


class ShownSeries(msgspec.Struct, frozen=True):
    """A series to print, by `cpu`, `irq`, `device` or `kind`. `names`: of IRQs by identity, of
    devices by address. `what`: what is counted; counts of a `load` are microseconds.
    """

    step: Duration
    by: str
    points: Sequence[ShownPoint]
    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    what: str = "interrupts"

    def lines(self) -> list[str]:
        """The lines in order: CPUs by number, IRQs by identity."""
        found = {key for point in self.points for key in point.counts}
        return sorted(found, key=lambda key: (0, int(key), key) if key.isdecimal() else (1, 0, key))


def print_series(out: Console, item: ShownSeries) -> None:
    """Print mean, maximum, total and a sparkline of each line. There must be a point."""
    first, last = item.points[0].at, item.points[-1].at
    load = item.what == "load"
    # A percent of a CPU is 10,000 microseconds a second.
    unit = 1e4 if load else 1.0
    out.print(
        f"{to_the_second(first)} to {to_the_second(last + item.step)}, steps of "
        f"{item.step}, {'load in percent of a CPU' if load else f'{item.what} a second'}",
        style="bold",
    )
    slots = round((last - first) / item.step) + 1
    places = {round((point.at - first) / item.step): point for point in item.points}
    steps = [places.get(slot) for slot in range(slots)]
    seconds = sum(point.seconds for point in item.points)
    rows, width = [], SHORT_LINE if out.width < WIDE else LONG_LINE
    for key in item.lines():
        rates = [
            None
            if point is None or not point.seconds
            else point.counts.get(key, 0) / unit / point.seconds
            for point in steps
        ]
        total = sum(point.counts.get(key, 0) for point in item.points)
        mean = total / unit / seconds if seconds else 0.0
        most = max((rate for rate in rates if rate is not None), default=0.0)
        # A CPU's number (-1: unknown), or an IRQ's name.
        label = key if item.by == "cpu" else item.names.get(key) or key
        rows.append(
            (
                plain(label),
                f"{mean:.{2 if load else 1}f}",
                f"{most:.{2 if load else 1}f}",
                f"{total / 1e6:.1f} s" if load else str(total),
                sparkline(rates, width),
            )
        )
    columns = (
        Column(item.by.upper(), wrap=True),
        Column("MEAN %" if load else "MEAN/S", right=True),
        Column("MAX %" if load else "MAX/S", right=True),
        Column("TOTAL", right=True, drop=1),
        Column("OVER TIME", drop=2),
    )
    print_rows(out, columns, rows)
