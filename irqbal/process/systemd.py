"""Reporting the daemon's state to systemd (sd_notify(3)), and logging with the priorities that
journald reads (sd-daemon(3)).
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
    """Send state to the service manager; without one, do nothing."""
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
    """Send RELOADING=1 with the time of CLOCK_MONOTONIC in microseconds, as systemd requires."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog_seconds() -> float | None:
    """Seconds within which systemd expects the next WATCHDOG=1, or None if it expects none."""
    pid, microseconds = os.environ.get("WATCHDOG_PID"), os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or (pid is not None and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1e6


def unit_of(cgroup: Path) -> str:
    """The service that a process belongs to, by the last part of its control group's path; empty if
    there is none. `cgroup` is its /proc/PID/cgroup (cgroups(7)).
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
        """Escape control characters: a name from outside must not add a log line, or move a
        terminal's cursor.
        """
        record.message = _CONTROL.sub(
            lambda match: match[0].encode("unicode_escape").decode(), record.message
        )
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._journald:
            return text
        prefix = f"<{_LEVELS.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in text.split("\n"))


def setup_logging(debug: bool) -> None:
    """Log to stderr: for journald with priorities, else with times, which journald adds itself."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("JOURNAL_STREAM" in os.environ))
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO, handlers=[handler], force=True
    )
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    # tornado logs a line for each malformed request, so any client could fill the log.
    logging.getLogger("tornado").setLevel(logging.WARNING)
