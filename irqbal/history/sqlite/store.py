"""One host's history in an SQLite file: WAL, one blob a sample, roll-ups of 5 minutes and an hour,
retention, and the outbox for MongoDB.

A sample is one transaction: a kill loses at most the one that is being written. The modules beside
this one do the work; the classes here join them over one connection.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from irqbal.config.schema import Retention
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.sqlite.database import has_header, open_database
from irqbal.history.sqlite.dictionary import SeriesDictionary
from irqbal.history.sqlite.outbox import SqliteOutbox
from irqbal.history.sqlite.record_reader import RecordReader
from irqbal.history.sqlite.record_writer import RecordWriter
from irqbal.history.sqlite.series_reader import SeriesReader
from irqbal.history.store import Query
from irqbal.process.private_folder import make_folder

log = logging.getLogger(__name__)


class SqliteHistory:
    """A history file opened for reading; another process may write it at the same time.

    All methods block, and raise sqlite3.Error if the file cannot be read. Times are seconds since
    the epoch. The file holds one host, so a `host` argument is ignored.
    """

    def __init__(self, path: Path) -> None:
        """Raises HistoryError with a sentence."""
        self._join(path, open_database(path, read_only=True))

    def _join(self, path: Path, db: sqlite3.Connection) -> None:
        self.path, self._db = path, db
        self._dictionary = SeriesDictionary(db)
        self._records = RecordReader(db, self._dictionary)

    def irqs(self, host: str = "") -> list[IrqState]:
        """The last recorded state of every IRQ."""
        return self._records.states()

    def series(self, query: Query) -> list[Point]:
        """Counts by step, from the coarsest roll-up that the step allows."""
        return SeriesReader(self._db, self._dictionary.numbers()).series(query)

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest decisions first; `start` is included, `end` is not."""
        return self._records.decisions(start, end, identity, limit)

    def samples(self, start: float, end: float, host: str = "") -> Iterator[Sample]:
        """Samples as they were recorded, oldest first."""
        return self._records.samples(start, end)

    def newest(self, start: float, end: float, limit: int) -> list[Sample]:
        """The newest `limit` samples of the window, oldest first."""
        return self._records.newest(start, end, limit)

    def span(self, host: str = "") -> tuple[float, float] | None:
        """(first, last) time that samples and roll-ups cover; None if there is no sample."""
        return self._records.span()

    def cpus(self) -> int:
        """The number of CPUs on which anything was ever counted."""
        return self._records.cpus()

    def check(self) -> str:
        """SQLite's integrity check: `ok`, or what is wrong."""
        return str(self._db.execute("PRAGMA integrity_check").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class WritableSqliteHistory(SqliteHistory):
    """A history file opened for recording; belongs to one thread of one process.

    With `outbox`, new records wait to be shipped, and are not deleted before that; without, those
    that wait no longer do; None: they go on waiting for another process. The methods of this class
    raise sqlite3.Error, and then nothing is stored.
    """

    def __init__(
        self, path: Path, keep: Retention | None = None, *, outbox: bool | None = False
    ) -> None:
        """Creates the file if it is missing. Moves it aside and creates a new one if it is damaged.
        Raises HistoryError with a sentence.
        """
        self._keep = Retention() if keep is None else keep
        db = open_database(path, read_only=False)
        try:
            self._join(path, db)
            self._writer = RecordWriter(db, self._dictionary, shipped=not outbox)
        except BaseException:
            db.close()
            raise
        self._outbox = SqliteOutbox(db, self._records)
        if outbox is False and (left := self._outbox.give_up()):
            log.warning(
                "%d samples and decisions waited for MongoDB, which the configuration no longer "
                "names: they are not shipped, and kept as long as others",
                left,
            )

    def next_sequence(self) -> int:
        """The sequence number for the next sample or decision."""
        return self._writer.next_sequence()

    def add_sample(self, sample: Sample) -> None:
        """Store a sample, and roll up the buckets that it completes."""
        self._writer.add_sample(sample)

    def add_decisions(self, decisions: Sequence[Decision]) -> None:
        """Store decisions, all or none."""
        self._writer.add_decisions(decisions)

    def prune(self, now: float) -> int:
        """Delete records that are older than `keep` allows at `now`; returns the number of deleted
        samples.
        """
        return self._writer.prune(now, self._keep)

    def newest_times(self) -> tuple[float | None, float | None, float]:
        """(the newest believed time, the newest one in doubt, for how many seconds samples in doubt
        stand), None without such samples.
        """
        return self._records.newest_times()

    def believe_doubtful(self, now: float) -> None:
        """Believe the time of the records that are in doubt, at `now` (seconds since the epoch),
        and no longer that of those which it contradicts.
        """
        self._writer.believe_doubtful(now)

    def reject_doubtful(self) -> int:
        """Mark the records in doubt as of a wrong time. Returns how many samples these are."""
        return self._writer.reject_doubtful()

    def write_again(self) -> None:
        """Write the file again, which was deleted: the kernel keeps it as long as it is open. It
        has its name once it is whole. Raises sqlite3.Error, OSError; then there is no file.
        """
        make_folder(self.path.parent)
        part = self.path.with_name(f"{self.path.name}.part")
        try:
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            with contextlib.closing(sqlite3.connect(part)) as copy:
                self._db.backup(copy)
            os.link(part, self.path)
        finally:
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(f"{part}{suffix}").unlink(missing_ok=True)

    def is_intact(self) -> bool:
        """Whether the file is still there and begins as an SQLite database does."""
        return has_header(self.path)

    # The outbox

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        """The oldest records that are not shipped, up to these limits; at least one if there is
        any.
        """
        return self._outbox.pending(max_bytes, max_items)

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        """Mark records as shipped."""
        self._outbox.mark_shipped(sequences)

    def states(self) -> list[IrqState]:
        """The last recorded state of every IRQ."""
        return self._records.states()

    def backlog(self) -> int:
        """The number of records that are not shipped."""
        return self._outbox.backlog()
