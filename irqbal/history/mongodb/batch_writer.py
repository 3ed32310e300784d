"""Writes batches to MongoDB. Every write is acknowledged by a majority of the members, on disk.

Ids follow from the records. A batch that was interrupted can be written again: nothing is
duplicated.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from irqbal.history.mongodb.batch import Batch
from irqbal.history.mongodb.documents import Document, Layout, date, layout_document
from irqbal.history.mongodb.indexes import DAY

log = logging.getLogger(__name__)

MAJORITY = WriteConcern(w="majority", j=True, wtimeout=10_000)
"""A write fails if a majority has not confirmed it within 10 s."""
DUPLICATE_KEY = 11000
"""MongoDB's code for an id that is taken."""
MAX_LAYOUTS = 1000
"""Layouts that are remembered as written: more than a host has in a day."""


class BatchWriter:
    """Writes the batches of one host."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._layout_days: dict[str, int] = {}
        """Layout id -> the day (since the epoch) on which it was last written."""
        self._host_day = 0
        """The day on which the host's document was last written."""
        self._twins = TwinDetector(host)

    def forget_layouts(self) -> None:
        """Write all layouts again: the database may be another one now."""
        self._layout_days = {}

    def host_is_due(self) -> bool:
        """Whether the host's document was not written today: it expires unless it is renewed."""
        return self._host_day != _today()

    async def write(self, database: AsyncDatabase[Any], batch: Batch, wall: float | None) -> None:
        """Write a batch: layouts before the samples that refer to them. `wall` is the time of the
        status in it, seconds since the epoch; None if there is none. Raises PyMongoError.
        """
        today = _today()
        await self._write_layouts(database, list(batch.layouts.values()), today)
        for name, documents in batch.documents.items():
            if documents:
                await self._insert(database, name, documents)
        if batch.host:
            hosts = database.get_collection("hosts", write_concern=MAJORITY)
            await hosts.replace_one({"_id": self._host}, RawBSONDocument(batch.host), upsert=True)
            self._host_day = today
        for name, raw in batch.status.items():
            collection = database.get_collection(name, write_concern=MAJORITY)
            before = await collection.find_one_and_replace(
                {"_id": self._host}, RawBSONDocument(raw), {"wall": 1}, upsert=True
            )
            if name == "fleet" and wall is not None:
                self._twins.replaced(before, wall)

    async def _write_layouts(
        self, database: AsyncDatabase[Any], layouts: Sequence[Layout], today: int
    ) -> None:
        """Write layouts that were not written today: they expire like samples, so each is renewed
        on every day on which it is used.
        """
        missing = [layout for layout in layouts if self._layout_days.get(layout.id) != today]
        if not missing:
            return
        now = date(time.time())
        collection = database.get_collection("layouts", write_concern=MAJORITY)
        await collection.bulk_write(
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
        if len(self._layout_days) >= MAX_LAYOUTS:
            self._layout_days = {}
        self._layout_days |= {layout.id: today for layout in missing}

    async def _insert(
        self, database: AsyncDatabase[Any], name: str, documents: Sequence[bytes]
    ) -> None:
        """Insert records, unless the very same ones are there already; those get their present
        `clock`.

        A local history that was replaced by a new one numbers its records from 1 again. They are
        other records than those that have their ids, and get longer ids that include the time.
        """
        collection = database.get_collection(name, write_concern=MAJORITY)
        taken = [
            bson.decode(documents[index])
            for index in await _insert_new(collection, [RawBSONDocument(raw) for raw in documents])
        ]
        if not taken:
            return
        ids = [document["_id"] for document in taken]
        stored = database[name].find(
            {"host": self._host, "_id": {"$in": ids}}, {"wall": 1, "clock": 1}
        )
        known = {one["_id"]: one async for one in stored}
        others = []
        for document in taken:
            found = known.get(document["_id"], {})
            if found.get("wall") != document["wall"]:
                others.append(document)
            elif found.get("clock", "") != document.get("clock", ""):
                # Its time was in doubt when it was shipped first.
                await collection.replace_one({"_id": document["_id"]}, document)
        for document in others:
            document["_id"] = f"{document['_id']}/{round(document['wall'] * 1000)}"
        if others:
            await _insert_new(collection, others)


class TwinDetector:
    """Detects that another host ships under the same name, and logs it once."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._walls: deque[float] = deque(maxlen=8)
        """Times of the last statuses of this host; several, as a write may be repeated."""
        self._detected = False

    def replaced(self, before: Document | None, wall: float) -> None:
        """This host's status of the time `wall` has replaced the document `before`. After the first
        time, `before` must be an earlier status of this host.
        """
        if (
            self._walls
            and before is not None
            and before.get("wall") not in self._walls
            and not self._detected
        ):
            self._detected = True
            log.error(
                "MongoDB: another host ships as %s, too: their records are mixed up there; give "
                "one of them another host name",
                self._host,
            )
        self._walls.append(wall)


async def _insert_new(collection: AsyncCollection[Any], documents: Sequence[Any]) -> list[int]:
    """Insert documents; returns the indices of those whose id is taken. Raises PyMongoError if
    anything else went wrong.
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
        # MongoDB answers a duplicate, too, only after a majority holds the document that has its
        # id, or with a write concern error.
        return [one["index"] for one in errors]
    return []


def _today() -> int:
    """Days since the epoch."""
    return int(time.time()) // DAY
