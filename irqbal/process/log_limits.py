"""A bound on the lines that others can make irqbal log: wrong tokens and names in requests, and
what policies print. The number of sources does not matter.
"""

from __future__ import annotations

import logging
import time

LINES = 60
"""Lines of one logger in a minute."""
SECONDS = 60.0
LOUD = ("irqbal.api.http", "irqbal.plugins.channel", "tornado")
"""Loggers, and those below them, whose lines others cause."""


class LineLimit(logging.Filter):
    """Lets so many records through in a minute; the first of the next minute says how many were
    left out.
    """

    def __init__(self, lines: int = LINES) -> None:
        super().__init__()
        self._most = lines
        self._begun = 0.0
        self._lines = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """See logging.Filter."""
        now = time.monotonic()
        if now - self._begun >= SECONDS:
            self._begun, self._lines = now, 0
        self._lines += 1
        if self._lines > self._most:
            self._left_out += 1
            return False
        if self._left_out:
            text = f"{record.getMessage()} ({self._left_out} such lines were left out before)"
            record.msg, record.args = text, ()
            self._left_out = 0
        return True


def install() -> None:
    """Limit the loggers whose lines others cause. A filter counts for one logger alone, so that
    each module below has one of its own.
    """
    for name in list(logging.root.manager.loggerDict):
        if any(name == loud or name.startswith(f"{loud}.") for loud in LOUD):
            logger = logging.getLogger(name)
            if not any(isinstance(item, LineLimit) for item in logger.filters):
                logger.addFilter(LineLimit())
