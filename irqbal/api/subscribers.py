"""The listeners to one host's server-sent events.

An event is encoded once for all of them. Each has a bounded queue; a listener whose queue is full
is dropped, so that publishing never waits.
"""

from __future__ import annotations

import asyncio

from irqbal.api import responses
from irqbal.api.backend import ApiError, Subscription
from irqbal.wire import to_json


class Subscribers:
    """The listeners of one host."""

    MOST = 64
    """Listeners at a time: each holds a connection and a queue in memory."""
    QUEUE = 32
    """Events that may wait for one listener, before it is dropped."""

    def __init__(self) -> None:
        self._queues: set[_EventQueue] = set()

    def subscribe(self) -> Subscription:
        """A queue of the events from now on. Raises ApiError if there are too many listeners."""
        if len(self._queues) >= self.MOST:
            raise ApiError(
                503,
                "too-many-listeners",
                f"{self.MOST} listeners are connected; close one, or poll /status",
            )
        queue = _EventQueue(self)
        self._queues.add(queue)
        return queue

    def publish(self, cycle: responses.Cycle) -> None:
        """Queue an event of this cycle for every listener."""
        self._put(b"id: %d\nevent: cycle\ndata: %s\n\n" % (cycle.cycle, to_json(cycle)))

    def heartbeat(self) -> None:
        """Queue a comment, by which listeners see that the connection is alive."""
        self._put(b": still here\n\n")

    def _put(self, event: bytes) -> None:
        for queue in list(self._queues):
            queue.put(event)

    def remove(self, queue: _EventQueue) -> None:
        """Queue no more events for this listener."""
        self._queues.discard(queue)

    def close(self) -> None:
        """Close all subscriptions."""
        for queue in list(self._queues):
            queue.close()

    def __len__(self) -> int:
        return len(self._queues)


class _EventQueue:
    def __init__(self, subscribers: Subscribers) -> None:
        self._subscribers = subscribers
        # One place more, for the None that ends it.
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(Subscribers.QUEUE + 1)

    def put(self, event: bytes) -> None:
        if self._events.qsize() >= Subscribers.QUEUE:
            self.close()
        else:
            self._events.put_nowait(event)

    async def next(self) -> bytes | None:
        return await self._events.get()

    def close(self) -> None:
        self._subscribers.remove(self)
        while not self._events.empty():
            self._events.get_nowait()
        self._events.put_nowait(None)
