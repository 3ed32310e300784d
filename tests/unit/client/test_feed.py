"""The feed of `top` reads no faster than the screen draws."""

from __future__ import annotations

import threading
from typing import cast

import msgspec

import machine
from irqbal.client.http import Client
from irqbal.client.top.connection import TopConnection
from irqbal.client.top.feed import ReadingFeed
from irqbal.client.top.reading import Reading, StateReader
from irqbal.errors import IrqbalError
from irqbal.wire import Duration


class QuickStatus(msgspec.Struct):
    interval: Duration = Duration(0.01)
    last: None = None


class CountingDaemon:
    """Counts how often it is asked."""

    clock_skew = 0.0

    def __init__(self) -> None:
        self.asked = 0

    def ask(self, name: str, *_: object) -> object:
        self.asked += name == "irqs"
        return QuickStatus() if name == "status" else ()


def reader_of(daemon: CountingDaemon) -> StateReader:
    return StateReader(TopConnection(cast(Client, daemon), lambda text: None))


def test_the_next_reading_waits_until_the_last_one_is_on_the_screen() -> None:
    daemon, arrived = CountingDaemon(), threading.Semaphore(0)

    def take(result: Reading | IrqbalError) -> None:
        arrived.release()

    feed = ReadingFeed(reader_of(daemon), take)
    feed.start()
    try:
        for reading in range(1, 4):
            assert arrived.acquire(timeout=machine.WAIT)
            assert not arrived.acquire(timeout=0.6), "nothing was shown"
            assert daemon.asked == reading
            feed.shown()
        feed.refresh()
        assert arrived.acquire(timeout=machine.WAIT)
    finally:
        feed.stop()


def test_a_feed_that_is_stopped_waits_for_no_screen() -> None:
    daemon, arrived = CountingDaemon(), threading.Event()
    feed = ReadingFeed(reader_of(daemon), lambda result: arrived.set())
    feed.start()
    assert arrived.wait(machine.WAIT)
    thread = next(item for item in threading.enumerate() if item.name == "irqbal-top")
    feed.stop()
    thread.join(machine.WAIT)
    assert not thread.is_alive()
