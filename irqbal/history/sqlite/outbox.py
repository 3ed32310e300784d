"""The outbox for MongoDB: the samples and decisions in the SQLite file that are not shipped yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from irqbal.history.samples import Decision, Sample
from irqbal.history.sqlite.record_reader import RecordReader
from irqbal.history.sqlite.schema import transaction

VALUE_BYTES, STATE_BYTES, SAMPLE_BYTES, DECISION_BYTES = 30, 200, 300, 600
"""Estimated bytes of a MongoDB document: for each value, for each state and for the rest of a
sample, and for a decision. The shipper bounds the true size.
"""


class SqliteOutbox:
    """Belongs to the history thread, like the connection."""

    def __init__(self, db: sqlite3.Connection, records: RecordReader) -> None:
        self._db, self._records = db, records

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        """The oldest records that are not shipped, up to these limits (estimated document bytes,
        records). At least one if there is any, however large.
        """
        rows = self._db.execute(
            "SELECT 's', sequence FROM sample WHERE shipped = 0 UNION ALL SELECT 'd', sequence "
            "FROM decision WHERE shipped = 0 ORDER BY 2 LIMIT ?",
            (max_items,),
        ).fetchall()
        items: list[Sample | Decision] = []
        size = 0
        for table, sequence in rows:
            item: Sample | Decision
            if table == "s":
                item = self._records.sample(sequence)
                size += (
                    VALUE_BYTES * len(item.values) + STATE_BYTES * len(item.states) + SAMPLE_BYTES
                )
            else:
                item = self._records.decision(sequence)
                size += DECISION_BYTES
            if items and size > max_bytes:
                break
            items.append(item)
        return items

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        """Mark records as shipped. Raises sqlite3.Error."""
        with transaction(self._db):
            for table in ("sample", "decision"):
                self._db.executemany(
                    f"UPDATE {table} SET shipped = 1 WHERE sequence = ?",
                    [(number,) for number in sequences],
                )

    def give_up(self) -> int:
        """Ship nothing of what waits: the records are kept as long as others. Returns how many
        these are. Raises sqlite3.Error.
        """
        with transaction(self._db):
            return sum(
                self._db.execute(f"UPDATE {table} SET shipped = 1 WHERE shipped = 0").rowcount
                for table in ("sample", "decision")
            )

    def backlog(self) -> int:
        """The number of records that are not shipped."""
        return int(
            self._db.execute(
                "SELECT (SELECT count(*) FROM sample WHERE shipped = 0) + (SELECT count(*) FROM "
                "decision WHERE shipped = 0)"
            ).fetchone()[0]
        )
