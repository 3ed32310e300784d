"""Writes samples and decisions to the SQLite file, and deletes those that are too old."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from irqbal.config.schema import Retention
from irqbal.history.samples import Decision, Sample
from irqbal.history.sqlite import blobs
from irqbal.history.sqlite.database import transaction
from irqbal.history.sqlite.dictionary import SeriesDictionary
from irqbal.history.sqlite.rollup import STEPS, Roller
from irqbal.wire import to_json

VACUUM_PAGES = 256
"""Most free pages (of 16 KiB) that one `prune` gives back to the file system: bounds its time."""


class RecordWriter:
    """Each method that writes is one transaction. They raise sqlite3.Error, and then nothing is
    stored.
    """

    def __init__(self, db: sqlite3.Connection, dictionary: SeriesDictionary, shipped: bool) -> None:
        """`shipped`: new records need not be shipped anywhere. Rolls up what a former process left
        undone.
        """
        self._db, self._dictionary, self._shipped = db, dictionary, int(shipped)
        self._roller = Roller()
        with transaction(db):
            self._roller.catch_up(db)
        last = db.execute(
            "SELECT max(coalesce((SELECT max(sequence) FROM sample), 0), coalesce((SELECT "
            "max(sequence) FROM decision), 0), coalesce((SELECT max(sequence) FROM state), 0))"
        ).fetchone()[0]
        self._next = int(last) + 1

    def next_sequence(self) -> int:
        """The sequence number for the next sample or decision."""
        return self._next

    def add_sample(self, sample: Sample) -> None:
        """Store a sample, and roll up the buckets that it completes."""
        with self._dictionary.undone_on_error(), transaction(self._db):
            boot = self._dictionary.boot_number(sample.boot)
            blob = blobs.pack_dense(self._dictionary.dense(sample.values))
            self._db.execute(
                "INSERT INTO sample(sequence, boot, wall, seconds, counts, shipped) VALUES (?, ?, "
                "?, ?, ?, ?)",
                (sample.sequence, boot, sample.wall, sample.seconds, blob, self._shipped),
            )
            self._db.executemany(
                "INSERT INTO state(sequence, identity, body) VALUES (?, ?, ?)",
                [(sample.sequence, state.identity, to_json(state)) for state in sample.states],
            )
            self._roller.sample_added(self._db, sample.wall)
        self._next = max(self._next, sample.sequence + 1)

    def add_decisions(self, decisions: Sequence[Decision]) -> None:
        """Store decisions, all or none."""
        with transaction(self._db):
            self._db.executemany(
                "INSERT INTO decision(sequence, wall, identity, body, shipped) VALUES (?, ?, ?, ?, "
                "?)",
                [
                    (item.sequence, item.wall, item.identity, to_json(item), self._shipped)
                    for item in decisions
                ],
            )
        self._next = max([self._next, *(item.sequence + 1 for item in decisions)])

    def prune(self, now: float, keep: Retention) -> int:
        """Delete what is older than `keep` allows, except records that are not shipped yet, and
        give some of the free pages back to the file system.

        `now` is seconds since the epoch. Returns the number of deleted samples.
        """
        with transaction(self._db):
            deleted = self._db.execute(
                "DELETE FROM sample WHERE wall < ? AND shipped = 1", (now - keep.raw,)
            ).rowcount
            for step, seconds in zip(STEPS, (keep.five_minutes, keep.hour), strict=True):
                self._db.execute(
                    "DELETE FROM rollup WHERE step = ? AND start < ?", (step, now - seconds)
                )
            self._db.execute(
                "DELETE FROM decision WHERE wall < ? AND shipped = 1", (now - keep.hour,)
            )
            # The last state of an IRQ before the oldest sample is kept: it holds at that sample.
            self._db.execute(
                "DELETE FROM state WHERE sequence < (SELECT min(sequence) FROM sample) AND EXISTS "
                "(SELECT 1 FROM state AS later WHERE later.identity = state.identity AND "
                "later.sequence > state.sequence)"
            )
        self._db.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()
        return deleted
