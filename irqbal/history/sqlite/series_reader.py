"""Reads series of counts from the SQLite file: picks the roll-up and sums by CPU or by IRQ.

A sample belongs to the step in which its interval ends. Comparisons of times have a margin of
EPSILON, since they are sums of floats.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Mapping, Sequence
from operator import itemgetter

import msgspec

from irqbal.history.samples import Point, Series
from irqbal.history.sqlite import blobs
from irqbal.history.sqlite.rollup import EPSILON, STEPS, rolled
from irqbal.history.store import Query

Row = tuple[float, float, bytes]
"""(end, seconds, blob) of a sample or a roll-up."""


class _Source(msgspec.Struct, frozen=True):
    """What decides which roll-up to read.

    `allowed` is the length (seconds) of the coarsest roll-up that the query's step allows; 0 for
    none. `rolled` is the sequence of the last sample that is in the roll-ups.
    """

    allowed: int
    rolled: int


class SeriesReader:
    """Reads over one connection; `numbers` are those of all series in the file."""

    def __init__(self, db: sqlite3.Connection, numbers: Mapping[Series, int]) -> None:
        self._db, self._numbers = db, numbers

    def series(self, query: Query) -> list[Point]:
        """One point for each step that samples cover."""
        lines = self._lines(query)
        if not lines or query.step <= 0:
            return []
        points: dict[float, tuple[float, dict[str, int]]] = {}
        for end, seconds, blob in self._rows(query):
            numbers = blobs.unpack(blob)
            start = query.start + (end - query.start - EPSILON) // query.step * query.step
            covered, counts = points.get(start, (0.0, {}))
            for key, cells in lines.items():
                value = _sum(numbers, cells)
                if value:
                    counts[key] = counts.get(key, 0) + value
            points[start] = (covered + seconds, counts)
        return [
            Point(start, seconds, counts) for start, (seconds, counts) in sorted(points.items())
        ]

    def _lines(self, query: Query) -> dict[str, list[int]]:
        """Key of each line (a CPU, an identity or a kind) -> the numbers of its series."""
        lines: dict[str, list[int]] = {}
        for series, number in self._numbers.items():
            key = query.line_of(series)
            if key is not None:
                lines.setdefault(key, []).append(number)
        ordered = sorted(lines, key=lambda key: (0, int(key)) if query.by == "cpu" else (1, key))
        return {key: sorted(lines[key]) for key in ordered}

    def _rows(self, query: Query) -> list[Row]:
        """Everything in the window: from the coarsest roll-up that the step allows, from a coarser
        one where nothing finer is kept any more, and from samples where nothing is rolled up yet.
        """
        source = _Source(
            allowed=max((step for step in STEPS if query.step >= step), default=0),
            rolled=rolled(self._db),
        )
        return self._read(sorted(STEPS, reverse=True), query.start, query.end, source)

    def _read(self, steps: Sequence[int], begin: float, end: float, source: _Source) -> list[Row]:
        """The window from the first of these roll-ups as far as it can be used, with the samples
        that are in no roll-up yet; the rest from the finer ones, and last from samples.
        """
        if end <= begin:
            return []
        if not steps:
            return self._db.execute(
                "SELECT wall, seconds, counts FROM sample WHERE wall > ? AND wall <= ? AND clock < "
                "2 ORDER BY wall",
                (begin + EPSILON, end + EPSILON),
            ).fetchall()
        step, *finer = steps
        kept = self._finer_since(step)
        limit = end if step <= source.allowed else min(end, kept)
        cut = kept > begin and step > source.allowed
        first = (begin // step if cut else -(-begin // step)) * step
        last = limit // step * step
        if last <= first:
            return self._read(finer, begin, end, source)
        rows = self._read(finer, begin, first, source)
        rows += [
            (start + step, seconds, blob)
            for start, seconds, blob in self._db.execute(
                "SELECT start, seconds, counts FROM rollup WHERE step = ? AND start >= ? AND start "
                "< ? ORDER BY start",
                (step, first, last),
            )
        ]
        rows += self._db.execute(
            "SELECT wall, seconds, counts FROM sample WHERE wall > ? AND wall <= ? AND (clock = 1 "
            "OR clock = 0 AND sequence > ?) ORDER BY wall",
            (first + EPSILON, last + EPSILON, source.rolled),
        ).fetchall()
        return rows + self._read(finer, last, end, source)

    def _finer_since(self, step: int) -> float:
        """The time since which something finer than this roll-up is kept; infinity if nothing is.

        A bucket of which finer records were partly deleted counts as not kept.
        """
        oldest = self._db.execute(
            "SELECT min(wall - seconds) FROM sample WHERE clock < 2"
        ).fetchone()[0]
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
            finer = self._db.execute(
                "SELECT total(seconds) FROM sample WHERE wall > ? AND wall <= ? AND clock = 0",
                (start + EPSILON, start + step + EPSILON),
            ).fetchone()[0]
        else:
            finer = self._db.execute(
                "SELECT total(seconds) FROM rollup WHERE step = ? AND start >= ? AND start < ?",
                (STEPS[0], start, start + step),
            ).fetchone()[0]
        return start if finer >= whole[0] - 1e-3 else start + step


def _sum(numbers: array[int], cells: list[int]) -> int:
    """The sum of the values at these ascending indices; those beyond the end are 0."""
    length = len(numbers)
    if cells[-1] >= length:
        cells = [cell for cell in cells if cell < length]
        if not cells:
            return 0
    if len(cells) == 1:
        return numbers[cells[0]]
    return sum(itemgetter(*cells)(numbers))
