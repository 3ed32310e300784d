"""Roll-ups: sums over 5 minutes and an hour, written as soon as a bucket is full, from what is in
the file.

Nothing is summed in memory alone: after a kill the buckets that were full are rolled up at the next
start.
"""

from __future__ import annotations

import sqlite3

from irqbal.history.sqlite import blobs

STEPS = (300, 3600)
"""Seconds of each roll-up."""


def bucket(wall: float, step: int) -> int:
    """The start of the bucket that holds an interval that ends at `wall`."""
    return int((wall - 1e-6) // step * step)


class Roller:
    """Watches the samples' times and rolls a bucket up once a sample falls into another one."""

    def __init__(self) -> None:
        self._open: int | None = None

    def note(self, db: sqlite3.Connection, wall: float) -> None:
        """A sample was added; within its transaction."""
        here = bucket(wall, STEPS[0])
        before, self._open = self._open, here
        if before is not None and before != here:
            roll(db, before)

    def catch_up(self, db: sqlite3.Connection) -> None:
        """At the start: roll up every full bucket of the samples that has no roll-up yet."""
        last = db.execute("SELECT wall FROM sample ORDER BY sequence DESC LIMIT 1").fetchone()
        if last is None:
            return
        self._open = bucket(last[0], STEPS[0])
        newest = db.execute("SELECT max(start) FROM rollup WHERE step = ?", (STEPS[0],)).fetchone()[
            0
        ]
        since = -1 if newest is None else newest + STEPS[0]
        walls = db.execute("SELECT wall FROM sample WHERE wall > ?", (since,)).fetchall()
        for start in sorted({bucket(wall, STEPS[0]) for (wall,) in walls} - {self._open}):
            roll(db, start)


def roll(db: sqlite3.Connection, start: int) -> None:
    """Sum a 5-minute bucket up from its samples, and then the hour that it belongs to from its
    5-minute sums.

    A clock that was set back fills a bucket a second time: both times count, in counts and in
    seconds.
    """
    fine, coarse = STEPS
    rows = db.execute(
        "SELECT seconds, counts FROM sample WHERE wall > ? AND wall <= ?",
        (start + 1e-6, start + fine + 1e-6),
    ).fetchall()
    _store(db, fine, start, rows)
    hour = start // coarse * coarse
    rows = db.execute(
        "SELECT seconds, counts FROM rollup WHERE step = ? AND start >= ? AND start < ?",
        (fine, hour, hour + coarse),
    ).fetchall()
    _store(db, coarse, hour, rows)


def _store(db: sqlite3.Connection, step: int, start: int, rows: list[tuple[float, bytes]]) -> None:
    if not rows:
        return
    seconds, counts = sum_up(rows)
    db.execute(
        "INSERT OR REPLACE INTO rollup(step, start, seconds, counts) VALUES (?, ?, ?, ?)",
        (step, start, seconds, counts),
    )


def sum_up(rows: list[tuple[float, bytes]]) -> tuple[float, bytes]:
    """Seconds and counts of several blobs together."""
    vectors = [blobs.unpack(blob) for _, blob in rows]
    length = max(len(vector) for vector in vectors)
    padded = [
        vector if len(vector) == length else [*vector, *[0] * (length - len(vector))]
        for vector in vectors
    ]
    # zip and sum run in C: a column at a time over all samples of the bucket.
    return sum(seconds for seconds, _ in rows), blobs.pack_dense(
        [sum(column) for column in zip(*padded, strict=True)]
    )
