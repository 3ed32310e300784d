"""What a trial found: each measure compared, and a verdict. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import msgspec

from irqbal.trials.measures import DIFFERENCES, MEASURES, Measure, log_ratio
from irqbal.trials.record import (
    ComparedMeasure,
    Side,
    TrialRecord,
    TrialResult,
    TrialWindow,
    Verdict,
)
from irqbal.trials.statistics import LEVEL, corrected, paired_effect, pairs_for, visible
from irqbal.wire import Moment

SHOWN_EFFECTS = (0.05, 0.1, 0.2)
"""Ratios less 1 for which a result says how many windows would be needed."""


def finished(
    record: TrialRecord, windows: Sequence[TrialWindow], guarded: str, ended: str, now: float
) -> TrialRecord:
    """The record of a trial that is over at `now`, seconds since the epoch, with its result.
    `guarded` and `ended` as of `conclude`.
    """
    result = conclude(
        windows,
        record.plan.primary,
        more_is_better=record.more_is_better,
        ended=ended,
        guarded=guarded,
    )
    return msgspec.structs.replace(
        record, phase="ended", done=tuple(windows), ends=Moment(now), result=result
    )


def conclude(
    windows: Sequence[TrialWindow],
    primary: Measure,
    *,
    more_is_better: bool = False,
    ended: str = "",
    guarded: str = "",
) -> TrialResult:
    """The result of these windows. `more_is_better`: of the primary measure. `ended` says why there
    are fewer than planned, `guarded` that a side was ended again and again.
    """
    compared, spread = _compare(windows, primary)
    first = next((item for item in compared if item.measure == primary), None)
    pairs = 0 if first is None else first.pairs
    found: Verdict
    if guarded:
        found = "guarded"
    elif ended:
        found = "ended"
    elif first is None or first.low is None:
        found = "too-few"
    elif not first.differs:
        found = "no-difference"
    else:
        found = "better" if (first.effect > 0) == more_is_better else "worse"
    ratio = first is not None and first.ratio
    least = visible(spread, pairs) if first is not None else math.inf
    return TrialResult(
        verdict=found,
        primary=primary,
        pairs=pairs,
        compared=compared,
        visible=None if math.isinf(least) else math.expm1(least) if ratio else least,
        needed={f"{share:g}": 2 * pairs_for(math.log1p(share), spread) for share in SHOWN_EFFECTS}
        if ratio and not math.isinf(spread)
        else {},
        detail=guarded or ended,
    )


def _compare(
    windows: Sequence[TrialWindow], primary: Measure
) -> tuple[tuple[ComparedMeasure, ...], float]:
    """Every measure, the primary one first; and the spread of its pairs' differences."""
    pairs: dict[int, dict[Side, TrialWindow]] = {}
    for window in windows:
        pairs.setdefault(window.pair, {})[window.side] = window
    whole = [pair for pair in pairs.values() if len(pair) == 2]
    found: list[ComparedMeasure] = []
    spread = math.inf
    for measure in sorted(MEASURES, key=lambda name: name != primary):
        both = [
            (pair["a"].values[measure], pair["b"].values[measure])
            for pair in whole
            if measure in pair["a"].values and measure in pair["b"].values
        ]
        if not both:
            continue
        # The user's number may be 0 or less, and has no logarithm then.
        ratio = measure not in DIFFERENCES and not (
            measure == "command" and any(min(pair) <= 0 for pair in both)
        )
        effect = paired_effect([log_ratio(measure, a, b) if ratio else b - a for a, b in both])
        if measure == primary:
            spread = effect.spread
        scale = math.expm1 if ratio else float
        found.append(
            ComparedMeasure(
                measure=measure,
                ratio=ratio,
                pairs=effect.pairs,
                a=fmean(a for a, _ in both),
                b=fmean(b for _, b in both),
                effect=scale(effect.mean),
                low=None if math.isinf(effect.low) else scale(effect.low),
                high=None if math.isinf(effect.high) else scale(effect.high),
                chance=effect.chance,
                differs=effect.chance <= LEVEL,
            )
        )
    return _corrected(found, primary), spread


def _corrected(found: list[ComparedMeasure], primary: Measure) -> tuple[ComparedMeasure, ...]:
    """The measures with the chances of all but the primary one corrected for their number."""
    beside = corrected({item.measure: item.chance for item in found if item.measure != primary})
    return tuple(
        msgspec.structs.replace(
            item, chance=beside[item.measure], differs=beside[item.measure] <= LEVEL
        )
        if item.measure in beside
        else item
        for item in found
    )
