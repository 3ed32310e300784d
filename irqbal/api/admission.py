"""How much of the daemon anybody may take up: connections, and requests that cost memory or the
kernel's thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Hashable

from irqbal.api.auth import Peer
from irqbal.api.backend import ApiError

MOST_CONNECTIONS = 1024
MOST_OF_ONE = 512
"""Connections of one address, or one user of the Unix socket."""
MOST_HEAVY = 2
"""Requests that read much history, at a time …"""
MOST_WAITING = 32
"""… and how many may wait for their turn."""


class HeavyRequests:
    """Lets a few requests in at a time, and some wait: what they hold in memory is bounded."""

    def __init__(self, at_once: int = MOST_HEAVY, waiting: int = MOST_WAITING) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._left = at_once + waiting

    async def __aenter__(self) -> None:
        if self._left <= 0:
            raise ApiError(
                503,
                "busy",
                "too many requests for the history at once; try again",
                headers={"Retry-After": "2"},
            )
        self._left -= 1
        try:
            await self._turns.acquire()
        except BaseException:
            self._left += 1
            raise

    async def __aexit__(self, *_: object) -> None:
        self._left += 1
        self._turns.release()


class ConnectionLimit:
    """Who may connect: so many in all and of one address or user. Root, on the Unix socket, always
    gets in.
    """

    def __init__(self) -> None:
        self._open: dict[Hashable, int] = {}
        self._all = 0

    def enter(self, peer: Peer) -> bool:
        """Whether there is room."""
        if peer.uid in (0, os.geteuid()):
            return True
        key = _key(peer)
        if self._all >= MOST_CONNECTIONS or self._open.get(key, 0) >= MOST_OF_ONE:
            return False
        self._all += 1
        self._open[key] = self._open.get(key, 0) + 1
        return True

    def leave(self, peer: Peer) -> None:
        """One less."""
        if peer.uid in (0, os.geteuid()):
            return
        key = _key(peer)
        self._all -= 1
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]


def _key(peer: Peer) -> Hashable:
    return peer.address.rpartition(":")[0] if peer.uid is None else peer.uid
