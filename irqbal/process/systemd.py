"""Telling systemd how the daemon is (sd_notify(3)) and logging in a way that journald understands
(sd-daemon(3)).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
import time
from pathlib import Path

_CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
_LEVELS = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}


def notify(*lines: str) -> None:
    """Send state to the service manager; nothing happens where there is none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
    ):
        sock.sendto(
            "\n".join(lines).encode(), f"\0{address[1:]}" if address.startswith("@") else address
        )


def reloading() -> None:
    """RELOADING=1 with the time that systemd compares with its own (CLOCK_MONOTONIC,
    microseconds).
    """
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear from this process, or None if it does not."""
    pid, microseconds = os.environ.get("WATCHDOG_PID"), os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or (pid is not None and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1e6


def unit_of(cgroup: Path) -> str:
    """The service that a process belongs to, by the end of its control group's path (proc(5));
    empty if it is of none.
    """
    try:
        names = {line.rpartition("/")[2] for line in cgroup.read_text().splitlines()}
    except OSError:
        return ""
    return next((name for name in sorted(names) if name.endswith(".service")), "")


class _Formatter(logging.Formatter):
    def __init__(self, journald: bool) -> None:
        super().__init__("%(message)s" if journald else "%(asctime)s %(levelname)-7s %(message)s")
        self._journald = journald

    def formatMessage(self, record: logging.LogRecord) -> str:
        """A message is one line, whatever names and texts of strangers stand in it: nobody forges
        lines, or moves a terminal's cursor.
        """
        record.message = _CONTROL.sub(
            lambda found: found[0].encode("unicode_escape").decode(), record.message
        )
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._journald:
            return text
        prefix = f"<{_LEVELS.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in text.split("\n"))


def setup_logging(debug: bool) -> None:
    """Log to stderr; for journald with priorities and without times, which it has itself."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("JOURNAL_STREAM" in os.environ))
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO, handlers=[handler], force=True
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    # A line for each malformed request would be anybody's to write.
    logging.getLogger("tornado").setLevel(logging.WARNING)
