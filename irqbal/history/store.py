"""The interfaces of a history: reading it (SQLite on this host, or MongoDB for a fleet), and the
records that wait to be shipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import msgspec

from irqbal.history.samples import Decision, IrqState, Point, Sample

By = Literal["cpu", "irq"]
"""What makes up one line of a series: the counts of a CPU, or of an IRQ."""


class Query(msgspec.Struct, frozen=True):
    """A series to read: of the IRQs with these identities (None: of all), from `start` to `end`
    (seconds since the epoch), in steps of `step` seconds. An empty `host` means the store's own, or
    only, host.
    """

    start: float
    end: float
    step: float = 300.0
    identities: tuple[str, ...] | None = None
    by: By = "cpu"
    host: str = ""


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
