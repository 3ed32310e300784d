"""Writes a layout until the kernel has taken it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from irqbal.model.plan import Outcome
from irqbal.trials.run import TrialEnded

TRIES, RETRY = 4, 0.1
"""Attempts to write, and seconds between them."""
FAILED = frozenset({"refused", "unsaved", "transient", "differs"})
"""Results with which a value is not what it should be."""


def write_until_taken(write: Callable[[], Sequence[Outcome]]) -> list[Outcome]:
    """Write all of a layout; again if the kernel could not take a value at that moment (EBUSY).
    Blocks. Returns what it does not take.
    """
    failed: list[Outcome] = []
    for left in reversed(range(TRIES)):
        failed = [item for item in write() if item.result in FAILED]
        if not failed or not left:
            break
        time.sleep(RETRY)
    return failed


def write_whole(write: Callable[[], Sequence[Outcome]], what: str) -> None:
    """The same for what a trial compares. Raises TrialEnded if anything is not taken; `what` was to
    be written.
    """
    if failed := write_until_taken(write):
        raise TrialEnded(f"{what} could not be written: {failures_text(failed)}")


def failures_text(failed: Sequence[Outcome]) -> str:
    """The first of these failures, and how many there are more."""
    first = failed[0]
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"{first.identity}: {first.detail or first.result}{more}"
