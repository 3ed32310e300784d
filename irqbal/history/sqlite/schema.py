"""The SQLite file: its tables, its schema version, and the migration of older versions."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from irqbal.history.samples import Clock, Decision
from irqbal.process.private_folder import make_folder
from irqbal.wire import from_json, to_json

VERSION = 2
"""The schema's version, in PRAGMA user_version."""
APPLICATION = 0x69727162
"""PRAGMA application_id of irqbal's history files: `irqb` in ASCII."""

_TABLES = """
CREATE TABLE series(
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, cpu INTEGER NOT NULL,
    seen REAL NOT NULL, UNIQUE(kind, name, cpu)
);
CREATE TABLE boot(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE sample(
    sequence INTEGER PRIMARY KEY, boot INTEGER NOT NULL, wall REAL NOT NULL, seconds REAL NOT NULL,
    counts BLOB NOT NULL, shipped INTEGER NOT NULL, clock INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sample_wall ON sample(wall);
CREATE INDEX sample_waiting ON sample(sequence) WHERE shipped = 0;
CREATE TABLE state(sequence INTEGER NOT NULL, identity TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX state_identity ON state(identity, sequence);
CREATE INDEX state_sequence ON state(sequence);
CREATE TABLE decision(
    sequence INTEGER PRIMARY KEY, wall REAL NOT NULL, identity TEXT NOT NULL, body BLOB NOT NULL,
    shipped INTEGER NOT NULL, clock INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX decision_wall ON decision(wall);
CREATE INDEX decision_identity ON decision(identity, wall);
CREATE INDEX decision_waiting ON decision(sequence) WHERE shipped = 0;
CREATE TABLE rollup(
    step INTEGER NOT NULL, start INTEGER NOT NULL, seconds REAL NOT NULL, counts BLOB NOT NULL,
    PRIMARY KEY(step, start)
);
CREATE TABLE progress(rolled INTEGER NOT NULL, settled REAL NOT NULL);
INSERT INTO progress VALUES (0, 0);
"""
"""`seen`: when the series last counted, to a day (seconds since the epoch). `clock`: CLOCKS.
`rolled`: the believed samples up to this sequence are in the roll-ups. `settled`: nothing is
deleted before this time.
"""

CLOCKS: tuple[Clock, ...] = ("", "doubtful", "wrong")
"""`clock` of a record, by the number that stands in the column."""


def _to_2(db: sqlite3.Connection) -> None:
    """Marks of records, what was done, and incremental roll-ups: version 1 rolled a bucket of five
    minutes up once it was complete.
    """
    for table in ("sample", "decision"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN clock INTEGER NOT NULL DEFAULT 0")
    db.execute(f"ALTER TABLE series ADD COLUMN seen REAL NOT NULL DEFAULT {time.time():.0f}")
    db.execute("CREATE TABLE progress(rolled INTEGER NOT NULL, settled REAL NOT NULL)")
    db.execute(
        "INSERT INTO progress SELECT coalesce((SELECT max(sequence) FROM sample WHERE wall <= "
        "(SELECT max(start) + 300.000001 FROM rollup WHERE step = 300)), 0), 0"
    )
    for sequence, body in db.execute("SELECT sequence, body FROM decision").fetchall():
        decision = from_json(body, Decision)
        if decision.kind in ("move", "steering", "default"):
            done = decision.result in ("written", "unchanged")
            decision = msgspec.structs.replace(decision, done=done)
            db.execute(
                "UPDATE decision SET body = ? WHERE sequence = ?", (to_json(decision), sequence)
            )


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _to_2}
"""Version -> what leads to the next one, within a transaction. Every version before VERSION has an
entry.
"""


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done within, or roll all of it back if an exception is raised."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


class NewerError(sqlite3.OperationalError):
    """The file was written by a newer irqbal."""


def connect(path: Path, read_only: bool) -> sqlite3.Connection:
    """Open a history, create or migrate its tables (unless `read_only`), and check its integrity.

    Raises sqlite3.OperationalError if it cannot be opened, sqlite3.DatabaseError if it is damaged
    or not a history.
    """
    if read_only:
        name = f"file:{quoted(path)}?{_read_only(path)}"
        db = sqlite3.connect(
            name, uri=True, isolation_level=None, timeout=10, check_same_thread=False
        )
    else:
        make_folder(path.parent)
        db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
    try:
        version = _prepare(db, read_only)
        if read_only and version < VERSION:
            return _migrated_copy(db, version)
    except BaseException:
        db.close()
        raise
    return db


def _migrated_copy(db: sqlite3.Connection, version: int) -> sqlite3.Connection:
    """A copy of an older history in the present schema, which vanishes when it is closed
    (sqlite.org/inmemorydb.html, temporary databases). Closes `db`.
    """
    copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    with contextlib.closing(db):
        db.backup(copy)
    _migrate(copy, version)
    return copy


def _migrate(db: sqlite3.Connection, version: int) -> None:
    while version < VERSION:
        try:
            with transaction(db):
                MIGRATIONS[version](db)
                version += 1
                db.execute(f"PRAGMA user_version = {version}")
        except (sqlite3.OperationalError, ValueError) as error:
            if isinstance(error, ValueError) or "no such" in str(error):
                # What every history of that version has is not there, or is garbage.
                raise sqlite3.DatabaseError(str(error)) from error
            raise


def _prepare(db: sqlite3.Connection, read_only: bool) -> int:
    """Returns the version of the schema."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version == 0:
        empty = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if read_only and empty:
            raise sqlite3.OperationalError("nothing is recorded in it yet")
        if not empty:
            raise sqlite3.DatabaseError("it holds something else than a history of irqbal")
        # These must precede the first table. Samples are a few kB: in pages of the default size a
        # third of the space would stay empty.
        db.execute("PRAGMA page_size = 16384")
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(
            f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = "
            f"{VERSION}; COMMIT;"
        )
        version = VERSION
    if int(db.execute("PRAGMA application_id").fetchone()[0]) != APPLICATION:
        raise sqlite3.DatabaseError("it is not a history of irqbal")
    if version < 1:
        raise sqlite3.DatabaseError(f"its schema has the version {version}")
    if version > VERSION:
        raise NewerError(
            f"it was written by a newer irqbal (schema {version}, this one knows {VERSION}); "
            "upgrade irqbal"
        )
    result = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise sqlite3.DatabaseError(str(result))
    if read_only:
        return version
    _migrate(db, version)
    db.execute("PRAGMA journal_mode = WAL")
    # With WAL, commits survive a kill. A power failure may lose the last ones, never the file.
    db.execute("PRAGMA synchronous = NORMAL")
    # 512 KiB of pages: what was written is hardly ever read again.
    db.execute("PRAGMA cache_size = -512")
    db.execute("PRAGMA wal_autocheckpoint = 64")
    return VERSION


def _read_only(path: Path) -> str:
    """The URI parameter for reading. To read a file in WAL mode SQLite creates `-wal` and `-shm`
    beside it. If it may not, as on a read-only medium, and no writer has created them either, the
    file is complete by itself and does not change.
    """
    alone = not any(path.with_name(f"{path.name}-{kind}").exists() for kind in ("wal", "shm"))
    return "immutable=1" if alone and not os.access(path.parent, os.W_OK) else "mode=ro"


def quoted(path: Path) -> str:
    """The path for use in an SQLite URI (sqlite.org/uri.html)."""
    return str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
