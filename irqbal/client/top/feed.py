"""Requests to the daemon, each outside the screen's thread: the client blocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from irqbal.client.retry import pause_after
from irqbal.client.top.reading import Reading, StateReader
from irqbal.errors import IrqbalError

T = TypeVar("T")

SHORTEST, LONGEST = 0.25, 10.0
"""Bounds of the seconds between two readings, which otherwise follow the daemon's interval. Users
override IRQs between its cycles, so a long interval is not waited for.
"""


class ReadingFeed:
    """Reads the daemon's state every `delay` seconds, or for None at its interval, until stopped.
    `publish` receives each reading, or the error; it is called in the feed's thread. The next
    reading waits until `shown` was called, and for as long again as that took: a screen that draws
    slowly must not fall behind, and must have time for keys.

    That is a daemon thread, so quitting does not wait for an answer that may never come.
    """

    def __init__(
        self,
        reader: StateReader,
        publish: Callable[[Reading | IrqbalError], None],
        delay: float | None = None,
    ) -> None:
        self._reader, self._publish, self._delay = reader, publish, delay
        self._wake, self._shown = threading.Event(), threading.Event()
        self._changes = 0
        self._stopped = False

    def start(self) -> None:
        """Start reading."""
        threading.Thread(target=self._run, name="irqbal-top", daemon=True).start()

    def refresh(self) -> None:
        """Read now, because something was changed. A reading that is under way may be older than
        the change, so it is dropped.
        """
        self._changes += 1
        self._reader.expire()
        self._wake.set()

    def stop(self) -> None:
        """Stop reading, and publish nothing more."""
        self._stopped = True
        self._wake.set()
        self._shown.set()

    def shown(self) -> None:
        """What was published last is on the screen."""
        self._shown.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopped:
            self._wake.clear()
            changes = self._changes
            try:
                result: Reading | IrqbalError = self._reader.read()
            except IrqbalError as error:
                result = error
            if self._stopped:
                return
            if isinstance(result, Reading):
                failures = 0
                if changes != self._changes:
                    continue
                pause = pause_between(result, self._delay)
            else:
                pause = pause_after(failures)
                failures += 1
            begun = time.monotonic()
            self._shown.clear()
            self._publish(result)
            if not self._stopped:
                self._shown.wait()
                self._wake.wait(max(pause, time.monotonic() - begun))


def pause_between(reading: Reading, delay: float | None) -> float:
    """Seconds from one reading to the next: `delay`, or for None the daemon's interval, within
    bounds.
    """
    if delay is not None:
        return delay
    return min(max(float(reading.status.interval), SHORTEST), LONGEST)


def in_background(request: Callable[[], T], done: Callable[[T | IrqbalError], None]) -> None:
    """Run a request in its own thread, which then calls `done` with the answer or the error."""

    def run() -> None:
        try:
            result: T | IrqbalError = request()
        except IrqbalError as error:
            result = error
        done(result)

    threading.Thread(target=run, name="irqbal-top-ask", daemon=True).start()


def error_sentence(error: IrqbalError) -> str:
    """The error on one line."""
    return "; ".join(str(error).split("\n"))
