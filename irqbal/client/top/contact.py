"""What the screen knows of the daemon: the last reading, and since when it is silent. Pure: times
are `time.monotonic()` seconds, passed in.
"""

from __future__ import annotations

import msgspec

from irqbal.api.contract import responses
from irqbal.client.top.connection import needs_token
from irqbal.client.top.feed import error_sentence, pause_between
from irqbal.client.top.reading import Reading
from irqbal.errors import IrqbalError

SILENT_INTERVALS = 3
"""Pauses between readings without one before the daemon is reported as silent."""
SILENT_SECONDS = 5.0
"""… but not before so many seconds."""


class DaemonContact:
    """The last reading, and the failure since then if there is one. `target` is the daemon's
    address as its errors name it, `delay` the seconds between two readings (None: the daemon's
    interval).
    """

    def __init__(self, target: str, delay: float | None = None) -> None:
        self._target, self._delay = target, delay
        self._last: Reading | None = None
        self._read_at = 0.0
        self._failure: IrqbalError | None = None
        self._failed_since = 0.0

    @property
    def last(self) -> Reading | None:
        """The last reading."""
        return self._last

    @property
    def status(self) -> responses.Status | None:
        """The last status; None before the first reading."""
        return None if self._last is None else self._last.status

    @property
    def cpus(self) -> tuple[responses.CpuView, ...]:
        """The CPUs of the last reading."""
        return () if self._last is None else self._last.cpus

    def age(self, now: float) -> float:
        """Seconds since what is shown was measured, if that is long ago; else 0."""
        if self._last is None or not self._last.age:
            return 0.0
        return self._last.age + now - self._read_at

    def resumed(self, now: float) -> None:
        """This process was stopped until now, so nothing could be read."""
        self._read_at = now

    def received(self, reading: Reading, now: float) -> bool:
        """Store a reading. True if the daemon answers again after a failure."""
        again = self._failure is not None and self._last is not None
        self._last, self._failure, self._read_at = reading, None, now
        return again

    def failed(self, error: IrqbalError, now: float) -> None:
        """Store a failure. The time of the first in a row counts."""
        if self._failure is None:
            self._failed_since = now
        self._failure = error

    def set_status(self, status: responses.Status) -> None:
        """Replace the status with a newer one, ahead of the next reading."""
        if self._last is not None:
            self._last = msgspec.structs.replace(self._last, status=status)

    def silence(self, now: float) -> str:
        """For how long the daemon tells nothing, and why; empty if it does."""
        if self._failure is not None:
            since = f"for {now - self._failed_since:.0f} s"
            if needs_token(self._failure):
                return f"NO TOKEN {since}, T asks for one: {error_sentence(self._failure)}"
            # The address stands on the screen already, and would push the reason off the line.
            reason = error_sentence(self._failure).removeprefix(
                f"the daemon at {self._target} does not answer: "
            )
            return f"DAEMON SILENT {since}: {reason}"
        if self._last is not None:
            interval = pause_between(self._last, self._delay)
            if now - self._read_at > max(SILENT_SECONDS, SILENT_INTERVALS * interval):
                return f"DAEMON SILENT: no answer for {now - self._read_at:.0f} s"
        return ""
