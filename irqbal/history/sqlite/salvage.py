"""Takes out of a damaged history what can still be read, and puts it into a new one.

Tables are read row by row, past the pages that are damaged. Then the pages themselves are read for
rows that no table leads to any more. That is what the program sqlite3's `.recover` does, which
Debian 12 ships without the module that it needs.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, get_args

import msgspec

from irqbal.history.samples import Decision, IrqState, Kind
from irqbal.history.sqlite import blobs
from irqbal.history.sqlite.pages import PageReader
from irqbal.history.sqlite.rollup import STEPS, rebuild_missing
from irqbal.history.sqlite.schema import quoted, transaction
from irqbal.wire import from_json

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Rows that are read at a time where nothing is damaged."""
MOST_MISSING = 5000
"""Numbers without a readable row after which a table counts as ended: dozens of pages. What lies
behind a larger hole is found in the pages.
"""
MOST_TIME = 1e11
"""Seconds since the epoch, and numbers of records, that are no garbage: three thousand years."""

_Types = tuple[type | tuple[type, ...], ...]
_NUMBER = (int, float)


class _Table(msgspec.Struct, frozen=True):
    """A table: its columns and their types, how many of them schema 1 has, and the column that
    holds a row's content. `keyed`: the first column is the row's number.
    """

    name: str
    columns: tuple[str, ...]
    types: _Types
    former: int
    content: str = ""
    keyed: bool = True

    def takes(self, fields: int) -> bool:
        """Whether a row of so many fields may be one of this table."""
        return fields in (len(self.columns), self.former)

    def complete(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row of either schema in the present one: what is missing is 0."""
        return (*row, *(0 for _ in self.columns[len(row) :]))


_TABLES = (
    _Table("boot", ("id", "name"), (int, str), 2),
    _Table(
        "series",
        ("id", "kind", "name", "cpu", "seen"),
        (int, str, str, int, _NUMBER),
        4,
    ),
    _Table(
        "sample",
        ("sequence", "boot", "wall", "seconds", "counts", "shipped", "clock"),
        (int, int, _NUMBER, _NUMBER, bytes, int, int),
        6,
        "counts",
    ),
    _Table("state", ("sequence", "identity", "body"), (int, str, bytes), 3, "body", keyed=False),
    _Table(
        "decision",
        ("sequence", "wall", "identity", "body", "shipped", "clock"),
        (int, _NUMBER, str, bytes, int, int),
        5,
        "body",
    ),
    _Table(
        "rollup",
        ("step", "start", "seconds", "counts"),
        (int, int, _NUMBER, bytes),
        4,
        "counts",
        keyed=False,
    ),
    _Table("progress", ("rolled", "settled"), (int, _NUMBER), 2, keyed=False),
)


class Salvaged(msgspec.Struct, frozen=True):
    """How many rows of each kind were taken over."""

    samples: int
    decisions: int
    rollups: int


def salvage(damaged: Path, fresh: sqlite3.Connection) -> Salvaged:
    """Copy what can be read of the file `damaged` into a new history, which holds nothing yet.
    Raises sqlite3.Error if the new one cannot be written.
    """
    with transaction(fresh):
        fresh.execute("DELETE FROM progress")
        if not _copy(damaged, fresh):
            _copy_lost(damaged, fresh)
        if not fresh.execute("SELECT count(*) FROM progress").fetchone()[0]:
            fresh.execute(
                "INSERT INTO progress SELECT coalesce(max(sequence), 0), 0 FROM sample WHERE "
                "clock = 0"
            )
        _name_lost(fresh)
        rebuild_missing(fresh)
        return Salvaged(
            *(
                int(fresh.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in ("sample", "decision", "rollup")
            )
        )


def _copy(source: Path, fresh: sqlite3.Connection) -> bool:
    """Copy every row that can be read. Returns whether nothing was damaged."""
    try:
        db = sqlite3.connect(f"file:{quoted(source)}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error:
        return False
    whole = True
    with contextlib.closing(db):
        # Bytes that are no text any more must not end the reading.
        db.text_factory = lambda data: data.decode("utf-8", "replace")
        for table in _TABLES:
            reader = _RowReader(db, table)
            for row in reader.rows():
                if not _insert(fresh, table, row):
                    reader.whole = False
            whole = whole and reader.whole
    return whole


def _copy_lost(damaged: Path, fresh: sqlite3.Connection) -> None:
    """Copy the rows that stand in the file's pages: each table has its number of fields, and its
    types.
    """
    try:
        with damaged.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            for number, values in PageReader(data).rows():
                for table in _TABLES:
                    if table.name != "progress" and table.takes(len(values)):
                        row = [number, *values[1:]] if table.keyed else values
                        _insert(fresh, table, table.complete(row))
    except (OSError, ValueError) as error:
        log.warning("the pages of %s could not be read one by one: %s", damaged, error)


def _insert(fresh: sqlite3.Connection, table: _Table, row: tuple[Any, ...]) -> bool:
    """Put a row into the new history, unless it is there; returns whether it is one of irqbal's."""
    if not _is_sound(table, row):
        return False
    columns, marks = ", ".join(table.columns), ", ".join("?" * len(row))
    if table.name == "progress":
        there = fresh.execute("SELECT 1 FROM progress").fetchone()
    elif table.name == "state":
        there = fresh.execute(
            "SELECT 1 FROM state WHERE sequence = ? AND identity = ?", row[:2]
        ).fetchone()
    else:
        there = None
    if there is None:
        with contextlib.suppress(sqlite3.IntegrityError):
            fresh.execute(f"INSERT OR IGNORE INTO {table.name}({columns}) VALUES ({marks})", row)
    return True


class _RowReader:
    """Reads a table by its row numbers. `whole`: nothing was damaged so far."""

    def __init__(self, db: sqlite3.Connection, table: _Table) -> None:
        self._db, self._table = db, table
        self.whole = True
        self._columns = ", ".join(table.columns)
        try:
            db.execute(f"SELECT {self._columns} FROM {table.name} LIMIT 0")
        except sqlite3.Error:
            self._columns = ", ".join(table.columns[: table.former])

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Every row that can be read, without its number."""
        last, missing = -1, 0
        while missing < MOST_MISSING:
            found, failed = self._read("rowid > ? ORDER BY rowid LIMIT ?", (last, AT_ONCE))
            for row in found:
                last, missing = row[0], 0
                yield self._table.complete(row[1:])
            if not failed:
                if len(found) < AT_ONCE:
                    return
                continue
            self.whole = False
            # The next row is on a damaged page: look for the next number that is not.
            while missing < MOST_MISSING:
                last, missing = last + 1, missing + 1
                found, failed = self._read("rowid = ?", (last,))
                if found:
                    missing = 0
                    yield self._table.complete(found[0][1:])
                    break

    def _read(self, where: str, values: Sequence[int]) -> tuple[list[tuple[Any, ...]], bool]:
        """(rows, whether the reading failed behind them)."""
        rows: list[tuple[Any, ...]] = []
        statement = f"SELECT rowid, {self._columns} FROM {self._table.name} WHERE {where}"
        try:
            rows.extend(self._db.execute(statement, values))
        except (sqlite3.Error, OverflowError):
            return rows, True
        return rows, False


def _is_sound(table: _Table, row: tuple[Any, ...]) -> bool:
    """Whether a row is what irqbal writes."""
    if not all(isinstance(value, kind) for value, kind in zip(row, table.types, strict=True)):
        return False
    if table.name in ("sample", "decision"):
        wall = row[table.columns.index("wall")]
        if not 0 <= wall < MOST_TIME or not 0 <= row[0] < MOST_TIME:
            return False
    if "seconds" in table.columns and not 0 <= row[table.columns.index("seconds")] < MOST_TIME:
        return False
    if table.name == "rollup" and (row[0] not in STEPS or not 0 <= row[1] < MOST_TIME):
        return False
    try:
        if table.content == "counts":
            blobs.unpack(row[table.columns.index("counts")])
        elif table.content == "body":
            kind: Any = Decision if table.name == "decision" else IrqState
            from_json(row[table.columns.index("body")], kind)
    except (ValueError, msgspec.DecodeError):
        return False
    return table.name != "series" or row[1] in get_args(Kind)


def _name_lost(fresh: sqlite3.Connection) -> None:
    """Give names to the numbers whose names were lost, so that no new series gets them: blobs have
    counts there.
    """
    lengths = [
        len(blobs.unpack(blob))
        for table in ("sample", "rollup")
        for (blob,) in fresh.execute(f"SELECT counts FROM {table}")
    ]
    known = {number for (number,) in fresh.execute("SELECT id FROM series")}
    fresh.executemany(
        "INSERT INTO series(id, kind, name, cpu, seen) VALUES (?, 'row', ?, -1, (SELECT "
        "coalesce(max(wall), 0) FROM sample))",
        [
            (number, f"lost {number}")
            for number in range(max(lengths, default=0))
            if number not in known
        ],
    )
    fresh.execute(
        "INSERT INTO boot(id, name) SELECT DISTINCT boot, 'lost ' || boot FROM sample WHERE boot "
        "NOT IN (SELECT id FROM boot)"
    )
    fresh.execute(
        "UPDATE series SET seen = (SELECT coalesce(max(wall), 0) FROM sample) WHERE seen = 0"
    )
