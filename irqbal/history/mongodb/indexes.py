"""The indexes of irqbal's collections, and when MongoDB deletes their documents (TTL indexes)."""

from __future__ import annotations

import logging
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from irqbal.history.mongodb.error_text import describe

log = logging.getLogger(__name__)

DAY = 86400
"""Seconds."""
MAX_EXPIRY = 2**31 - 1
"""Most seconds of a TTL index (MongoDB: expireAfterSeconds is a signed 32-bit number)."""
EXPIRES_AFTER = {
    "samples": 0,
    "decisions": 0,
    "layouts": 2 * DAY,
    "hosts": 2 * DAY,
    "fleet": 2 * DAY,
    "views": 2 * DAY,
}
"""Collection -> seconds beyond `keep` that its documents stay. Those that records refer to outlive
the records; they are written again at least daily.
"""
UNAUTHORIZED = 13
"""MongoDB's code for a missing permission."""
INDEX_CONFLICTS = (85, 86)
"""MongoDB's codes for an index that exists with other options."""


async def ensure_indexes(database: AsyncDatabase[Any], keep: float) -> None:
    """Create the indexes, and set how long records are kept, in seconds. Without the permission for
    it this only logs a warning. Raises PyMongoError.
    """
    try:
        for name in ("samples", "decisions"):
            await database[name].create_index([("host", 1), ("time", 1)])
        await database["layouts"].create_index("host")
        # Lists the hosts from the index alone: their documents are long.
        await database["hosts"].create_index([("time", 1), ("_id", 1)])
        for name, longer in EXPIRES_AFTER.items():
            await _expire(database, name, min(max(1, int(keep)) + longer, MAX_EXPIRY))
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        log.warning(
            "MongoDB: no permission to create indexes or to change how long records are kept: %s",
            describe(error),
        )


async def _expire(database: AsyncDatabase[Any], name: str, seconds: int) -> None:
    """Delete documents of this collection when `time` is this long ago."""
    try:
        await database[name].create_index("time", expireAfterSeconds=seconds)
    except OperationFailure as error:
        if error.code not in INDEX_CONFLICTS:
            raise
        await database.command(
            "collMod", name, index={"keyPattern": {"time": 1}, "expireAfterSeconds": seconds}
        )
