"""Stores samples and decisions in the SQLite file, whatever the disk does.

Nothing here raises or grows without bound. Records that cannot be stored now, for example on a full
disk, wait in memory; when that is full, the oldest are dropped and counted. Long, since what
waits, what fails and what is replaced is one state.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from irqbal.config.schema import Retention
from irqbal.errors import HistoryError
from irqbal.history.clock import ClockReading, read_clock
from irqbal.history.clock_marks import ClockMarks
from irqbal.history.recorder import NewSample
from irqbal.history.samples import Clock, Decision, IrqState, Sample
from irqbal.history.sqlite.database import FILE, replace_damaged
from irqbal.history.sqlite.store import WritableSqliteHistory

log = logging.getLogger(__name__)

WAITING_VALUES = 1_000_000
"""Most counts in samples that wait in memory: some 100 MB at 100 bytes each."""
SAMPLE_VALUES = 50
"""What a waiting sample takes besides its counts, in counts."""
WAITING_DECISIONS = 10_000
"""Decisions that may wait in memory on every host."""
CYCLES_OF_DECISIONS = 4
"""How often the decisions of the largest cycle so far may wait: a very large host makes more at
once than others in a day.
"""
DECISIONS_AT_ONCE = 500
"""Most decisions in one transaction."""
PRUNE_EVERY = 600.0
"""Seconds between two deletions of records that are too old."""


class RecordingRight(Protocol):
    """The right to write a history, of which there is one."""

    def hold(self) -> None:
        """Take it, or go on holding it. Raises HistoryError if another process has it."""

    def is_lost(self) -> bool:
        """Whether it must be given to another process that has more right to it."""

    def release(self) -> None:
        """Give it up; safe more than once."""


class _Waiting(msgspec.Struct):
    """What a cycle recorded and is not stored yet; `boot` is the boot id, `now` the clocks then."""

    boot: str
    sample: NewSample | None
    decisions: list[Decision]
    now: ClockReading


class HistoryWriter:
    """Owns the history file of one daemon. All methods belong to the history thread."""

    def __init__(
        self,
        folder: Path,
        keep: Retention,
        *,
        outbox: bool | None,
        claim: RecordingRight | None = None,
    ) -> None:
        """`outbox`: records wait in the file to be shipped; None: these do not, and others that
        wait there go on waiting. `claim` is held while the file is open; None: nobody else writes
        it. The file is opened at the first `record`.
        """
        self._path, self._keep, self._outbox = folder / FILE, keep, outbox
        self._claim = claim
        self._store: WritableSqliteHistory | None = None
        self._marks = ClockMarks()
        self.is_stopped = False
        """Whether another process records now."""
        self._waiting: deque[_Waiting] = deque()
        self._most_decisions = WAITING_DECISIONS
        self._values = self._decisions = 0
        """Size of the samples that wait, in counts; how many decisions wait."""
        self._worse = ""
        """Why no new file could be made the last time."""
        self._trouble = ""
        """The error that keeps records waiting; empty: none."""
        self._prune_at = 0.0
        """When records are deleted next, in seconds of CLOCK_BOOTTIME."""
        self.dropped = 0
        """Samples and decisions that were lost because memory for them was full."""

    def record(
        self,
        boot: str,
        sample: NewSample | None,
        decisions: Sequence[Decision],
        now: ClockReading | None = None,
    ) -> None:
        """Store what one cycle recorded, after what waits already. `boot` is the boot id, `now` the
        clocks when it was recorded (None: as they are now).
        """
        if self._gave_way():
            return
        now = now or read_clock()
        if sample is not None or decisions:
            self._waiting.append(_Waiting(boot, sample, list(decisions), now))
            self._values += 0 if sample is None else _size(sample)
            self._decisions += len(decisions)
        self._most_decisions = max(self._most_decisions, CYCLES_OF_DECISIONS * len(decisions))
        try:
            self._flush()
            if not self._marks.in_doubt:
                self._prune(now)
        except (sqlite3.Error, HistoryError) as error:
            self._failed(error)
            self._drop_excess()
        else:
            if self._trouble and self._store is not None:
                log.warning(
                    "the history is written again; %d samples or decisions were lost meanwhile",
                    self.dropped,
                )
                self._trouble = self._worse = ""

    @property
    def store(self) -> WritableSqliteHistory | None:
        """The open history, or None while it cannot be opened."""
        return self._store

    # The outbox: of the file that is open now

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        """The oldest records that are not shipped; none while the history cannot be opened."""
        return [] if self._store is None else self._store.pending(max_bytes, max_items)

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        """Mark records as shipped. Raises sqlite3.Error: then they are shipped again, which does no
        harm.
        """
        if self._store is not None:
            self._store.mark_shipped(sequences)

    def states(self) -> list[IrqState]:
        """The last recorded state of every IRQ."""
        return [] if self._store is None else self._store.states()

    def backlog(self) -> int:
        """The number of records in the file that are not shipped. Raises HistoryError."""
        try:
            return 0 if self._store is None else self._store.backlog()
        except sqlite3.Error as error:
            raise HistoryError(f"the history cannot be read: {error}") from error

    def waiting(self) -> int:
        """The number of samples and decisions that wait in memory. Any thread may ask."""
        # A copy: the history thread may add one meanwhile, which ends an iteration with an error.
        return sum(item.sample is not None for item in tuple(self._waiting)) + self._decisions

    def _gave_way(self) -> bool:
        """Whether another process records now; then the file is closed until that one has ended."""
        claim = self._claim
        if claim is None:
            return False
        lost = claim.is_lost()
        if lost and not self.is_stopped:
            log.warning(
                "another irqbal balances this host now: this dry run records no more until "
                "that one ends"
            )
            self.close()
            self._marks = ClockMarks()
            self.is_stopped = True
        elif self.is_stopped and not lost:
            try:
                claim.hold()
            except HistoryError:
                return True
            log.info("no other irqbal balances this host any more: this dry run records again")
            self.is_stopped = False
        return self.is_stopped

    def close(self) -> None:
        """Try to store what waits, and close the file."""
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
        if self._claim is not None:
            self._claim.release()

    def _flush(self) -> None:
        """Store all that waits. Raises HistoryError or sqlite3.Error; the rest waits on then."""
        if self._store is None:
            if not self.waiting() and self._trouble:
                return
            self._store = self._open()
        store = self._store
        if self.waiting() and not store.is_intact():
            raise sqlite3.DatabaseError("another process deleted or overwrote the file")
        while self._waiting:
            item = self._waiting[0]
            mark = self._marks.mark(item.now, item.sample, store)
            if item.sample is not None:
                self._store_sample(store, item, item.sample, mark)
            while item.decisions:
                batch = item.decisions[:DECISIONS_AT_ONCE]
                first = store.next_sequence()
                store.add_decisions(
                    [
                        msgspec.structs.replace(one, sequence=first + at, clock=mark)
                        for at, one in enumerate(batch)
                    ]
                )
                del item.decisions[: len(batch)]
                self._decisions -= len(batch)
            self._waiting.popleft()

    def _store_sample(
        self, store: WritableSqliteHistory, item: _Waiting, new: NewSample, mark: Clock
    ) -> None:
        sequence = store.next_sequence()
        store.add_sample(
            Sample(sequence, item.boot, new.wall, new.seconds, new.values, new.states, mark)
        )
        self._marks.stored(item.now)
        self._values -= _size(new)
        item.sample = None

    def _open(self) -> WritableSqliteHistory:
        if self._claim is not None:
            self._claim.hold()
        return WritableSqliteHistory(self._path, self._keep, outbox=self._outbox)

    def _prune(self, now: ClockReading) -> None:
        if self._store is not None and now.since_boot >= self._prune_at:
            self._prune_at = now.since_boot + PRUNE_EVERY
            self._store.prune(now.wall)

    def _drop_excess(self) -> None:
        before = self.dropped
        for item in self._waiting:
            if item.sample is not None and self._values > WAITING_VALUES:
                self._values -= _size(item.sample)
                item.sample = None
                self.dropped += 1
            excess = min(len(item.decisions), self._decisions - self._most_decisions)
            if excess > 0:
                del item.decisions[:excess]
                self._decisions -= excess
                self.dropped += excess
        self._waiting = deque(item for item in self._waiting if item.sample or item.decisions)
        if self.dropped > before:
            log.error(
                "the history cannot be written and memory for it is full: %d samples or decisions "
                "lost so far",
                self.dropped,
            )

    def _failed(self, error: sqlite3.Error | HistoryError) -> None:
        """Log an error once, and replace the file if it is damaged."""
        text = str(error)
        if text != self._trouble:
            self._trouble = text
            log.error(
                "the history cannot be written (%s); %d samples or decisions wait in memory, "
                "balancing goes on",
                error,
                self.waiting(),
            )
        if isinstance(error, sqlite3.IntegrityError):
            # What is in memory is not what is in the file: read it again.
            self._close_store()
        elif isinstance(error, sqlite3.DatabaseError) and _is_damage(error):
            self._replace_file(error)

    def _close_store(self) -> None:
        if self._store is not None:
            with contextlib.suppress(sqlite3.Error):
                self._store.close()
            self._store = None

    def _replace_file(self, error: sqlite3.DatabaseError) -> None:
        """Move the damaged file aside and go on with a new one."""
        if self._store is None:
            return
        try:
            deleted = not self._path.exists()
            if deleted:
                # Until that has succeeded, what was deleted is only in the open file.
                self._store.write_again()
                log.error(
                    "the history %s was deleted while irqbal wrote to it: it was written again, "
                    "with all that was in it",
                    self._path,
                )
            self._close_store()
            if not deleted:
                replace_damaged(self._path, error).close()
            self._store = self._open()
            self._flush()
            self._trouble = self._worse = ""
        except (sqlite3.Error, OSError, HistoryError) as worse:
            if str(worse) != self._worse:
                self._worse = str(worse)
                log.error("a new history cannot be created either: %s", worse)


def _size(sample: NewSample) -> int:
    """How much of WAITING_VALUES a sample takes."""
    return len(sample.values) + SAMPLE_VALUES


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is damaged, rather than locked, full or not writable."""
    text = str(error)
    return (
        not isinstance(error, sqlite3.OperationalError)
        or "malformed" in text
        or "not a database" in text
    )
