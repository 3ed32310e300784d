"""Restores the original values of everything that irqbal changed."""

from __future__ import annotations

from collections.abc import Iterable

from irqbal.model.host import Host
from irqbal.model.plan import Outcome
from irqbal.model.readings import DEFAULT, Original
from irqbal.state.originals import OriginalsFile
from irqbal.tracking.tracker import HostTracker

UNDONE = frozenset({"refused", "transient", "unsaved"})
"""Results after which the original is still needed for another attempt."""


def restore_originals(host: Host, originals: OriginalsFile) -> tuple[Outcome, ...]:
    """Write back every original of this boot whose IRQ still exists. Returns one outcome for each;
    `forget_restored` takes them out of the file.

    If it raises HostError or StateFileError, nothing was written back.
    """
    tracker = HostTracker(host, 10.0)
    tracker.sample()
    numbers = tracker.numbers()
    due: list[tuple[Original, int | None]] = []
    outcomes: list[Outcome] = []
    for identity, original in originals.originals().items():
        if original.number is None:
            due.append((original, None))
        elif identity in numbers:
            due.append((original, numbers[identity]))
        else:
            detail = "there is no such IRQ any more"
            outcomes.append(Outcome(identity, "gone", original.number, "gone", detail))
    # The default mask comes last: no other original depends on it.
    due.sort(key=lambda item: item[0].identity == DEFAULT)
    outcomes += host.restore(due)
    return tuple(outcomes)


def forget_restored(originals: OriginalsFile, outcomes: Iterable[Outcome]) -> None:
    """Remove the originals that were written back, or whose IRQ no longer exists, from the file.

    Raises StateFileError: then the next restore writes the same originals again.
    """
    originals.keep_only([item.identity for item in outcomes if item.result in UNDONE])
