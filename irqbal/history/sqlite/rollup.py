"""Roll-ups: sums over 5 minutes and an hour, written as soon as a bucket is complete.

They are always summed from what is in the file. Buckets that were complete when the process was
killed are rolled up at the next start.
"""

from __future__ import annotations

import sqlite3

from irqbal.history.sqlite import blobs

STEPS = (300, 3600)
"""Seconds of each roll-up, finest first."""
EPSILON = 1e-6
"""Seconds by which the end of an interval may be off, because it is a sum of floats."""


def bucket(wall: float, step: int) -> int:
    """The start of the bucket of an interval that ends at `wall`; an end on the boundary belongs to
    the bucket before it.
    """
    return int((wall - EPSILON) // step * step)


class Roller:
    """Rolls a 5-minute bucket up once a sample falls into another one."""

    def __init__(self) -> None:
        self._filling: int | None = None
        """Start of the bucket of the last sample; None: there is no sample."""

    def sample_added(self, db: sqlite3.Connection, wall: float) -> None:
        """Called after each sample, within its transaction."""
        current = bucket(wall, STEPS[0])
        before, self._filling = self._filling, current
        if before is not None and before != current:
            roll_up(db, before)

    def catch_up(self, db: sqlite3.Connection) -> None:
        """Roll up every complete bucket that has no roll-up yet; called at the start."""
        last = db.execute("SELECT wall FROM sample ORDER BY sequence DESC LIMIT 1").fetchone()
        if last is None:
            return
        self._filling = bucket(last[0], STEPS[0])
        newest = db.execute("SELECT max(start) FROM rollup WHERE step = ?", (STEPS[0],)).fetchone()
        since = -1 if newest[0] is None else newest[0] + STEPS[0]
        walls = db.execute("SELECT wall FROM sample WHERE wall > ?", (since,)).fetchall()
        for start in sorted({bucket(wall, STEPS[0]) for (wall,) in walls} - {self._filling}):
            roll_up(db, start)


def roll_up(db: sqlite3.Connection, start: int) -> None:
    """Sum a 5-minute bucket from its samples, and then its hour from the 5-minute sums.

    A clock that was set back fills a bucket twice: both times count, in counts and in seconds.
    """
    fine, coarse = STEPS
    rows = db.execute(
        "SELECT seconds, counts FROM sample WHERE wall > ? AND wall <= ?",
        (start + EPSILON, start + fine + EPSILON),
    ).fetchall()
    _store(db, fine, start, rows)
    hour = start // coarse * coarse
    rows = db.execute(
        "SELECT seconds, counts FROM rollup WHERE step = ? AND start >= ? AND start < ?",
        (fine, hour, hour + coarse),
    ).fetchall()
    _store(db, coarse, hour, rows)


def _store(db: sqlite3.Connection, step: int, start: int, rows: list[tuple[float, bytes]]) -> None:
    """Store the sum of these (seconds, blob); nothing if there are none."""
    if not rows:
        return
    db.execute(
        "INSERT OR REPLACE INTO rollup(step, start, seconds, counts) VALUES (?, ?, ?, ?)",
        (step, start, sum(seconds for seconds, _ in rows), _sum_blobs([blob for _, blob in rows])),
    )


def _sum_blobs(packed: list[bytes]) -> bytes:
    """The sums of several blobs; shorter ones lack the newer series."""
    vectors = [blobs.unpack(blob) for blob in packed]
    length = max(len(vector) for vector in vectors)
    padded = [
        vector if len(vector) == length else [*vector, *[0] * (length - len(vector))]
        for vector in vectors
    ]
    # zip and sum run in C: one column over all samples of the bucket at a time.
    return blobs.pack_dense([sum(column) for column in zip(*padded, strict=True)])
