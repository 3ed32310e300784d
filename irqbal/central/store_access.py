"""A central server's access to its store: queries run on threads, and the outcome of the last one
decides whether the server is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from irqbal.api import responses
from irqbal.central.stores import FleetStore
from irqbal.errors import HistoryError

log = logging.getLogger(__name__)
T = TypeVar("T")

PROBE_TTL = 2.0
"""Seconds for which the store's last answer decides whether this server is ready."""
PROBE_TIMEOUT = 3.0
"""Seconds to wait for the store's answer to a probe."""


class StoreAccess:
    """Runs queries on as many threads as the store allows. Belongs to the loop."""

    def __init__(self, store: FleetStore) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(store.threads, "store")
        self._trouble = ""
        """Why the last query failed; empty: it did not."""
        self._answered = -PROBE_TTL
        """When the last query ended, in monotonic seconds."""
        self._probing: asyncio.Task[None] | None = None

    async def read(self, work: Callable[[FleetStore], T]) -> T:
        """Run a query. Logs when the store fails and when it is back. Raises HistoryError."""
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                self._threads, work, self._store
            )
        except HistoryError as error:
            if not self._trouble:
                log.error("%s", error)
            self._trouble = str(error)
            raise
        finally:
            self._answered = time.monotonic()
        if self._trouble:
            log.warning("the store can be read again")
        self._trouble = ""
        return result

    async def readiness(self) -> responses.Health:
        """Whether the store could be read within the last PROBE_TTL seconds; probes it if there was
        no query since.
        """
        if time.monotonic() - self._answered > PROBE_TTL:
            # One probe at a time: a thread that waits for the store cannot be interrupted.
            if self._probing is None or self._probing.done():
                self._probing = asyncio.create_task(self._probe())
            done, _ = await asyncio.wait([self._probing], timeout=PROBE_TIMEOUT)
            if not done:
                return responses.Health(
                    False, f"the store has not answered for {PROBE_TIMEOUT:.0f} s"
                )
        return responses.Health(not self._trouble, self._trouble)

    async def _probe(self) -> None:
        with contextlib.suppress(HistoryError):
            await self.read(lambda store: store.ping())

    def close(self) -> None:
        """Wait for running queries, and close the store."""
        if self._probing is not None:
            self._probing.cancel()
        self._threads.shutdown()
        self._store.close()
