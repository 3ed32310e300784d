"""Ships the history to MongoDB. The local SQLite file is the outbox.

A batch is read and encoded on the history thread, written to MongoDB on the loop, and only then
marked as shipped. If anything fails in between, the batch is shipped again, which duplicates
nothing. However long MongoDB is away, only one batch is held in memory.

This module needs pymongo (the extra `mongodb`), and is imported only if MongoDB is configured.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from irqbal.config.mongodb_options import MongodbOptions, driver_arguments
from irqbal.errors import ConfigError
from irqbal.history.host_status import HostStatus
from irqbal.history.mongodb.batch import BatchRequest, next_batch
from irqbal.history.mongodb.batch_writer import BatchWriter
from irqbal.history.mongodb.documents import CellNumbering
from irqbal.history.mongodb.error_text import describe
from irqbal.history.mongodb.indexes import ensure_indexes
from irqbal.history.store import Outbox

log = logging.getLogger(__name__)

POLL = 5.0
"""Seconds between two looks into the outbox if `wake` is not called."""
FIRST_DELAY, LAST_DELAY = 1.0, 60.0
"""Seconds between two attempts while MongoDB is away: doubled from the first to the last."""

Run = Callable[..., Awaitable[Any]]
"""`run(function, *arguments)` awaits a blocking call on the history thread."""


class ShipperStatus(msgspec.Struct):
    """How shipping goes. `backlog` is the number of records that wait. `shipped` and `refused`
    count since the start; a refused record stays only in the local history.
    """

    connected: bool = False
    backlog: int = 0
    shipped: int = 0
    refused: int = 0


class Shipper:
    """Empties the outbox into MongoDB while `serve` runs. Belongs to the loop."""

    def __init__(self, options: MongodbOptions, host: str, outbox: Outbox, run: Run) -> None:
        self._options, self._host, self._outbox, self._run = options, host, outbox, run
        self._wake = asyncio.Event()
        self._writer = BatchWriter(host)
        self._numbering: CellNumbering | None = None
        """That of the last batch; None: read it from the outbox."""
        self._host_status: HostStatus | None = None
        """The status to ship with the next batch; None: it is shipped already."""
        self._has_indexes = False
        self._away_since: float | None = None
        """When MongoDB went away (monotonic seconds); None: it is there."""
        self._since_contact = 0
        """Records shipped since MongoDB went away, or since the start."""
        self.status = ShipperStatus()

    def wake(self) -> None:
        """Look into the outbox now."""
        self._wake.set()

    def set_host_status(self, status: HostStatus) -> None:
        """Ship this status with the next batch, instead of an earlier one that was not shipped."""
        self._host_status = status

    async def serve(self) -> None:
        """Ship until cancelled."""
        client: AsyncMongoClient[Any] | None = None
        delay = FIRST_DELAY
        try:
            while True:
                try:
                    if client is None:
                        client = AsyncMongoClient(**driver_arguments(self._options))
                    while await self._ship(client[self._options.database]):
                        delay = FIRST_DELAY
                        _raise_if_cancelled()
                    delay = FIRST_DELAY
                    self._emptied()
                    _raise_if_cancelled()
                    await self._wait()
                # A broad catch: whatever the driver, the network or a full disk raises, records
                # wait and are shipped later.
                except Exception as error:
                    await self._failed(error)
                    if client is not None and not isinstance(error, PyMongoError):
                        await _close(client)
                        client = None
                    _raise_if_cancelled()
                    await asyncio.sleep(delay * random.uniform(0.5, 1.0))
                    delay = min(2 * delay, LAST_DELAY)
        finally:
            await _close(client)

    async def _wait(self) -> None:
        """Wait for `wake`, at most POLL seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        self._wake.clear()

    async def _ship(self, database: AsyncDatabase[Any]) -> bool:
        """Ship one batch; False if nothing waited."""
        if not self._has_indexes:
            await ensure_indexes(database, self._options.keep)
            self._has_indexes = True
            self._writer.forget_layouts()
        host_status = self._host_status
        request = BatchRequest(
            host=self._host,
            numbering=self._numbering,
            with_host=self._writer.host_is_due(),
            status=host_status,
        )
        batch = await self._run(next_batch, self._outbox, request)
        if batch is None:
            await self._count_backlog()
            return False
        await self._writer.write(database, batch, None if host_status is None else host_status.wall)
        if self._host_status is host_status:
            self._host_status = None
        await self._run(self._outbox.mark_shipped, batch.sequences)
        self._numbering = batch.numbering
        for text in batch.refused:
            log.error("MongoDB: %s; it stays in the local history alone", text)
        shipped = len(batch.sequences) - len(batch.refused)
        self.status.refused += len(batch.refused)
        self.status.shipped += shipped
        self._since_contact += shipped
        self.status.connected = True
        await self._count_backlog()
        return True

    async def _count_backlog(self) -> None:
        self.status.backlog = await self._run(self._outbox.backlog)

    def _emptied(self) -> None:
        """The outbox is empty: log it if MongoDB was away, or at the first time."""
        if self._away_since is not None:
            log.warning(
                "MongoDB is back after %.0f s: %d records were shipped",
                time.monotonic() - self._away_since,
                self._since_contact,
            )
        elif not self.status.connected:
            log.info("MongoDB: connected, %d records were shipped", self._since_contact)
        self._away_since, self._since_contact = None, 0
        self.status.connected = True

    async def _failed(self, error: Exception) -> None:
        """Log the first failure, and begin again with the connection's state unknown."""
        text = describe(error)
        self.status.connected = False
        self._has_indexes, self._numbering = False, None
        if self._away_since is None:
            self._away_since, self._since_contact = time.monotonic(), 0
            log.warning("MongoDB is away, records wait in the local history: %s", text)
        # The local history may be what failed.
        with contextlib.suppress(Exception):
            await self._count_backlog()


def check(options: MongodbOptions) -> None:
    """Check that the driver accepts these options, without connecting. Raises ConfigError with a
    sentence.
    """
    driver_arguments(options)
    if options.url.startswith("mongodb://"):
        try:
            parse_uri(options.url, warn=False)
        except (PyMongoError, ValueError) as error:
            raise ConfigError([f"history.mongodb.url: {error}"]) from error


def _raise_if_cancelled() -> None:
    """Raise a cancellation that the driver has lost: in Python 3.11 `asyncio.wait_for` drops one
    that arrives just as what it waits for is done, but the task still counts it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _close(client: AsyncMongoClient[Any] | None) -> None:
    if client is not None:
        with contextlib.suppress(PyMongoError, OSError):
            await client.close()
