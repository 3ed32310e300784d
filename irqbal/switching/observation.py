"""What a balancer has to show on this host: the busiest CPU, the imbalance, its moves, drops."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import fmean

import msgspec

from irqbal.load.irq_rates import WRAP
from irqbal.model.host import Host
from irqbal.model.plan import imbalance
from irqbal.model.view import Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.tracking.tracker import HostTracker

WORSE, WORSE_BY = 1.2, 0.05
"""The busiest CPU counts as worse if it has a fifth more to do, and 5 % of a CPU more."""
MORE_DROPS, DROPS = 2.0, 10.0
"""Drops count as worse if there are twice as many, and ten a second more."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in so many seconds: means of the busiest CPU's load (seconds a second) and of
    the imbalance, masks that changed an hour, packets dropped a second.
    """

    seconds: float
    busiest: float
    imbalance: float
    moves: float
    drops: float


def worse(before: Observed, after: Observed) -> str:
    """In which way the host is worse off than before; empty if it is not."""
    if after.busiest > WORSE * before.busiest and after.busiest > before.busiest + WORSE_BY:
        return (
            f"the busiest CPU spends {after.busiest:.0%} of its time on interrupts; it was "
            f"{before.busiest:.0%}"
        )
    if after.drops > MORE_DROPS * before.drops and after.drops > before.drops + DROPS:
        return f"{after.drops:.0f} packets a second are dropped; there were {before.drops:.0f}"
    return ""


class HostObserver:
    """Looks at a host from time to time, and writes nothing. Its methods block."""

    def __init__(
        self, host: Host, beat: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`beat` is seconds between two looks. Raises HostError."""
        self._host, self._clock = host, clock
        self._tracker = HostTracker(host, beat)
        self._tracker.sample()
        self._begun = clock()
        self._masks = {name: mask for name, (mask, _) in self._tracker.masks().items()}
        self._first_drops = self._dropped()
        self._moves = 0
        self._seen: list[tuple[float, float]] = []
        self.snapshot: Snapshot | None = None
        """The host as of the last look; None before the first."""

    def look(self) -> Observed:
        """End one interval. Returns what was seen since the start. Raises HostError."""
        # All masks are read, since whoever moves IRQs here announces nothing.
        self._tracker.sample(full=True)
        snapshot = self._tracker.snapshot(Ledger(), ())
        masks = {name: mask for name, (mask, _) in self._tracker.masks().items()}
        self._moves += sum(
            mask != self._masks[name] for name, mask in masks.items() if name in self._masks
        )
        self._masks = masks
        over, busiest = imbalance(snapshot)
        self._seen.append((busiest, over))
        self.snapshot = snapshot
        # The loads of the first look rest on little: it counts only if it is the only one.
        seen = self._seen[1:] or self._seen
        seconds = max(1e-3, self._clock() - self._begun)
        dropped = (self._dropped() - self._first_drops) % WRAP
        return Observed(
            seconds=seconds,
            busiest=fmean(busiest for busiest, _ in seen),
            imbalance=fmean(over for _, over in seen),
            moves=self._moves / seconds * 3600,
            drops=dropped / seconds,
        )

    def _dropped(self) -> int:
        return sum(self._host.counts(whole=False).softnet.get("dropped", {}).values())
