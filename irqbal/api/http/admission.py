"""Limits on connections, and on requests that take much memory or time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Hashable

from irqbal.api.backend import ApiError
from irqbal.api.http.peer import Peer

MOST_CONNECTIONS = 1024
"""Connections at a time: each takes a file descriptor and buffers."""
MOST_OF_ONE = 512
"""Connections of one address, or of one user of the Unix socket: half of all."""
MOST_HEAVY = 2
"""Requests that read much history, at a time: each may hold tens of MB."""
MOST_WAITING = 32
"""Such requests that may wait for their turn; further ones are refused."""


class HeavyRequests:
    """A context manager around a heavy request: lets a few run, some wait, and refuses the rest."""

    def __init__(self, at_once: int = MOST_HEAVY, waiting: int = MOST_WAITING) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._places = at_once + waiting

    async def __aenter__(self) -> None:
        """Raises ApiError if too many wait."""
        if self._places <= 0:
            raise ApiError(
                503,
                "busy",
                "too many requests for the history at once; try again",
                headers={"Retry-After": "2"},
            )
        self._places -= 1
        try:
            await self._turns.acquire()
        except BaseException:
            self._places += 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self._places += 1
        self._turns.release()


class ConnectionLimit:
    """Counts connections, in all and by address or user. Root and irqbal's own user are not
    limited: they must always reach the Unix socket.
    """

    def __init__(self) -> None:
        self._by_client: dict[Hashable, int] = {}
        self._total = 0

    def enter(self, peer: Peer) -> bool:
        """Count a new connection; False if there is no room for it."""
        if _unlimited(peer):
            return True
        client = _client(peer)
        count = self._by_client.get(client, 0)
        if self._total >= MOST_CONNECTIONS or count >= MOST_OF_ONE:
            return False
        self._total += 1
        self._by_client[client] = count + 1
        return True

    def leave(self, peer: Peer) -> None:
        """Count a closed connection that had entered."""
        if _unlimited(peer):
            return
        client = _client(peer)
        self._total -= 1
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]


def _unlimited(peer: Peer) -> bool:
    return peer.uid in (0, os.geteuid())


def _client(peer: Peer) -> Hashable:
    return peer.host if peer.uid is None else peer.uid
