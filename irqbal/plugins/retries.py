"""When a policy that failed is tried again."""

from __future__ import annotations

import time

from irqbal.plugins import bounds


class Retries:
    """The failures of one policy, or of one distribution's. Times are of time.monotonic()."""

    def __init__(self) -> None:
        self._failures = 0
        self._next = 0.0
        self._due: float | None = None

    def failed(self) -> float:
        """Count a failure. Returns the seconds until the next try."""
        now = time.monotonic()
        if now - self._next > bounds.RECOVERED_AFTER:
            self._failures = 0
        delay = bounds.RETRY_DELAYS[min(self._failures, len(bounds.RETRY_DELAYS) - 1)]
        self._failures += 1
        self._next = self._due = now + delay
        return delay

    @property
    def is_due(self) -> bool:
        """Whether the time of the next try has come."""
        return self._due is not None and time.monotonic() >= self._due

    def take_due(self) -> bool:
        """Whether the time of the next try has come; true once for each failure."""
        if not self.is_due:
            return False
        self._due = None
        return True


def in_words(seconds: float) -> str:
    """A delay, such as `5 minutes`."""
    minutes = round(seconds / 60)
    return f"{minutes} minute{'s' if minutes != 1 else ''}"
