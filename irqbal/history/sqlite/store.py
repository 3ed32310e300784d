"""The history in SQLite: WAL, one blob a sample, roll-ups of 5 minutes and an hour, retention, and
the outbox for MongoDB.

All methods block and belong to one thread; other processes may read at the same time. A kill costs
at most the sample in flight: a sample is one transaction.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from irqbal.config.schema import Retention
from irqbal.errors import HistoryError
from irqbal.history.samples import Decision, IrqState, Point, Sample, Series
from irqbal.history.sqlite import blobs, schema
from irqbal.history.sqlite.rollup import Roller
from irqbal.history.sqlite.series import Reader
from irqbal.history.store import Query
from irqbal.wire import from_json, to_json

log = logging.getLogger(__name__)

FILE = "history.sqlite"


class SqliteHistory:
    """One host's history. With `outbox`, new samples and decisions wait to be shipped, and are not
    deleted before they were.
    """

    def __init__(
        self,
        path: Path,
        host: str = "",
        keep: Retention | None = None,
        outbox: bool = False,
        read_only: bool = False,
    ) -> None:
        """Raises HistoryError with a sentence. A corrupt file is moved aside (never when
        `read_only`), and a new one begun.
        """
        self.path, self.host = path, host
        self._keep, self._outbox = keep or Retention(), outbox
        self._read_only = read_only
        self._next = 1
        self._roller = Roller()
        self._size = 0
        self._boots: dict[str, int] = {}
        self._fresh: list[Series] = []
        self._ids: dict[Series, int] = {}
        self._by_object: dict[int, tuple[Series, int]] = {}
        self._db = self._open()
        self._load()

    # Writing

    def next_sequence(self) -> int:
        """The number that the next sample or decision gets."""
        return self._next

    def add_sample(self, sample: Sample) -> None:
        """Store a sample, and roll up the buckets that are full now. Raises sqlite3.Error, and then
        nothing is stored.
        """
        with self._transaction():
            boot = self._boot(sample.boot)
            blob = blobs.pack_dense(self._dense(sample.values))
            self._db.execute(
                "INSERT INTO sample(sequence, boot, wall, seconds, counts, shipped) VALUES (?, ?, "
                "?, ?, ?, ?)",
                (sample.sequence, boot, sample.wall, sample.seconds, blob, int(not self._outbox)),
            )
            self._db.executemany(
                "INSERT INTO state(sequence, identity, body) VALUES (?, ?, ?)",
                [(sample.sequence, state.identity, to_json(state)) for state in sample.states],
            )
            self._roller.note(self._db, sample.wall)
        self._next = max(self._next, sample.sequence + 1)

    def add_decision(self, decision: Decision) -> None:
        """Store a decision. Raises sqlite3.Error."""
        self.add_decisions([decision])

    def add_decisions(self, decisions: Sequence[Decision]) -> None:
        """Store several, all or none. Raises sqlite3.Error."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO decision(sequence, wall, identity, body, shipped) VALUES (?, ?, ?, ?, "
                "?)",
                [
                    (item.sequence, item.wall, item.identity, to_json(item), int(not self._outbox))
                    for item in decisions
                ],
            )
        self._next = max([self._next, *(item.sequence + 1 for item in decisions)])

    def prune(self, now: float) -> int:
        """Delete what is older than it is kept (but nothing that is still to be shipped) and give
        room back a piece at a time.

        Returns how many samples went. Raises sqlite3.Error.
        """
        with self._transaction():
            gone = self._db.execute(
                "DELETE FROM sample WHERE wall < ? AND shipped = 1", (now - self._keep.raw,)
            ).rowcount
            for step, seconds in ((300, self._keep.five_minutes), (3600, self._keep.hour)):
                self._db.execute(
                    "DELETE FROM rollup WHERE step = ? AND start < ?", (step, now - seconds)
                )
            self._db.execute(
                "DELETE FROM decision WHERE wall < ? AND shipped = 1", (now - self._keep.hour,)
            )
            # Of an IRQ's states the last one before the window still says what held at its
            # beginning.
            self._db.execute(
                "DELETE FROM state WHERE sequence < (SELECT min(sequence) FROM sample) AND EXISTS "
                "(SELECT 1 FROM state AS later WHERE later.identity = state.identity AND "
                "later.sequence > state.sequence)"
            )
        self._db.execute("PRAGMA incremental_vacuum(256)").fetchall()
        return gone

    # The outbox

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        """The oldest that were not shipped yet; at least one, if there is any, however large."""
        found: list[Sample | Decision] = []
        size = 0
        for kind, sequence in self._db.execute(
            "SELECT 's', sequence FROM sample WHERE shipped = 0 UNION ALL SELECT 'd', sequence "
            "FROM decision WHERE shipped = 0 "
            "ORDER BY 2 LIMIT ?",
            (max_items,),
        ).fetchall():
            item: Sample | Decision = (
                self._sample(sequence) if kind == "s" else self._decision(sequence)
            )
            # A document spells out what a sample only numbers: some thirty bytes a value.
            size += (
                30 * len(item.values) + 200 * len(item.states) + 300
                if isinstance(item, Sample)
                else 600
            )
            if found and size > max_bytes:
                break
            found.append(item)
        return found

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        """These arrived for good."""
        with self._transaction():
            for table in ("sample", "decision"):
                self._db.executemany(
                    f"UPDATE {table} SET shipped = 1 WHERE sequence = ?",
                    [(number,) for number in sequences],
                )

    def backlog(self) -> int:
        """How many wait to be shipped."""
        samples = self._db.execute("SELECT count(*) FROM sample WHERE shipped = 0").fetchone()[0]
        return int(
            samples
            + self._db.execute("SELECT count(*) FROM decision WHERE shipped = 0").fetchone()[0]
        )

    def states(self) -> list[IrqState]:
        """Every IRQ as it was last seen."""
        rows = self._db.execute(
            "SELECT body FROM state WHERE sequence = (SELECT max(s.sequence) FROM state AS s WHERE "
            "s.identity = state.identity) "
            "ORDER BY identity"
        )
        return [from_json(body, IrqState) for (body,) in rows]

    # Reading back

    def irqs(self, host: str = "") -> list[IrqState]:
        """Every IRQ that the history knows, as it was last seen."""
        return self.states()

    def series(self, query: Query) -> list[Point]:
        """Counts by step, from the coarsest roll-up that the step allows."""
        return Reader(self._db, self._ids).series(query)

    def decisions(
        self, start: float, end: float, identity: str = "", limit: int = 1000, host: str = ""
    ) -> list[Decision]:
        """The newest decisions first."""
        where = "wall >= ? AND wall < ?" + (" AND identity = ?" if identity else "")
        values = [start, end, *([identity] if identity else []), limit]
        rows = self._db.execute(
            f"SELECT body FROM decision WHERE {where} ORDER BY wall DESC, sequence DESC LIMIT ?",
            values,
        )
        return [from_json(body, Decision) for (body,) in rows]

    def samples(self, start: float, end: float, host: str = "") -> Iterator[Sample]:
        """Samples as they were recorded, oldest first."""
        last = -1
        while True:
            rows = self._db.execute(
                "SELECT sequence FROM sample WHERE wall >= ? AND wall < ? AND sequence > ? ORDER "
                "BY sequence LIMIT 100",
                (start, end, last),
            ).fetchall()
            if not rows:
                return
            for (sequence,) in rows:
                last = sequence
                yield self._sample(sequence)

    def newest(self, start: float, end: float, limit: int) -> list[Sample]:
        """The newest samples of a stretch of time, oldest first."""
        rows = self._db.execute(
            "SELECT sequence FROM sample WHERE wall >= ? AND wall < ? ORDER BY sequence DESC LIMIT "
            "?",
            (start, end, limit),
        ).fetchall()
        return [self._sample(sequence) for (sequence,) in reversed(rows)]

    def span(self) -> tuple[float, float] | None:
        """(first, last) time that the samples and roll-ups cover, or None if there are none."""
        first, last = self._db.execute(
            "SELECT min(wall - seconds), max(wall) FROM sample"
        ).fetchone()
        rolled = self._db.execute("SELECT min(start) FROM rollup").fetchone()[0]
        if last is None:
            return None
        return (min(first, rolled) if rolled is not None else first, last)

    def cpus(self) -> int:
        """On how many CPUs anything was ever counted: what the file knows of the host's size."""
        return int(
            self._db.execute("SELECT count(DISTINCT cpu) FROM series WHERE cpu >= 0").fetchone()[0]
        )

    def sound(self) -> bool:
        """Whether the file still begins as a database does: what somebody wrote over it, SQLite may
        not notice for long.
        """
        try:
            with self.path.open("rb") as file:
                return file.read(16) == b"SQLite format 3\0"
        except OSError:
            return False

    def check(self) -> str:
        """SQLite's own integrity check: `ok`, or what is wrong."""
        return str(self._db.execute("PRAGMA integrity_check").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # Inside

    def _open(self) -> sqlite3.Connection:
        try:
            return schema.connect(self.path, self._read_only)
        except sqlite3.OperationalError as error:
            raise HistoryError(f"the history {self.path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            if self._read_only:
                raise HistoryError(f"the history {self.path} is damaged: {error}") from error
            self._move_aside(error)
            return schema.connect(self.path, self._read_only)

    def _move_aside(self, error: Exception) -> None:
        aside = self.path.with_name(f"{self.path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").rename(f"{aside}{suffix}")
        log.error(
            "the history %s is damaged (%s): it was moved to %s, and a new one is begun",
            self.path,
            error,
            aside,
        )

    def recover(self, error: sqlite3.DatabaseError) -> None:
        """The file turned out to be damaged while in use: move it aside and go on with a new
        one.
        """
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._move_aside(error)
        self._db = self._open()
        self._load()

    def _load(self) -> None:
        rows = self._db.execute("SELECT id, kind, name, cpu FROM series").fetchall()
        self._ids = {Series(kind, name, cpu): number for number, kind, name, cpu in rows}
        self._by_object = {}
        self._size = max((number for number, *_ in rows), default=-1) + 1
        self._boots = dict(self._db.execute("SELECT name, id FROM boot").fetchall())
        last = self._db.execute(
            "SELECT max(coalesce((SELECT max(sequence) FROM sample), 0), coalesce((SELECT "
            "max(sequence) FROM decision), 0), "
            "coalesce((SELECT max(sequence) FROM state), 0))"
        ).fetchone()[0]
        self._next = int(last) + 1
        self._roller = Roller()
        if not self._read_only:
            with self._transaction():
                self._roller.catch_up(self._db)

    def _dense(self, values: Mapping[Series, int]) -> list[int]:
        """The values in the dictionary's order. Recorders hand over the same objects again and
        again: hashing them anew costs more than all the rest.
        """
        dense = [0] * self._size
        by_object = self._by_object
        for series, value in values.items():
            seen = by_object.get(id(series))
            if seen is not None and seen[0] is series:
                dense[seen[1]] = value
                continue
            number = self._id(series)
            if number >= len(dense):
                dense += [0] * (number + 1 - len(dense))
            dense[number] = value
        return dense

    def _id(self, series: Series) -> int:
        """The series' place in the dictionary, where it is added if it is new."""
        number = self._ids.get(series)
        if number is None:
            number = self._size
            self._db.execute(
                "INSERT INTO series(id, kind, name, cpu) VALUES (?, ?, ?, ?)", (number, *series)
            )
            self._fresh.append(series)
            self._ids[series] = number
            self._size = number + 1
        self._by_object[id(series)] = (series, number)
        return number

    def _boot(self, name: str) -> int:
        if name not in self._boots:
            cursor = self._db.execute("INSERT INTO boot(name) VALUES (?)", (name,))
            self._boots[name] = int(cursor.lastrowid or 0)
        return int(self._boots[name])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, the dictionary in memory included."""
        self._fresh = []
        size, boots = self._size, dict(self._boots)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            for series in self._fresh:
                self._ids.pop(series, None)
            self._by_object.clear()
            self._size, self._boots = size, boots
            raise

    def _sample(self, sequence: int) -> Sample:
        boot, wall, seconds, blob = self._db.execute(
            "SELECT boot.name, wall, seconds, counts FROM sample JOIN boot ON boot.id = "
            "sample.boot WHERE sequence = ?",
            (sequence,),
        ).fetchone()
        numbers = blobs.unpack(blob)
        if len(numbers) > len(self._ids):
            self._ids = {
                Series(kind, name, cpu): number
                for number, kind, name, cpu in self._db.execute(
                    "SELECT id, kind, name, cpu FROM series"
                )
            }
        values = {
            series: numbers[number]
            for series, number in self._ids.items()
            if number < len(numbers) and numbers[number]
        }
        rows = self._db.execute(
            "SELECT body FROM state WHERE sequence = ? ORDER BY rowid", (sequence,)
        )
        return Sample(
            sequence,
            boot,
            wall,
            seconds,
            values,
            tuple(from_json(body, IrqState) for (body,) in rows),
        )

    def _decision(self, sequence: int) -> Decision:
        (body,) = self._db.execute(
            "SELECT body FROM decision WHERE sequence = ?", (sequence,)
        ).fetchone()
        return from_json(body, Decision)
