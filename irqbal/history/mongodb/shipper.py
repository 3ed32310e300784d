"""Ships the history to MongoDB, for many hosts together, and reads it back. The SQLite file is the
outbox.

What happens when: a batch is read and turned into documents on the history thread; layouts are
written, then samples and decisions, each acknowledged by a majority and on disk; only then the
batch is marked in SQLite. Ids follow from the records, so whatever breaks in between is shipped
again and nothing is doubled. No more than one batch is held in memory, however long MongoDB is
away.

This module needs pymongo (4.9 or later: the extra `mongodb`), and is imported only where MongoDB is
configured.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import bson
import msgspec
from bson.errors import InvalidDocument
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from irqbal.config.mongodb_options import MongodbOptions, driver_arguments
from irqbal.errors import ConfigError
from irqbal.history.host_status import HostStatus, told_documents
from irqbal.history.mongodb.documents import (
    CellNumbering,
    Document,
    Layout,
    date,
    decision_document,
    host_document,
    layout_document,
    sample_document,
)
from irqbal.history.samples import Decision, IrqState, Sample

__all__ = ["Outbox", "Shipper", "ShipperStatus", "check"]

log = logging.getLogger(__name__)

MAX_BATCH = 1_000_000
"""Bytes of documents that are sent, and held, at a time."""
MAX_ITEMS = 1000
MAX_DOCUMENT = 16 * 1024 * 1024 - 16 * 1024
"""What MongoDB takes as one document, less some room."""
POLL = 5.0
"""Seconds between two looks into the outbox that nobody asked for."""
FIRST_DELAY, LAST_DELAY = 1.0, 60.0
"""Seconds between two tries while MongoDB is away."""
DAY = 86400
SURE = WriteConcern(w="majority", j=True, wtimeout=10_000)
DUPLICATE_KEY, UNAUTHORIZED = 11000, 13
INDEX_CONFLICTS = (85, 86)


class Outbox(Protocol):
    """Where records wait. All methods block; they are called on the history thread."""

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        """The oldest that were not shipped yet; at least one, if there is any."""

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        """These arrived for good."""

    def states(self) -> list[IrqState]:
        """Every IRQ as it was last seen."""

    def backlog(self) -> int:
        """How many wait."""


Run = Callable[..., Awaitable[Any]]
"""`run(function, *arguments)` awaits a blocking call on the history thread."""


class ShipperStatus(msgspec.Struct):
    """How shipping goes. `shipped` and `refused` count since the start; a refused record stays in
    the local history alone.
    """

    connected: bool = False
    backlog: int = 0
    last_error: str = ""
    shipped: int = 0
    refused: int = 0


class Batch(msgspec.Struct):
    """Records as they go over the wire, and what must be there before or beside them."""

    sequences: list[int]
    documents: dict[str, list[bytes]]
    layouts: dict[str, Layout]
    numbering: CellNumbering
    host: bytes
    refused: list[str]
    told: dict[str, bytes]
    size: int = 0


def prepare(
    outbox: Outbox,
    host: str,
    known: CellNumbering | None,
    with_host: bool,
    told: HostStatus | None = None,
) -> Batch | None:
    """The next batch; None if nothing waits. Blocks; to be called on the history thread."""
    items = outbox.pending(MAX_BATCH, MAX_ITEMS)
    if not items:
        return None
    numbering = CellNumbering(host, outbox.states()) if known is None else known.copy()
    batch = Batch([], {"samples": [], "decisions": []}, {}, numbering, b"", [], _told(host, told))
    for item in items:
        with_host = with_host or (isinstance(item, Sample) and bool(item.states))
        if not _add(batch, host, item):
            break
    if with_host:
        batch.host = bson.encode(host_document(host, outbox.states(), time.time()))
    return batch


def _add(batch: Batch, host: str, item: Sample | Decision) -> bool:
    """Put a record into the batch; False if it does not fit any more."""
    layout = None
    if isinstance(item, Sample):
        batch.numbering.appear(item.states)
        layout = batch.numbering.layout
    raw, refused = b"", ""
    try:
        raw = bson.encode(
            sample_document(host, item, layout)
            if isinstance(item, Sample) and layout
            else _decision(host, item)
        )
        if len(raw) > MAX_DOCUMENT:
            raise InvalidDocument(f"{len(raw)} bytes are more than MongoDB takes as one document")
    except (InvalidDocument, OverflowError, UnicodeError) as error:
        raw, refused = (
            b"",
            f"record {item.sequence} of boot {item.boot} cannot be a document: {error}",
        )
    if batch.sequences and batch.size + len(raw) > MAX_BATCH:
        return False
    if raw:
        batch.documents["samples" if layout else "decisions"].append(raw)
        batch.size += len(raw)
    if layout:
        batch.layouts[layout.id] = layout
    if isinstance(item, Sample):
        batch.numbering.vanish(item.states)
    if refused:
        batch.refused.append(refused)
    batch.sequences.append(item.sequence)
    return True


def _told(host: str, told: HostStatus | None) -> dict[str, bytes]:
    """What the host tells of itself, by collection; nothing where it cannot be said: records must
    not wait for it.
    """
    if told is None:
        return {}
    try:
        return {
            name: bson.encode(document) for name, document in told_documents(host, told).items()
        }
    except (InvalidDocument, OverflowError, TypeError, ValueError) as error:
        log.error("MongoDB: the host's state cannot be told: %s", error)
        return {}


def _decision(host: str, item: Sample | Decision) -> Document:
    assert isinstance(item, Decision)
    return decision_document(host, item)


class Shipper:
    """Empties the outbox into MongoDB for as long as `serve` runs. Belongs to the loop."""

    def __init__(self, options: MongodbOptions, host: str, outbox: Outbox, run: Run) -> None:
        self._options, self._host, self._outbox, self._run = options, host, outbox, run
        self._wake = asyncio.Event()
        self._numbering: CellNumbering | None = None
        self._written: dict[str, int] = {}
        """Layout -> the day on which it was last written."""
        self._host_day = 0
        self._told: HostStatus | None = None
        self._walls: tuple[float, ...] = ()
        self._doubled = False
        self._ensured = False
        self._away = False
        self._since = 0.0
        self._caught_up = 0
        self.status = ShipperStatus()

    def wake(self) -> None:
        """Something new waits."""
        self._wake.set()

    def tell(self, told: HostStatus) -> None:
        """How the host is now: goes with the next batch, in place of what was told before."""
        self._told = told

    async def serve(self) -> None:
        """Ship for ever; ends only by being cancelled."""
        client: AsyncMongoClient[Any] | None = None
        delay = FIRST_DELAY
        try:
            while True:
                try:
                    if client is None:
                        client = AsyncMongoClient(**driver_arguments(self._options))
                    while await self._ship(client[self._options.database]):
                        delay = FIRST_DELAY
                        _heed_cancelling()
                    delay = FIRST_DELAY
                    self._done()
                    _heed_cancelling()
                    await self._rest()
                # A broad catch: whatever the driver, the network or a full disk come up with,
                # records wait and are shipped later.
                except Exception as error:
                    await self._failed(error)
                    if client is not None and not isinstance(error, PyMongoError):
                        await _close(client)
                        client = None
                    _heed_cancelling()
                    await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                    delay = min(2 * delay, LAST_DELAY)
        finally:
            await _close(client)

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        self._wake.clear()

    async def _ship(self, database: AsyncDatabase[Any]) -> bool:
        """Ship one batch; False if nothing waited."""
        if not self._ensured:
            await self._ensure(database)
        today = int(time.time()) // DAY
        told = self._told
        batch = await self._run(
            prepare, self._outbox, self._host, self._numbering, today != self._host_day, told
        )
        if batch is None:
            await self._look()
            return False
        await self._write_layouts(database, batch, today)
        for name, documents in batch.documents.items():
            if documents:
                await self._insert(database, name, documents)
        if batch.host:
            hosts = database.get_collection("hosts", write_concern=SURE)
            await hosts.replace_one({"_id": self._host}, RawBSONDocument(batch.host), upsert=True)
            self._host_day = today
        for name, raw in batch.told.items():
            collection = database.get_collection(name, write_concern=SURE)
            before = await collection.find_one_and_replace(
                {"_id": self._host}, RawBSONDocument(raw), {"wall": 1}, upsert=True
            )
            if name == "fleet" and told is not None:
                self._beware(told.wall, before)
        self._told = None if self._told is told else self._told
        await self._run(self._outbox.mark_shipped, batch.sequences)
        self._numbering = batch.numbering
        for text in batch.refused:
            log.error("MongoDB: %s; it stays in the local history alone", text)
        self.status.refused += len(batch.refused)
        self.status.shipped += len(batch.sequences) - len(batch.refused)
        self._caught_up += len(batch.sequences) - len(batch.refused)
        self.status.connected = True
        await self._look()
        return True

    def _beware(self, wall: float, before: Document | None) -> None:
        """Once this host told something, whatever else is found in its place was told by another
        one of the same name.
        """
        if (
            self._walls
            and before is not None
            and before.get("wall") not in self._walls
            and not self._doubled
        ):
            self._doubled = True
            log.error(
                "MongoDB: another host ships as %s, too: there the two become one; give one of "
                "them another host name",
                self._host,
            )
        self._walls = (*self._walls[-7:], wall)

    async def _write_layouts(self, database: AsyncDatabase[Any], batch: Batch, today: int) -> None:
        """Layouts expire like samples: each is written again on every day on which it is used."""
        missing = [
            layout for layout in batch.layouts.values() if self._written.get(layout.id) != today
        ]
        if not missing:
            return
        now = date(time.time())
        layouts = database.get_collection("layouts", write_concern=SURE)
        await layouts.bulk_write(
            [
                UpdateOne(
                    {"_id": layout.id},
                    {"$max": {"time": now}, "$setOnInsert": layout_document(self._host, layout)},
                    upsert=True,
                )
                for layout in missing
            ],
            ordered=False,
        )
        self._written = (
            {key: day for key, day in self._written.items() if day == today}
            if len(self._written) < 1000
            else {}
        )
        self._written |= {layout.id: today for layout in missing}

    async def _insert(
        self, database: AsyncDatabase[Any], name: str, documents: Sequence[bytes]
    ) -> None:
        """Insert, or make sure that the very same records are there already.

        A local history that was begun anew numbers its records from 1 again: those are other
        records under ids that are taken, and get ids that tell them apart.
        """
        collection = database.get_collection(name, write_concern=SURE)
        taken = [
            bson.decode(documents[index])
            for index in await _insert_new(collection, [RawBSONDocument(raw) for raw in documents])
        ]
        if not taken:
            return
        ids = [document["_id"] for document in taken]
        found = database[name].find({"host": self._host, "_id": {"$in": ids}}, {"wall": 1})
        walls = {one["_id"]: one.get("wall") async for one in found}
        others = [document for document in taken if walls.get(document["_id"]) != document["wall"]]
        for document in others:
            document["_id"] = f"{document['_id']}/{round(document['wall'] * 1000)}"
        if others:
            await _insert_new(collection, others)

    async def _ensure(self, database: AsyncDatabase[Any]) -> None:
        """Indexes and expiry. Without the permission for them records are shipped all the same."""
        keep = max(1, int(self._options.keep))
        try:
            for name in ("samples", "decisions"):
                await database[name].create_index([("host", 1), ("time", 1)])
            await database["layouts"].create_index("host")
            # Lists the hosts without reading what their documents hold.
            await database["hosts"].create_index([("time", 1), ("_id", 1)])
            for name in ("samples", "decisions", "layouts", "hosts", "fleet", "views"):
                longer = 0 if name in ("samples", "decisions") else 2 * DAY
                await self._expire(database, name, min(keep + longer, 2**31 - 1))
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:
                raise
            log.warning(
                "MongoDB: no permission to make indexes or to change how long records are kept: %s",
                _short(error),
            )
        self._ensured = True
        self._written = {}

    async def _expire(self, database: AsyncDatabase[Any], name: str, seconds: int) -> None:
        try:
            await database[name].create_index("time", expireAfterSeconds=seconds)
        except OperationFailure as error:
            if error.code not in INDEX_CONFLICTS:
                raise
            await database.command(
                "collMod", name, index={"keyPattern": {"time": 1}, "expireAfterSeconds": seconds}
            )

    async def _look(self) -> None:
        self.status.backlog = await self._run(self._outbox.backlog)

    def _done(self) -> None:
        """Nothing waits any more."""
        if self._away:
            log.warning(
                "MongoDB is back after %.0f s: %d records were shipped",
                time.monotonic() - self._since,
                self._caught_up,
            )
        elif not self.status.connected:
            log.info("MongoDB: connected, %d records were shipped", self._caught_up)
        self._away, self._caught_up = False, 0
        self.status.connected, self.status.last_error = True, ""

    async def _failed(self, error: Exception) -> None:
        self.status.connected, self.status.last_error = False, _short(error)
        self._ensured, self._numbering = False, None
        if not self._away:
            self._away, self._since, self._caught_up = True, time.monotonic(), 0
            log.warning("MongoDB is away, records wait in the local history: %s", _short(error))
        # The local history may be what failed.
        with contextlib.suppress(Exception):
            await self._look()


def check(options: MongodbOptions) -> None:
    """Whether the driver will take these. Connects to nothing. Raises ConfigError with a
    sentence.
    """
    driver_arguments(options)
    if options.url.startswith("mongodb://"):
        try:
            parse_uri(options.url, warn=False)
        except (PyMongoError, ValueError) as error:
            raise ConfigError([f"history.mongodb.url: {error}"]) from error


async def _insert_new(collection: AsyncCollection[Any], documents: Sequence[Any]) -> list[int]:
    """Insert; returns the places of documents whose id is taken. Raises PyMongoError if anything
    else went wrong.
    """
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        details = error.details or {}
        errors = details.get("writeErrors", [])
        if (
            details.get("writeConcernErrors")
            or not errors
            or any(one.get("code") != DUPLICATE_KEY for one in errors)
        ):
            raise
        # A refused duplicate, too, is answered only after a majority holds what it met (or with a
        # write concern error).
        return [one["index"] for one in errors]
    return []


def _heed_cancelling() -> None:
    """A cancellation that comes just as the driver's `wait_for` is met gets lost there (Python
    3.11), but was counted.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _close(client: AsyncMongoClient[Any] | None) -> None:
    if client is not None:
        with contextlib.suppress(PyMongoError, OSError):
            await client.close()


def _short(error: Exception) -> str:
    """What went wrong, without the documents that a bulk error carries."""
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        errors = [*details.get("writeErrors", []), *details.get("writeConcernErrors", [])]
        return (
            "; ".join(sorted({str(one.get("errmsg", "")) for one in errors}))[:300]
            or "a bulk write failed"
        )
    return (str(error).split(", Timeout:")[0] or type(error).__name__)[:300]
