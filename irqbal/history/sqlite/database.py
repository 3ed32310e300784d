"""The SQLite file as a whole: opening it, and replacing one that is damaged."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import sqlite3
import time
from pathlib import Path

from irqbal.errors import HistoryError
from irqbal.history.sqlite import schema
from irqbal.history.sqlite.salvage import salvage

log = logging.getLogger(__name__)

FILE = "history.sqlite"
"""File name, in the state folder."""
_HEADER = b"SQLite format 3\0"
"""The first bytes of every SQLite 3 database (sqlite.org/fileformat.html)."""


def open_database(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open a history. A damaged file is moved aside, and an empty one created, unless `read_only`.

    Raises HistoryError if the file cannot be opened, is of a newer irqbal, or is damaged and
    `read_only`.
    """
    try:
        return schema.connect(path, read_only)
    except (sqlite3.OperationalError, OSError) as error:
        raise HistoryError(f"the history {path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        if read_only:
            raise HistoryError(f"the history {path} is damaged: {error}") from error
        try:
            return replace_damaged(path, error)
        except OSError as worse:
            text = f"the history {path} is damaged ({error}), and cannot be moved aside: {worse}"
            raise HistoryError(text) from worse


def replace_damaged(path: Path, error: Exception) -> sqlite3.Connection:
    """Begin a new history with what can be read of a damaged one, which is moved aside. No
    connection to it may be open. Raises sqlite3.Error, HistoryError, OSError.
    """
    aside = _move_aside(path)
    log.error(
        "the history %s is damaged (%s): it was moved to %s, and a new one is begun",
        path,
        error,
        aside,
    )
    db = schema.connect(path, read_only=False)
    try:
        found = salvage(aside, db)
    except Exception as worse:
        # Whatever garbage does to the reading of it, the new history goes on.
        log.exception("nothing of it could be taken over: %s", worse)
    else:
        log.warning(
            "%d samples, %d decisions and %d roll-ups of it could be read, and were taken over",
            found.samples,
            found.decisions,
            found.rollups,
        )
    return db


def _move_aside(path: Path) -> Path:
    """Rename a history to `PATH.corrupt-TIME`, its WAL files with it, and return that name. Raises
    OSError.
    """
    name = f"{path.name}.corrupt-{time.strftime('%Y%m%dT%H%M%S')}"
    aside = path.with_name(name)
    for number in itertools.count(2):
        if not aside.exists():
            break
        aside = path.with_name(f"{name}-{number}")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


_kept: dict[tuple[int, int], int] = {}
"""A descriptor of each database file that this process has looked at, by device and inode.

It is never closed: POSIX drops all locks that a process has on a file when any of its descriptors
of the file is closed (fcntl(2)), those of SQLite's connections too. Another program that then opens
the file believes that it is alone, and deletes the live WAL (sqlite.org/howtocorrupt.html, 2.2).
"""


def has_header(path: Path) -> bool:
    """Whether the file exists and begins as an SQLite database does. SQLite itself may not notice
    for long that another process has overwritten or deleted the file.
    """
    try:
        found = path.stat()
        key = found.st_dev, found.st_ino
        if key not in _kept:
            _kept[key] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(_kept[key], len(_HEADER), 0) == _HEADER
    except OSError:
        return False
