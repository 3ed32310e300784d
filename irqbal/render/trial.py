"""A trial as text for a terminal."""

from __future__ import annotations

from rich.console import Console

from irqbal.render.tables import Column, print_rows
from irqbal.render.trial_texts import NAMES, effect, headline
from irqbal.trials.measures import Measure
from irqbal.trials.record import ComparedMeasure, TrialRecord

UNITS: dict[Measure, str] = {
    "busiest": "share",
    "mean": "share",
    "per-packet": "µs",
    "stalled": "share",
    "run-delay": "s a second",
    "command": "",
}
"""Units of measures; of all others: a second."""


def print_trial(out: Console, record: TrialRecord) -> None:
    """Print a trial that has ended: what was compared, each measure, and the verdict."""
    result = record.result
    if result is None:
        out.print(f"The trial {record.id} runs: window {record.window + 1} of {record.windows}.")
        return
    out.print(f"Trial {record.id}: {headline(record)}.")
    if result.compared:
        out.print()
        columns = [
            Column("MEASURE", wrap=True),
            Column("A", right=True),
            Column("B", right=True),
            Column("B BESIDE A", wrap=True),
            Column("CHANCE", right=True),
            Column("DIFFERS"),
        ]
        print_rows(out, columns, [_row(item) for item in result.compared])
        out.print()
    out.print(record.summary)


def _row(item: ComparedMeasure) -> list[str]:
    return [
        NAMES[item.measure],
        _value(item, item.a),
        _value(item, item.b),
        effect(item),
        f"{item.chance:.2g}",
        "yes" if item.differs else "no",
    ]


def _value(item: ComparedMeasure, value: float) -> str:
    unit = UNITS.get(item.measure, "a second")
    if unit == "share":
        return f"{value:.1%}"
    if unit == "µs":
        return f"{value * 1e6:.2f} µs"
    return f"{value:.4g} {unit}".strip()
