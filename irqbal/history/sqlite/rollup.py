"""Roll-ups: sums over 5 minutes and an hour, to which each believed sample is added once.

They are added to, never summed anew: samples and finer roll-ups may be deleted long before a coarse
one is complete. `progress.rolled` is the last sample that is in them. Later ones are added as soon
as a sample falls into another bucket, and at the start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from irqbal.history.sqlite import blobs

STEPS = (300, 3600)
"""Seconds of each roll-up, finest first."""
EPSILON = 1e-6
"""Seconds by which the end of an interval may be off, because it is a sum of floats."""

_Row = tuple[float, float, bytes]
"""(end, seconds, blob) of a sample."""


def bucket(wall: float, step: int) -> int:
    """The start of the bucket of an interval that ends at `wall`; an end on the boundary belongs to
    the bucket before it.
    """
    return int((wall - EPSILON) // step * step)


def rolled(db: sqlite3.Connection) -> int:
    """The sequence of the last sample that is in the roll-ups; 0: none is."""
    return int(db.execute("SELECT rolled FROM progress").fetchone()[0])


class Roller:
    """Adds samples to the roll-ups. All of it happens within the caller's transactions."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._filling: int | None = None
        """Start of the 5-minute bucket of the last believed sample; None: there is none."""

    def sample_added(self, sequence: int, wall: float) -> frozenset[int]:
        """Called after each believed sample. Returns the numbers of the series that counted in what
        was added to the roll-ups.
        """
        current = bucket(wall, STEPS[0])
        before, self._filling = self._filling, current
        return self._add_before(sequence) if before not in (None, current) else frozenset()

    def catch_up(self) -> frozenset[int]:
        """Add what a former process left, or what is believed from now on; not the bucket that is
        still filling.
        """
        last = self._db.execute(
            "SELECT wall FROM sample WHERE clock = 0 ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        if last is None:
            return frozenset()
        self._filling = bucket(last[0], STEPS[0])
        # The last of the samples that are elsewhere: what follows it is in the filling bucket.
        found = self._db.execute(
            "SELECT max(sequence) FROM sample WHERE clock = 0 AND sequence > ? AND (wall <= ? OR "
            "wall > ?)",
            (
                rolled(self._db),
                self._filling + EPSILON,
                self._filling + STEPS[0] + EPSILON,
            ),
        ).fetchone()[0]
        return frozenset() if found is None else self._add_before(found + 1)

    def withdraw(self, rows: Iterable[_Row]) -> None:
        """Take samples out again, whose time turned out to be wrong."""
        self._change(rows, -1)

    def _add_before(self, sequence: int) -> frozenset[int]:
        """Add the samples before this one that are not in yet."""
        rows = self._db.execute(
            "SELECT wall, seconds, counts FROM sample WHERE clock = 0 AND sequence > ? AND "
            "sequence < ?",
            (rolled(self._db), sequence),
        ).fetchall()
        counted = self._change(rows, 1)
        self._db.execute("UPDATE progress SET rolled = ?", (sequence - 1,))
        return counted

    def _change(self, rows: Iterable[_Row], sign: int) -> frozenset[int]:
        """Add (1) these samples or take them out (-1). Returns the numbers of their series."""
        buckets: dict[int, list[_Row]] = {}
        for row in rows:
            buckets.setdefault(bucket(row[0], STEPS[0]), []).append(row)
        hours: dict[int, list[tuple[float, list[int]]]] = {}
        for start, found in buckets.items():
            seconds = sum(row[1] for row in found)
            counts = _sum([blobs.unpack(blob) for _, _, blob in found])
            self.store(STEPS[0], start, seconds, counts, sign)
            hours.setdefault(start // STEPS[1] * STEPS[1], []).append((seconds, counts))
        counted: set[int] = set()
        for start, parts in hours.items():
            counts = _sum([part for _, part in parts])
            self.store(STEPS[1], start, sum(seconds for seconds, _ in parts), counts, sign)
            counted |= {number for number, count in enumerate(counts) if count}
        return frozenset(counted)

    def store(
        self, step: int, start: int, seconds: float, counts: list[int], sign: int = 1
    ) -> None:
        """Add to a roll-up, which may be new, or subtract from it."""
        before = self._db.execute(
            "SELECT seconds, counts FROM rollup WHERE step = ? AND start = ?", (step, start)
        ).fetchone()
        if before is not None:
            old = blobs.unpack(before[1])
            changed = counts if sign > 0 else [-count for count in counts]
            seconds = before[0] + sign * seconds
            counts = [max(0, count) for count in _sum([old, changed])]
        elif sign < 0:
            return
        if seconds <= EPSILON:
            self._db.execute("DELETE FROM rollup WHERE step = ? AND start = ?", (step, start))
            return
        self._db.execute(
            "INSERT OR REPLACE INTO rollup(step, start, seconds, counts) VALUES (?, ?, ?, ?)",
            (step, start, seconds, blobs.pack_dense(counts)),
        )


def _sum(vectors: Sequence[Sequence[int]]) -> list[int]:
    """The sum of vectors; shorter ones lack the newer series."""
    length = max(len(vector) for vector in vectors)
    padded = [
        vector if len(vector) == length else [*vector, *[0] * (length - len(vector))]
        for vector in vectors
    ]
    # zip and sum run in C: one column over all samples at a time.
    return [sum(column) for column in zip(*padded, strict=True)]


def rebuild_missing(db: sqlite3.Connection) -> None:
    """Make the roll-ups anew that are not there, as far as there is something to make them from:
    five minutes from samples, an hour from these. Called within a transaction.
    """
    fine, coarse = STEPS
    there = {start for (start,) in db.execute("SELECT start FROM rollup WHERE step = ?", (fine,))}
    roller = Roller(db)
    rows: dict[int, list[_Row]] = {}
    for row in db.execute(
        "SELECT wall, seconds, counts FROM sample WHERE clock = 0 AND sequence <= (SELECT rolled "
        "FROM progress)"
    ):
        if (start := bucket(row[0], fine)) not in there:
            rows.setdefault(start, []).append(row)
    for start, found in rows.items():
        counts = _sum([blobs.unpack(blob) for _, _, blob in found])
        roller.store(fine, start, sum(row[1] for row in found), counts)
    there = {start for (start,) in db.execute("SELECT start FROM rollup WHERE step = ?", (coarse,))}
    hours: dict[int, list[tuple[float, bytes]]] = {}
    for start, seconds, blob in db.execute(
        "SELECT start, seconds, counts FROM rollup WHERE step = ?", (fine,)
    ):
        if start // coarse * coarse not in there:
            hours.setdefault(start // coarse * coarse, []).append((seconds, blob))
    for start, parts in hours.items():
        counts = _sum([blobs.unpack(blob) for _, blob in parts])
        roller.store(coarse, start, sum(seconds for seconds, _ in parts), counts)
