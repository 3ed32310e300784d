"""The numbers that stand for series and boot ids in the SQLite file. Both tables only grow."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from irqbal.history.samples import Series


class SeriesDictionary:
    """Memory's copy of the tables `series` and `boot`.

    A sample's counts are stored as one list; the value of a series is at the index that is its
    number here.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[Series, int] = {}
        self._by_object: dict[int, tuple[Series, int]] = {}
        """id() of a `Series` object -> the object and its number: a cache for `dense`."""
        self._boots: dict[str, int] = dict(db.execute("SELECT name, id FROM boot").fetchall())
        self._load()

    def dense(self, values: Mapping[Series, int]) -> list[int]:
        """The values at the indices of their series; 0 elsewhere. New series get a number.

        The recorder passes the same `Series` objects in every sample. They are looked up by id(),
        because hashing them would take longer than everything else here.
        """
        dense = [0] * len(self._numbers)
        by_object = self._by_object
        for series, value in values.items():
            cached = by_object.get(id(series))
            if cached is not None and cached[0] is series:
                dense[cached[1]] = value
                continue
            number = self._number(series)
            if number >= len(dense):
                dense += [0] * (number + 1 - len(dense))
            dense[number] = value
        return dense

    def values(self, numbers: Sequence[int]) -> dict[Series, int]:
        """The reverse of `dense`, without zeros."""
        if len(numbers) > len(self._numbers):
            # Another process, which records, has added series.
            self._load()
        return {
            series: numbers[number]
            for series, number in self._numbers.items()
            if number < len(numbers) and numbers[number]
        }

    def numbers(self) -> Mapping[Series, int]:
        """The number of every series that the file has now."""
        if self._db.execute("SELECT count(*) FROM series").fetchone()[0] != len(self._numbers):
            self._load()
        return self._numbers

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
                self._numbers.popitem()
            while len(self._boots) > boots:
                self._boots.popitem()
            self._by_object.clear()
            raise

    def _load(self) -> None:
        rows = self._db.execute("SELECT id, kind, name, cpu FROM series ORDER BY id")
        self._numbers = {Series(kind, name, cpu): number for number, kind, name, cpu in rows}
        self._by_object = {}

    def _number(self, series: Series) -> int:
        number = self._numbers.get(series)
        if number is None:
            number = len(self._numbers)
            self._db.execute(
                "INSERT INTO series(id, kind, name, cpu) VALUES (?, ?, ?, ?)", (number, *series)
            )
            self._numbers[series] = number
        self._by_object[id(series)] = (series, number)
        return number
