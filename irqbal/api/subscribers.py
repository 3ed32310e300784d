"""The listeners to one host's server-sent events.

An event is encoded once for all of them. Each has a bounded queue; a listener whose queue is full
is dropped, so that publishing never waits. If all places are taken, the client with the most loses
its oldest one to another client.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from irqbal.api import responses
from irqbal.api.backend import ApiError, Subscription
from irqbal.api.sharing import Requester, requester
from irqbal.wire import to_json


class Subscribers:
    """The listeners of one host."""

    MOST = 64
    """Listeners at a time: each holds a connection and a queue in memory."""
    RESERVED = 16
    """Further places of root and of holders of tokens."""
    QUEUE = 32
    """Events that may wait for one listener, before it is dropped."""

    def __init__(self) -> None:
        self._queues: dict[_EventQueue, Requester] = {}
        """In the order in which they came."""
        self.somebody = asyncio.Event()
        """Set while there are listeners."""

    def subscribe(self) -> Subscription:
        """A queue of the events from now on. Raises ApiError if there are too many listeners."""
        who = requester.get()
        same = [queue for queue, one in self._queues.items() if one.reserved == who.reserved]
        most = self.RESERVED if who.reserved else self.MOST
        if len(same) >= most and not self._make_room(who, same):
            raise ApiError(
                503,
                "too-many-listeners",
                f"{most} listeners are connected; close one, or poll /status",
            )
        queue = _EventQueue(self)
        self._queues[queue] = who
        self.somebody.set()
        return queue

    def _make_room(self, who: Requester, queues: list[_EventQueue]) -> bool:
        """Close the oldest of the client that has the most of these, unless `who` has as many."""
        counts = Counter(self._queues[queue].key for queue in queues)
        key, most = counts.most_common(1)[0]
        if most <= counts[who.key] + 1:
            return False
        next(queue for queue in queues if self._queues[queue].key == key).close()
        return True

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
        self._queues.pop(queue, None)
        if not self._queues:
            self.somebody.clear()

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
