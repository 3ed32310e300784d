"""The face of a history, wherever it lies: SQLite on this host, or MongoDB for a fleet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import msgspec

from irqbal.history.samples import Decision, IrqState, Point, Sample

By = Literal["cpu", "irq"]


class Query(msgspec.Struct, frozen=True):
    """A series to read: of the IRQs with these identities (None: of all), from `start` to `end`
    (seconds since the epoch) in steps of `step` seconds, one line a CPU or one an IRQ.
    """

    start: float
    end: float
    step: float = 300.0
    identities: tuple[str, ...] | None = None
    by: By = "cpu"
    host: str = ""


class HistoryStore(Protocol):
    """Reading back. All methods block; times are seconds since the epoch. An empty `host` means the
    store's own, or only, host.
    """

    def series(self, query: Query) -> list[Point]:
        """Counts by step, from the coarsest roll-up that the step allows."""

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest decisions first."""

    def irqs(self, host: str = "") -> list[IrqState]:
        """Every IRQ that the history knows, as it was last seen."""

    def samples(self, start: float, end: float, host: str = "") -> Iterator[Sample]:
        """Samples as they were recorded, oldest first."""

    def close(self) -> None:
        """Give everything back."""
