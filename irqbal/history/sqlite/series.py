"""Reading series back from the SQLite file: which roll-up, which cells, summed by CPU or by IRQ."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Mapping
from operator import itemgetter

from irqbal.history.samples import Point, Series
from irqbal.history.sqlite import blobs
from irqbal.history.sqlite.rollup import STEPS, bucket
from irqbal.history.store import Query


class Reader:
    """Reads over one connection; `ids` is the dictionary as far as the caller knows it (other
    processes may add to it).
    """

    def __init__(self, db: sqlite3.Connection, ids: Mapping[Series, int]) -> None:
        self._db = db
        self._ids = dict(ids)
        count = db.execute("SELECT count(*) FROM series").fetchone()[0]
        if count != len(self._ids):
            rows = db.execute("SELECT id, kind, name, cpu FROM series")
            self._ids = {Series(kind, name, cpu): number for number, kind, name, cpu in rows}

    def series(self, query: Query) -> list[Point]:
        """One point a step that samples cover; of a step's samples all that end within it."""
        lines = self._lines(query)
        if not lines or query.step <= 0:
            return []
        found: dict[float, tuple[float, dict[str, int]]] = {}
        for end, seconds, blob in self._rows(query):
            numbers = blobs.unpack(blob)
            start = query.start + (end - query.start - 1e-6) // query.step * query.step
            covered, counts = found.get(start, (0.0, {}))
            for key, cells in lines.items():
                value = _sum(numbers, cells)
                if value:
                    counts[key] = counts.get(key, 0) + value
            found[start] = (covered + seconds, counts)
        return [Point(start, seconds, counts) for start, (seconds, counts) in sorted(found.items())]

    def _lines(self, query: Query) -> dict[str, list[int]]:
        """Key of each line -> the cells that make it up."""
        wanted = None if query.identities is None else set(query.identities)
        lines: dict[str, list[int]] = {}
        for series, number in self._ids.items():
            if series.kind == "irq" and (wanted is None or series.name in wanted):
                lines.setdefault(str(series.cpu) if query.by == "cpu" else series.name, []).append(
                    number
                )
        ordered = sorted(lines, key=lambda key: (0, int(key)) if query.by == "cpu" else (1, key))
        return {key: sorted(lines[key]) for key in ordered}

    def _rows(self, query: Query) -> list[tuple[float, float, bytes]]:
        """(end, seconds, blob) of everything in the window: from the coarsest roll-up that the step
        allows, or a coarser one where nothing finer is kept any more; what is not rolled up yet
        from the samples.
        """
        allowed = max((step for step in STEPS if query.step >= step), default=0)
        last = self._db.execute("SELECT wall FROM sample ORDER BY sequence DESC LIMIT 1").fetchone()
        being_filled = None if last is None else bucket(last[0], STEPS[0])
        return self._read(
            sorted(STEPS, reverse=True), query.start, query.end, allowed, being_filled
        )

    def _read(
        self, tiers: list[int], begin: float, end: float, allowed: int, being_filled: int | None
    ) -> list[tuple[float, float, bytes]]:
        """The window from the first of these roll-ups as far as it serves; the rest, and the bucket
        that is still being filled (its sum lacks what came since), from the finer ones.
        """
        if end <= begin:
            return []
        if not tiers:
            return self._db.execute(
                "SELECT wall, seconds, counts FROM sample WHERE wall > ? AND wall <= ? ORDER BY "
                "wall",
                (begin + 1e-6, end + 1e-6),
            ).fetchall()
        step, *finer = tiers
        kept = self._from(step)
        limit = end if step <= allowed else min(end, kept)
        first = (begin // step if kept > begin and step > allowed else -(-begin // step)) * step
        last = limit // step * step
        if last <= first:
            return self._read(finer, begin, end, allowed, being_filled)
        rows = self._read(finer, begin, first, allowed, being_filled)
        hole = None if being_filled is None else being_filled // step * step
        rows += [
            (start + step, seconds, blob)
            for start, seconds, blob in self._db.execute(
                "SELECT start, seconds, counts FROM rollup WHERE step = ? AND start >= ? AND start "
                "< ? ORDER BY start",
                (step, first, last),
            )
            if start != hole
        ]
        if hole is not None and first <= hole < last:
            rows += self._read(finer, hole, hole + step, allowed, being_filled)
        return rows + self._read(finer, last, end, allowed, being_filled)

    def _from(self, step: int) -> float:
        """The time from which anything finer than this roll-up is kept."""
        oldest = self._db.execute("SELECT min(wall - seconds) FROM sample").fetchone()[0]
        rolled = self._db.execute(
            "SELECT min(start) FROM rollup WHERE step < ?", (step,)
        ).fetchone()[0]
        kept = [time for time in (rolled, oldest) if time is not None]
        if not kept:
            return float("inf")
        start = float(min(kept) // step * step)
        whole = self._db.execute(
            "SELECT seconds FROM rollup WHERE step = ? AND start = ?", (step, start)
        ).fetchone()
        if whole is None:
            return start
        if step == STEPS[0]:
            query, values = (
                "SELECT total(seconds) FROM sample WHERE wall > ? AND wall <= ?",
                (start + 1e-6, start + step + 1e-6),
            )
        else:
            query, values = (
                "SELECT total(seconds) FROM rollup WHERE step = 300 AND start >= ? AND start < ?",
                (start, start + step),
            )
        finer = self._db.execute(query, values).fetchone()[0]
        # A bucket of which something finer is gone already is read as a whole.
        return start if finer >= whole[0] - 1e-3 else start + step


def _sum(numbers: array[int], cells: list[int]) -> int:
    length = len(numbers)
    if cells[-1] >= length:
        cells = [cell for cell in cells if cell < length]
        if not cells:
            return 0
    if len(cells) == 1:
        return numbers[cells[0]]
    return sum(itemgetter(*cells)(numbers))
