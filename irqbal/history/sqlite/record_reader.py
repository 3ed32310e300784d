"""Reads samples, decisions and IRQ states back from the SQLite file as they were recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from irqbal.history.samples import Decision, IrqState, Sample
from irqbal.history.sqlite import blobs
from irqbal.history.sqlite.dictionary import SeriesDictionary
from irqbal.wire import from_json

PAGE = 100
"""Samples whose sequence numbers are read at a time: bounds memory."""


class RecordReader:
    """Times are seconds since the epoch; `start` is included, `end` is not."""

    def __init__(self, db: sqlite3.Connection, dictionary: SeriesDictionary) -> None:
        self._db, self._dictionary = db, dictionary

    def sample(self, sequence: int) -> Sample:
        """The sample with this number, which must exist."""
        boot, wall, seconds, blob = self._db.execute(
            "SELECT boot.name, wall, seconds, counts FROM sample JOIN boot ON boot.id = "
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
        )

    def decision(self, sequence: int) -> Decision:
        """The decision with this number, which must exist."""
        (body,) = self._db.execute(
            "SELECT body FROM decision WHERE sequence = ?", (sequence,)
        ).fetchone()
        return from_json(body, Decision)

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
            f"SELECT body FROM decision WHERE {where} ORDER BY wall DESC, sequence DESC LIMIT ?",
            [start, end, *([identity] if identity else []), limit],
        )
        return [from_json(body, Decision) for (body,) in rows]

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
            "SELECT min(wall - seconds), max(wall) FROM sample"
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
