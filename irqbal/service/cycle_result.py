"""The frozen result of one cycle, and the protocol of its sinks."""

from __future__ import annotations

from typing import Protocol

import msgspec

from irqbal.history.recorder import NewSample
from irqbal.model.plan import Record
from irqbal.model.view import Override, Snapshot


class CycleResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one cycle did. All reports of a cycle are made from its result, never from the balancer,
    which may already run the next cycle.

    `planned_on` is the snapshot from which the plan in `record` was made, `after` the host after
    the writes. `fresh`: `after` was made in this cycle; a cycle that reuses the last plan has that
    plan's snapshot. `totals` are interrupts since each IRQ was set up, modulo 2**32, by number.
    `trigger` says why a plan was made, or why the last one was reused. `overrides` are those in
    force after the cycle, `expired` those that ended in it. `sample` is what the history stores of
    this cycle, if a sample was due.
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
    """A receiver of every cycle's result."""

    def publish(self, result: CycleResult) -> None:
        """Receive the result of one cycle, on the loop. The method must not block: slow work goes
        through a bounded queue, which drops and counts what it cannot hold.
        """
