"""What a trial found, in words."""

from __future__ import annotations

from msgspec.structs import replace

from irqbal.trials.measures import Measure
from irqbal.trials.record import ComparedMeasure, TrialRecord, TrialResult

NAMES: dict[Measure, str] = {
    "busiest": "the busiest CPU's time in interrupts",
    "mean": "the mean CPU time in interrupts",
    "per-packet": "the CPU time of a packet",
    "squeezes": "squeezes",
    "drops": "dropped packets",
    "rescheduling": "rescheduling interrupts",
    "switches": "context switches",
    "stalled": "the time in which tasks waited for a CPU",
    "run-delay": "the time for which tasks waited for a CPU",
    "command": "the number of the command",
}
"""Each measure in a sentence."""


def summary(result: TrialResult, a: str, b: str) -> str:
    """The verdict in a sentence or two. `a` and `b` are the sides in words."""
    name = NAMES[result.primary]
    first = result.compared[0] if result.compared else None
    windows = 2 * result.pairs
    if result.verdict == "guarded":
        return f"The trial was ended, since one side is far worse: {result.detail}."
    if result.verdict == "ended":
        return f"The trial was ended before its time: {result.detail}. It has no verdict."
    if first is None or result.verdict == "too-few":
        return (
            f"No verdict: {windows} windows are too few to tell a difference from chance; "
            "14 are needed at least."
        )
    if result.verdict == "no-difference":
        text = f"No difference in {name} that {windows} windows could show."
        if result.visible is not None:
            text += f" One of {_size(result.visible, first.ratio)} or more would have been found"
            text += _needed(result, result.visible) + "."
        return text
    word = "better" if result.verdict == "better" else "worse"
    return (
        f"B ({b}) is {word} than A ({a}): {name} is {effect(first)}"
        f" ({windows} windows, chance {first.chance:.2g})."
    )


def _size(value: float, ratio: bool) -> str:
    return f"{value:.0%}" if ratio else f"{value:.3g}"


def _needed(result: TrialResult, visible: float) -> str:
    """How many windows a smaller effect needs."""
    smaller = [(float(share), count) for share, count in result.needed.items()]
    smaller = [item for item in smaller if item[0] < visible]
    if not smaller:
        return ""
    share, count = max(smaller)
    return f"; {share:.0%} would take {count} windows"


def effect(item: ComparedMeasure) -> str:
    """An effect with its interval: `18 % lower (12 to 24 %)`."""
    less = item.effect < 0
    word = "lower" if less else "higher"
    ends = sorted(abs(end) for end in (item.low, item.high) if end is not None)
    if item.ratio:
        text = f"{abs(item.effect):.0%} {word}"
        known = item.low is not None and item.high is not None and item.low * item.high > 0
        return f"{text} ({ends[0]:.0%} to {ends[1]:.0%})" if known else text
    return f"{abs(item.effect):.3g} {word}"


def with_summary(record: TrialRecord) -> TrialRecord:
    """A record with its result in words."""
    if record.result is None:
        return record
    return replace(record, summary=summary(record.result, record.a, record.b))


def headline(record: TrialRecord) -> str:
    """What is compared, in a line."""
    return f"A: {record.a}; B: {record.b}; {record.changes} masks and settings differ"
