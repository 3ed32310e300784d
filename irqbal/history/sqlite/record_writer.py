"""Writes samples and decisions to the SQLite file, and deletes those that are too old."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from irqbal.config.schema import Retention
from irqbal.history.samples import Decision, Sample
from irqbal.history.sqlite import blobs
from irqbal.history.sqlite.dictionary import SeriesDictionary
from irqbal.history.sqlite.rollup import EPSILON, STEPS, Roller
from irqbal.history.sqlite.schema import CLOCKS, transaction
from irqbal.wire import to_json

VACUUM_PAGES = 256
"""Most free pages (of 16 KiB) that one `prune` gives back to the file system: bounds its time."""
SETTLE = 86400.0
"""Seconds after a jump of the clock that was believed in which nothing is deleted."""


class RecordWriter:
    """Each method that writes is one transaction. They raise sqlite3.Error, and then nothing is
    stored.
    """

    def __init__(self, db: sqlite3.Connection, dictionary: SeriesDictionary, shipped: bool) -> None:
        """`shipped`: new records need not be shipped anywhere. Rolls up what a former process left
        undone.
        """
        self._db, self._dictionary, self._shipped = db, dictionary, int(shipped)
        self._roller = Roller(db)
        with transaction(db):
            self._roller.catch_up()
        last = db.execute(
            "SELECT max(coalesce((SELECT max(sequence) FROM sample), 0), coalesce((SELECT "
            "max(sequence) FROM decision), 0), coalesce((SELECT max(sequence) FROM state), 0))"
        ).fetchone()[0]
        self._next = int(last) + 1

    def next_sequence(self) -> int:
        """The sequence number for the next sample or decision."""
        return self._next

    def add_sample(self, sample: Sample) -> None:
        """Store a sample, and roll up what it completes. One of a doubtful or wrong time is rolled
        up once it is believed.
        """
        with self._dictionary.undone_on_error(), transaction(self._db):
            boot = self._dictionary.boot_number(sample.boot)
            blob = blobs.pack_dense(self._dictionary.dense(sample.values, sample.wall))
            self._db.execute(
                "INSERT INTO sample(sequence, boot, wall, seconds, counts, shipped, clock) VALUES "
                "(?, ?, ?, ?, ?, ?, ?)",
                (
                    *(sample.sequence, boot, sample.wall, sample.seconds, blob, self._shipped),
                    CLOCKS.index(sample.clock),
                ),
            )
            self._db.executemany(
                "INSERT INTO state(sequence, identity, body) VALUES (?, ?, ?)",
                [(sample.sequence, state.identity, to_json(state)) for state in sample.states],
            )
            if not sample.clock:
                counted = self._roller.sample_added(sample.sequence, sample.wall)
                self._dictionary.note(counted, sample.wall)
        self._next = max(self._next, sample.sequence + 1)

    def add_decisions(self, decisions: Sequence[Decision]) -> None:
        """Store decisions, all or none."""
        with transaction(self._db):
            self._db.executemany(
                "INSERT INTO decision(sequence, wall, identity, body, shipped, clock) VALUES (?, "
                "?, ?, ?, ?, ?)",
                [
                    (
                        *(item.sequence, item.wall, item.identity, to_json(item), self._shipped),
                        CLOCKS.index(item.clock),
                    )
                    for item in decisions
                ],
            )
        self._next = max([self._next, *(item.sequence + 1 for item in decisions)])

    # The clock

    def believe_doubtful(self, now: float) -> None:
        """Believe the time of all records that are in doubt, at `now` (seconds since the epoch).
        Believed samples that lie at and after these, but were recorded before, have a wrong time
        then, and are taken out of the roll-ups. Nothing is deleted for a while.
        """
        first = self._db.execute(
            "SELECT min(sequence), min(wall - seconds) FROM sample WHERE clock = 1"
        ).fetchone()
        with transaction(self._db):
            if first[0] is not None:
                overlap = "clock = 0 AND sequence < ? AND wall > ?"
                rows = self._db.execute(
                    f"SELECT wall, seconds, counts FROM sample WHERE {overlap} AND sequence <= "
                    "(SELECT rolled FROM progress)",
                    first,
                ).fetchall()
                self._roller.withdraw(rows)
                for table in ("sample", "decision"):
                    self._mark(table, "wrong", overlap, first)
            for table in ("sample", "decision"):
                self._mark(table, "", "clock = 1", ())
            self._db.execute("UPDATE progress SET settled = ?", (now + SETTLE,))
            self._roller.catch_up()

    def reject_doubtful(self) -> int:
        """Mark all records whose time is in doubt as wrong. Returns how many samples these are."""
        with transaction(self._db):
            self._mark("decision", "wrong", "clock = 1", ())
            return self._mark("sample", "wrong", "clock = 1", ())

    def _mark(self, table: str, clock: str, where: str, values: Sequence[float]) -> int:
        """Mark these records; they are shipped again with their new mark."""
        return self._db.execute(
            f"UPDATE {table} SET clock = ?, shipped = ? WHERE {where}",
            (CLOCKS.index(clock), self._shipped, *values),
        ).rowcount

    # Deleting

    def prune(self, now: float, keep: Retention) -> int:
        """Delete what is older than `keep` allows, except records that are not shipped or not
        rolled up yet or in doubt, and give some of the free pages back to the file system. Whole
        buckets of the next roll-up are deleted at a time.

        `now` is a believed time in seconds since the epoch. Returns the number of deleted samples.
        """
        if now < self._db.execute("SELECT settled FROM progress").fetchone()[0]:
            return 0
        with self._dictionary.read_again_on_error(), transaction(self._db):
            raw = (now - keep.raw) // STEPS[0] * STEPS[0] + EPSILON
            deleted = self._db.execute(
                "DELETE FROM sample WHERE wall <= ? AND shipped = 1 AND clock = 0 AND sequence <= "
                "(SELECT rolled FROM progress)",
                (raw,),
            ).rowcount
            limits = ((now - keep.five_minutes) // STEPS[1] * STEPS[1], now - keep.hour)
            for step, limit in zip(STEPS, limits, strict=True):
                self._db.execute("DELETE FROM rollup WHERE step = ? AND start < ?", (step, limit))
            self._db.execute(
                "DELETE FROM decision WHERE wall < ? AND shipped = 1 AND clock = 0",
                (now - keep.hour,),
            )
            # A wrong time says nothing of a record's age; the believed ones behind it do.
            self._db.execute(
                "DELETE FROM sample WHERE clock = 2 AND shipped = 1 AND sequence < (SELECT "
                "sequence FROM sample WHERE clock = 0 AND wall - seconds <= ? ORDER BY sequence "
                "LIMIT 1)",
                (raw + STEPS[0],),
            )
            self._db.execute(
                "DELETE FROM decision WHERE clock = 2 AND shipped = 1 AND sequence < (SELECT "
                "sequence FROM decision WHERE clock = 0 AND wall <= ? ORDER BY sequence LIMIT 1)",
                (now - keep.hour + STEPS[1],),
            )
            # The last state of an IRQ before the oldest sample is kept: it holds at that sample.
            self._db.execute(
                "DELETE FROM state WHERE sequence < (SELECT min(sequence) FROM sample) AND EXISTS "
                "(SELECT 1 FROM state AS later WHERE later.identity = state.identity AND "
                "later.sequence > state.sequence)"
            )
            oldest = self._db.execute(
                "SELECT min(wall - seconds) FROM sample UNION ALL SELECT min(start) FROM rollup"
            ).fetchall()
            kept_since = [time for (time,) in oldest if time is not None]
            self._dictionary.forget(min([now - keep.hour - STEPS[1], *kept_since]))
        self._db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        return deleted
