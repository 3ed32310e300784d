"""The numbers that stand for series and boot ids in the SQLite file.

The number of a series that has counted nothing for as long as anything is kept is given to a new
one: no blob in the file has a count at this index any more.
"""

from __future__ import annotations

import contextlib
import heapq
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence

from irqbal.history.samples import Series

SEEN_EVERY = 86400.0
"""Seconds after which it is written again that a series counts."""


class SeriesDictionary:
    """Memory's copy of the tables `series` and `boot`.

    A sample's counts are stored as one list; the value of a series is at the index that is its
    number here.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[Series, int] = {}
        self._seen: dict[int, float] = {}
        """Number of a series -> when it last counted, to a day (seconds since the epoch)."""
        self._free: list[int] = []
        """Numbers that no series has, as a heap."""
        self._end = 0
        """The number after the highest one."""
        self._version = 0
        """Changes with the writes of other processes."""
        self._by_object: dict[int, tuple[Series, int]] = {}
        """id() of a `Series` object -> the object and its number: a cache for `dense`."""
        self._boots: dict[str, int] = dict(db.execute("SELECT name, id FROM boot").fetchall())
        self._load()

    def dense(self, values: Mapping[Series, int], wall: float) -> list[int]:
        """The values at the indices of their series; 0 elsewhere. New series get a number, and
        count at `wall`, in seconds since the epoch.

        The recorder passes the same `Series` objects in every sample. They are looked up by id(),
        because hashing them would take longer than everything else here.
        """
        dense = [0] * self._end
        by_object = self._by_object
        for series, value in values.items():
            cached = by_object.get(id(series))
            if cached is not None and cached[0] is series:
                dense[cached[1]] = value
                continue
            number = self._number(series, wall)
            if number >= len(dense):
                dense += [0] * (number + 1 - len(dense))
            dense[number] = value
        return dense

    def values(self, numbers: Sequence[int]) -> dict[Series, int]:
        """The reverse of `dense`, without zeros."""
        self._follow()
        return {
            series: numbers[number]
            for series, number in self._numbers.items()
            if number < len(numbers) and numbers[number]
        }

    def numbers(self) -> Mapping[Series, int]:
        """The number of every series that the file has now."""
        self._follow()
        return self._numbers

    def note(self, counted: Collection[int], wall: float) -> None:
        """The series with these numbers counted at this time, in seconds since the epoch."""
        due = [number for number in counted if wall - self._seen[number] >= SEEN_EVERY]
        self._db.executemany(
            "UPDATE series SET seen = ? WHERE id = ?", [(wall, number) for number in due]
        )
        self._seen.update(dict.fromkeys(due, wall))

    def forget(self, before: float) -> None:
        """Forget the series that have not counted since this time (seconds since the epoch), of
        which nothing is kept.
        """
        old = {number for number, seen in self._seen.items() if seen + SEEN_EVERY < before}
        if old:
            self._db.executemany("DELETE FROM series WHERE id = ?", [(number,) for number in old])
            self._load()

    def boot_number(self, name: str) -> int:
        """The number of a boot id, which is added if it is new."""
        if name not in self._boots:
            cursor = self._db.execute("INSERT INTO boot(name) VALUES (?)", (name,))
            self._boots[name] = int(cursor.lastrowid or 0)
        return self._boots[name]

    @contextlib.contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Remove what was added within if an exception is raised, as the transaction around it is
        rolled back then.
        """
        series, boots = len(self._numbers), len(self._boots)
        try:
            yield
        except BaseException:
            while len(self._numbers) > series:
                _, number = self._numbers.popitem()
                self._seen.pop(number, None)
                heapq.heappush(self._free, number)
            while len(self._boots) > boots:
                self._boots.popitem()
            self._by_object.clear()
            raise

    @contextlib.contextmanager
    def read_again_on_error(self) -> Iterator[None]:
        """Read the file again if an exception is raised, as what was forgotten within is not."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._load()
            raise

    def _follow(self) -> None:
        """Read the table again if another process wrote the file: that may have added series, or
        given a number to another one (sqlite.org/pragma.html, data_version).
        """
        if self._data_version() != self._version:
            self._load()

    def _data_version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def _load(self) -> None:
        self._version = self._data_version()
        rows = self._db.execute("SELECT id, kind, name, cpu, seen FROM series").fetchall()
        self._numbers = {Series(kind, name, cpu): number for number, kind, name, cpu, _ in rows}
        self._seen = {row[0]: row[4] for row in rows}
        self._end = max(self._seen, default=-1) + 1
        self._free = [number for number in range(self._end) if number not in self._seen]
        self._by_object = {}

    def _number(self, series: Series, wall: float) -> int:
        number = self._numbers.get(series)
        if number is None:
            number = heapq.heappop(self._free) if self._free else self._end
            self._db.execute(
                "INSERT INTO series(id, kind, name, cpu, seen) VALUES (?, ?, ?, ?, ?)",
                (number, *series, wall),
            )
            self._end = max(self._end, number + 1)
            self._numbers[series] = number
            self._seen[number] = wall
        self._by_object[id(series)] = (series, number)
        return number
