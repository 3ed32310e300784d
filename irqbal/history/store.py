"""The interfaces of a history: reading it (SQLite on this host, or MongoDB for a fleet), and the
records that wait to be shipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal, Protocol

import msgspec

from irqbal.history.samples import Decision, IrqState, Point, Sample, Series

By = Literal["cpu", "irq", "kind"]
"""What makes up one line of a series: a CPU, an IRQ, or a kind (`NET_RX`, `hard interrupts` …)."""
What = Literal["interrupts", "load", "softirqs", "squeezes", "drops"]
"""What a series counts. interrupts; load: microseconds of CPU time in interrupts; softirqs;
squeezes: softirqs that ran out of budget; drops: packets that a CPU's backlog had no room for (both
of /proc/net/softnet_stat).
"""
_SOFTNET: dict[What, str] = {"squeezes": "time_squeeze", "drops": "dropped"}
_KINDS: dict[str, str] = {
    "irq": "hard interrupts",
    "softirq": "softirqs",
    "time_squeeze": "squeezes",
    "dropped": "drops",
}
"""A count's name -> that of its line by kind, where they differ."""


class Query(msgspec.Struct, frozen=True, dict=True):
    """A series to read: of the IRQs with these identities (None: of all), from `start` to `end`
    (seconds since the epoch), in steps of `step` seconds. `cpu`: of this CPU alone. An empty `host`
    means the store's own, or only, host.
    """

    start: float
    end: float
    step: float = 300.0
    identities: tuple[str, ...] | None = None
    by: By = "cpu"
    host: str = ""
    what: What = "interrupts"
    cpu: int | None = None

    @property
    def only_irq_counts(self) -> bool:
        """Whether this counts interrupts of all CPUs, by CPU or IRQ."""
        return self.what == "interrupts" and self.cpu is None and self.by != "kind"

    def line_of(self, series: Series) -> str | None:
        """The line to which a series' counts are added; None if they are in none. The load of all
        IRQs by CPU or kind is the kernel's own figure; that of single IRQs follows from the costs
        learnt.
        """
        if self.cpu is not None and series.cpu != self.cpu:
            return None
        if not self._counts(series):
            return None
        if self.by == "irq":
            return series.name
        return str(series.cpu) if self.by == "cpu" else _KINDS.get(series.name, series.name)

    def _counts(self, series: Series) -> bool:
        of_irqs = self.identities is not None or self.by == "irq"
        if self.what in _SOFTNET:
            return series.kind == "softnet" and series.name == _SOFTNET[self.what]
        if self.what == "softirqs":
            return series.kind == "softirq"
        if self.what == "load" and not of_irqs:
            return series.kind == "time"
        kind = "load" if self.what == "load" else "irq"
        return series.kind == kind and (self.identities is None or series.name in self._wanted)

    @cached_property
    def _wanted(self) -> frozenset[str]:
        return frozenset(self.identities or ())


class HistoryStore(Protocol):
    """Reads a history. All methods block; times are seconds since the epoch. An empty `host` means
    the store's own, or only, host.
    """

    def series(self, query: Query) -> list[Point]:
        """Counts by step, from the coarsest roll-up that the step allows."""

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest decisions first; of one IRQ if `identity` is not empty."""

    def irqs(self, host: str = "") -> list[IrqState]:
        """The last recorded state of every IRQ."""

    def samples(self, start: float, end: float, host: str = "") -> Iterator[Sample]:
        """Samples as they were recorded, oldest first."""

    def span(self, host: str = "") -> tuple[float, float] | None:
        """(first, last) time that samples cover; None if there is no sample."""

    def close(self) -> None:
        """Close files and connections."""


class Outbox(Protocol):
    """Records that wait to be shipped. All methods block; they are called on the history thread."""

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        """The oldest records that are not shipped, up to these limits; at least one if there is
        any.
        """

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        """Mark records as shipped."""

    def states(self) -> list[IrqState]:
        """The last recorded state of every IRQ."""

    def backlog(self) -> int:
        """The number of records that are not shipped."""
