"""Whether more and more records wait for MongoDB. Pure."""

from __future__ import annotations

FEW = 20
"""Records that wait without a word: a database that is restarted leaves some."""
SAMPLES = 15
"""Times between two samples of the history that lie between the two counts which are compared."""


class OutboxWatch:
    """Compares the number of waiting records with that of a while ago."""

    def __init__(self, every: float) -> None:
        """`every`: seconds between two samples."""
        self._window = every * SAMPLES
        self._then: tuple[float, int] | None = None
        """(time, count) of the window's beginning."""
        self.grows = False
        """Whether more wait than a while ago, and more than a few."""

    def note(self, waiting: int, now: float) -> None:
        """So many wait at this time (seconds of a monotonic clock)."""
        if self._then is None:
            self._then = (now, waiting)
        began, before = self._then
        if waiting <= FEW or waiting < before:
            self.grows, self._then = False, (now, waiting)
        elif now - began >= self._window:
            self.grows, self._then = waiting > before, (now, waiting)
