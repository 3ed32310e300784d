"""Who takes up the server's places: connections, listeners, heavy requests, and work on the kernel
thread are shared by client, so that nobody shuts the others out.

A client is a user of the Unix socket, an address (all of loopback is one, an IPv6 network of 64
bits is one: whoever has one address of it has all), or the holder of a token. Root and holders of
tokens have places of their own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from contextvars import ContextVar

import msgspec


class Requester(msgspec.Struct, frozen=True):
    """Who asks. `reserved`: root, irqbal's own user, or the holder of a token."""

    key: Hashable
    reserved: bool


IRQBAL = Requester("irqbal", True)
"""irqbal itself."""
requester: ContextVar[Requester] = ContextVar("requester", default=IRQBAL)
"""The client for whom the present task works."""


_Queues = dict[Hashable, deque[asyncio.Future[None]]]
"""Who waits, by client: the one whose turn is next first."""


class FairTurns:
    """A context manager around work of which few run at a time. Clients get turns one after the
    other; those with reserved places have one of their own besides.
    """

    def __init__(self, at_once: int, waiting: int, refusal: Callable[[], Exception]) -> None:
        """`at_once`: how many run; `waiting`: how many may wait, and as many with reserved places;
        `refusal` makes the error for one who may not.
        """
        self._at_once, self._most, self._refusal = at_once, waiting, refusal
        self._running = {True: 0, False: 0}
        """How many run, by whether they have reserved places."""
        self._reserved: _Queues = {}
        self._others: _Queues = {}

    async def __aenter__(self) -> None:
        """Raises the refusal if too many wait. The last one of the client with most who wait may be
        refused for another client.
        """
        who = requester.get()
        if self._has_room(who.reserved):
            self._running[who.reserved] += 1
            return
        queue = self._place(self._reserved if who.reserved else self._others, who.key)
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # It was given the turn in this very moment.
                self._release(who.reserved)
            elif turn in queue:
                queue.remove(turn)
            raise

    async def __aexit__(self, *_: object) -> None:
        self._release(requester.get().reserved)

    def _has_room(self, reserved: bool) -> bool:
        """Whether another one may run now. While others wait, those with reserved places have one
        of their own and half of the rest.
        """
        mine, most = self._running[reserved], self._at_once
        if reserved:
            most = 1 + (self._at_once // 2 if self._others else self._at_once)
        return mine < most and sum(self._running.values()) <= self._at_once

    def _place(self, queues: _Queues, key: Hashable) -> deque[asyncio.Future[None]]:
        """This client's queue, which has room for one more. Raises the refusal."""
        for gone in [key for key, queue in queues.items() if not _tidied(queue)]:
            del queues[gone]
        if sum(map(len, queues.values())) >= self._most:
            largest = max(queues.values(), key=len)
            if len(largest) <= len(queues.get(key, ())) + 1:
                raise self._refusal()
            largest.pop().set_exception(self._refusal())
        return queues.setdefault(key, deque())

    def _release(self, reserved: bool) -> None:
        self._running[reserved] -= 1
        for mine, queues in ((True, self._reserved), (False, self._others)):
            while self._has_room(mine) and self._give_turn(queues, mine):
                pass

    def _give_turn(self, queues: _Queues, reserved: bool) -> bool:
        """Give the turn to the next one who waits, if there is one."""
        for key in list(queues):
            queue = queues.pop(key)
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    if queue:
                        # The next turn is another client's.
                        queues[key] = queue
                    self._running[reserved] += 1
                    turn.set_result(None)
                    return True
        return False

    @property
    def waiting(self) -> int:
        """How many wait."""
        queues = (*self._reserved.values(), *self._others.values())
        return sum(map(len, queues))


def _tidied(queue: deque[asyncio.Future[None]]) -> bool:
    """Take out those who gave up; returns whether anybody is left."""
    left = [turn for turn in queue if not turn.done()]
    if len(left) < len(queue):
        queue.clear()
        queue.extend(left)
    return bool(queue)
