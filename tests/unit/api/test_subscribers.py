"""Listeners to server-sent events: bounded in number, and dropped when they do not keep up."""

from __future__ import annotations

import asyncio

import pytest

from irqbal.api import responses, views
from irqbal.api.backend import ApiError
from irqbal.api.sharing import Requester, requester
from irqbal.api.subscribers import Subscribers
from irqbal.model.plan import Plan, Record
from irqbal.model.view import Snapshot


def cycle(number: int) -> responses.Cycle:
    return views.cycle(Record(number, 0.0, 0.0, "interval", False, Plan()), Snapshot())


def test_a_listener_gets_the_events_in_order_and_a_full_queue_is_dropped() -> None:
    async def run() -> None:
        subscribers = Subscribers()
        reads, sleeps = subscribers.subscribe(), subscribers.subscribe()
        for number in range(Subscribers.QUEUE + 1):
            subscribers.publish(cycle(number))
            event = await reads.next()
            assert event is not None
            assert event.startswith(b"id: %d\nevent: cycle\ndata: {" % number)
            assert event.endswith(b"}\n\n")
        assert await sleeps.next() is None
        assert len(subscribers) == 1

    asyncio.run(run())


def test_a_closed_subscription_ends_at_once_and_makes_room() -> None:
    async def run() -> None:
        subscribers = Subscribers()
        requester.set(Requester("loopback", False))
        listeners = [subscribers.subscribe() for _ in range(Subscribers.MOST)]
        with pytest.raises(ApiError, match="listeners are connected"):
            subscribers.subscribe()
        subscribers.heartbeat()
        listeners[0].close()
        listeners[0].close()
        assert await listeners[0].next() is None
        subscribers.subscribe()
        subscribers.close()
        assert len(subscribers) == 0 and await listeners[1].next() is None

    asyncio.run(run())
