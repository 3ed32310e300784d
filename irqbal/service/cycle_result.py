"""What one cycle did, whole and frozen, and who wants to know of it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from irqbal.history.recorder import NewSample
from irqbal.model.plan import Record
from irqbal.model.view import Override, Snapshot


class CycleResult(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle: all that anybody reports of it comes from here, never from the balancer, which may
    be in the next cycle already.

    `planned_on` is the snapshot that the plan in `record` was made of, `after` the host once the
    plan was carried out. `fresh`: `after` is of this cycle; after a cycle that reused the last plan
    it is that plan's. `totals` are interrupts since each IRQ was set up, modulo 2**32, by number.
    `trigger` says why a plan was made, or why the last one was reused. `sample` is what the history
    stores of this cycle, if a sample was due; `expired` are the overrides that ended in it.
    """

    record: Record
    planned_on: Snapshot
    after: Snapshot
    fresh: bool
    totals: dict[int, int]
    trigger: str
    overrides: tuple[Override, ...] = ()
    expired: tuple[Override, ...] = ()
    paused: bool = False
    sample: NewSample | None = None


class CycleSink(Protocol):
    """Who wants to know of every cycle."""

    def publish(self, result: CycleResult) -> None:
        """Take in one cycle, on the loop. It never blocks: what may be slow goes through a bounded
        queue, and what finds no room there is dropped and counted.
        """
