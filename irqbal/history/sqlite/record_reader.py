"""Reads samples, decisions and IRQ states back from the SQLite file as they were recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from irqbal.history.samples import Decision, IrqState, Sample
from irqbal.history.sqlite import blobs
from irqbal.history.sqlite.dictionary import SeriesDictionary
from irqbal.history.sqlite.schema import CLOCKS
from irqbal.wire import from_json

PAGE = 100
"""Samples whose sequence numbers are read at a time: bounds memory."""


class RecordReader:
    """Times are seconds since the epoch; `start` is included, `end` is not."""

    def __init__(self, db: sqlite3.Connection, dictionary: SeriesDictionary) -> None:
        self._db, self._dictionary = db, dictionary

    def sample(self, sequence: int) -> Sample:
        """The sample with this number, which must exist."""
        boot, wall, seconds, blob, clock = self._db.execute(
            "SELECT boot.name, wall, seconds, counts, clock FROM sample JOIN boot ON boot.id = "
            "sample.boot WHERE sequence = ?",
            (sequence,),
        ).fetchone()
        states = self._db.execute(
            "SELECT body FROM state WHERE sequence = ? ORDER BY rowid", (sequence,)
        )
        return Sample(
            sequence,
            boot,
            wall,
            seconds,
            self._dictionary.values(blobs.unpack(blob)),
            tuple(from_json(body, IrqState) for (body,) in states),
            CLOCKS[clock],
        )

    def decision(self, sequence: int) -> Decision:
        """The decision with this number, which must exist."""
        return _decision(
            *self._db.execute(
                "SELECT body, clock FROM decision WHERE sequence = ?", (sequence,)
            ).fetchone()
        )

    def samples(self, start: float, end: float) -> Iterator[Sample]:
        """Samples that end within the window, oldest first."""
        last = -1
        while True:
            rows = self._db.execute(
                "SELECT sequence FROM sample WHERE wall >= ? AND wall < ? AND sequence > ? ORDER "
                "BY sequence LIMIT ?",
                (start, end, last, PAGE),
            ).fetchall()
            if not rows:
                return
            for (sequence,) in rows:
                last = sequence
                yield self.sample(sequence)

    def newest(self, start: float, end: float, limit: int) -> list[Sample]:
        """The newest `limit` samples that end within the window, oldest first."""
        rows = self._db.execute(
            "SELECT sequence FROM sample WHERE wall >= ? AND wall < ? ORDER BY sequence DESC LIMIT "
            "?",
            (start, end, limit),
        ).fetchall()
        return [self.sample(sequence) for (sequence,) in reversed(rows)]

    def decisions(self, start: float, end: float, identity: str, limit: int) -> list[Decision]:
        """The newest `limit` decisions of the window, newest first; of one IRQ if `identity` is not
        empty.
        """
        where = "wall >= ? AND wall < ?" + (" AND identity = ?" if identity else "")
        rows = self._db.execute(
            f"SELECT body, clock FROM decision WHERE {where} ORDER BY wall DESC, sequence DESC "
            "LIMIT ?",
            [start, end, *([identity] if identity else []), limit],
        )
        return [_decision(*row) for row in rows]

    def states(self) -> list[IrqState]:
        """The last recorded state of every IRQ, by identity."""
        rows = self._db.execute(
            "SELECT body FROM state WHERE sequence = (SELECT max(s.sequence) FROM state AS s WHERE "
            "s.identity = state.identity) "
            "ORDER BY identity"
        )
        return [from_json(body, IrqState) for (body,) in rows]

    def span(self) -> tuple[float, float] | None:
        """(first, last) time that samples and roll-ups cover; None if there is no sample."""
        first, last = self._db.execute(
            "SELECT min(wall - seconds), max(wall) FROM sample WHERE clock < 2"
        ).fetchone()
        rolled = self._db.execute("SELECT min(start) FROM rollup").fetchone()[0]
        if last is None:
            return None
        return (min(first, rolled) if rolled is not None else first, last)

    def cpus(self) -> int:
        """The number of CPUs on which anything was ever counted: the host's size as far as the
        file tells.
        """
        return int(
            self._db.execute("SELECT count(DISTINCT cpu) FROM series WHERE cpu >= 0").fetchone()[0]
        )

    def newest_times(self) -> tuple[float | None, float | None, float]:
        """(the newest believed time, the newest one in doubt, for how many seconds samples in doubt
        stand), None without such samples.
        """
        walls = [
            self._db.execute(
                "SELECT wall FROM sample WHERE clock = ? ORDER BY sequence DESC LIMIT 1", (clock,)
            ).fetchone()
            for clock in (0, 1)
        ]
        stood = self._db.execute("SELECT total(seconds) FROM sample WHERE clock = 1").fetchone()[0]
        believed, doubtful = (None if row is None else float(row[0]) for row in walls)
        return believed, doubtful, float(stood)


def _decision(body: bytes, clock: int) -> Decision:
    decision = from_json(body, Decision)
    # The body has the mark of when it was recorded.
    return msgspec.structs.replace(decision, clock=CLOCKS[clock])
