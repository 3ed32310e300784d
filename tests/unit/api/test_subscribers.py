"""Listeners to server-sent events: bounded in number, and dropped when they do not keep up."""

from __future__ import annotations

import asyncio

import pytest

from irqbal.api.backend import ApiError
from irqbal.api.subscribers import Subscribers


def test_a_listener_gets_the_events_in_order_and_a_full_queue_is_dropped() -> None:
    async def run() -> None:
        subscribers = Subscribers()
        reads, sleeps = subscribers.subscribe(), subscribers.subscribe()
        for number in range(Subscribers.QUEUE + 1):
            subscribers.publish(b"%d" % number)
            assert await reads.next() == b"%d" % number
        assert await sleeps.next() is None
        assert len(subscribers) == 1

    asyncio.run(run())


def test_a_closed_subscription_ends_at_once_and_makes_room() -> None:
    async def run() -> None:
        subscribers = Subscribers()
        open_ones = [subscribers.subscribe() for _ in range(Subscribers.MOST)]
        with pytest.raises(ApiError, match="listeners are connected"):
            subscribers.subscribe()
        subscribers.publish(b"event")
        open_ones[0].close()
        open_ones[0].close()
        assert await open_ones[0].next() is None
        subscribers.subscribe()
        subscribers.close()
        assert len(subscribers) == 0 and await open_ones[1].next() is None

    asyncio.run(run())
