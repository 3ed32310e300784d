"""Between the daemon and its history: nothing here ever raises, waits for long, or grows without
bound.

Samples and decisions that cannot be stored now (a full disk) wait in memory, oldest first; what
does not fit is dropped and counted. All methods belong to the history thread.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec

from irqbal.config.schema import Retention
from irqbal.errors import HistoryError
from irqbal.history.recorder import Recorded
from irqbal.history.samples import Decision, IrqState, Sample
from irqbal.history.sqlite.store import FILE, SqliteHistory

log = logging.getLogger(__name__)

WAITING_VALUES = 1_000_000
"""Numbers in samples that may wait (some 100 bytes each), and …"""
WAITING_DECISIONS = 10_000
"""… decisions."""
PRUNE_EVERY = 600.0
"""Seconds between two looks for what is too old."""


class HistoryWriter:
    """Stores what it is given in `folder`, or keeps it until it can."""

    def __init__(self, folder: Path, host: str, keep: Retention, outbox: bool) -> None:
        self._path, self._host, self._keep, self._outbox = folder / FILE, host, keep, outbox
        self._store: SqliteHistory | None = None
        self._samples: deque[tuple[str, Recorded]] = deque()
        self._decisions: deque[Decision] = deque()
        self._values = 0
        self._trouble = ""
        self._pruned = 0.0
        self.dropped = 0
        """Samples and decisions that were lost for want of room."""

    def record(self, boot: str, recorded: Recorded | None, decisions: Sequence[Decision]) -> None:
        """Take what one cycle gave."""
        if recorded is not None:
            self._samples.append((boot, recorded))
            self._values += len(recorded.values) + 50
        self._decisions.extend(decisions)
        self._bound()
        try:
            self._flush()
            now = (
                decisions[-1].wall
                if recorded is None and decisions
                else recorded.wall
                if recorded is not None
                else 0.0
            )
            if self._store is not None and abs(now - self._pruned) > PRUNE_EVERY and now:
                self._pruned = now
                self._store.prune(now)
        except (sqlite3.Error, HistoryError) as error:
            self._failed(error)
        else:
            if self._trouble:
                log.warning(
                    "the history is written again; %d samples or decisions were lost meanwhile",
                    self.dropped,
                )
                self._trouble = ""

    @property
    def store(self) -> SqliteHistory | None:
        """The open history, or None while it cannot be opened."""
        return self._store

    # The outbox, whichever file is the present one

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        """The oldest that were not shipped yet; none while the history cannot be read."""
        return [] if self._store is None else self._store.pending(max_bytes, max_items)

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        """These arrived for good. Raises sqlite3.Error; they are shipped again then, which doubles
        nothing.
        """
        if self._store is not None:
            self._store.mark_shipped(sequences)

    def states(self) -> list[IrqState]:
        """Every IRQ as it was last seen."""
        return [] if self._store is None else self._store.states()

    def backlog(self) -> int:
        """How many wait to be shipped."""
        return 0 if self._store is None else self._store.backlog()

    def waiting(self) -> int:
        """Samples and decisions that wait in memory."""
        return len(self._samples) + len(self._decisions)

    def close(self) -> None:
        """Write what waits, if that is possible, and close."""
        try:
            self._flush()
        except (sqlite3.Error, HistoryError) as error:
            log.error(
                "the history could not be written (%s): %d samples or decisions are lost",
                error,
                self.waiting(),
            )
        if self._store is not None:
            self._store.close()
            self._store = None

    def _flush(self) -> None:
        if self._store is None:
            if not self.waiting() and self._trouble:
                return
            self._store = SqliteHistory(self._path, self._host, self._keep, self._outbox)
        if self.waiting() and not self._store.sound():
            raise sqlite3.DatabaseError("the file is gone, or somebody wrote over it")
        while self._samples:
            boot, recorded = self._samples[0]
            number = self._store.next_sequence()
            self._store.add_sample(
                Sample(
                    number, boot, recorded.wall, recorded.seconds, recorded.values, recorded.states
                )
            )
            self._samples.popleft()
            self._values -= len(recorded.values) + 50
        while self._decisions:
            batch = list(self._decisions)[:500]
            first = self._store.next_sequence()
            self._store.add_decisions(
                [
                    msgspec.structs.replace(item, sequence=first + at)
                    for at, item in enumerate(batch)
                ]
            )
            for _ in batch:
                self._decisions.popleft()

    def _bound(self) -> None:
        before = self.dropped
        while self._samples and self._values > WAITING_VALUES:
            _, recorded = self._samples.popleft()
            self._values -= len(recorded.values) + 50
            self.dropped += 1
        while len(self._decisions) > WAITING_DECISIONS:
            self._decisions.popleft()
            self.dropped += 1
        if self.dropped > before:
            log.error(
                "the history cannot be written and memory for it is full: %d samples or decisions "
                "lost so far",
                self.dropped,
            )

    def _failed(self, error: Exception) -> None:
        text = str(error)
        if text != self._trouble:
            self._trouble = text
            waiting = self.waiting()
            log.error(
                "the history cannot be written (%s); %d samples or decisions wait in memory, "
                "balancing goes on",
                error,
                waiting,
            )
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.OperationalError
        )
        damaged = damaged or "malformed" in text or "not a database" in text
        if damaged and isinstance(error, sqlite3.DatabaseError) and self._store is not None:
            try:
                self._store.recover(error)
                self._flush()
                self._trouble = ""
            except (sqlite3.Error, OSError, HistoryError) as worse:
                log.error("nor can a new one be begun: %s", worse)
                self._store = None
