"""How long the plugins of a host may take for one request, each in all its hooks together.

A plugin's time is wall-clock time without what the host waited for a CPU: on a crowded machine a
plugin that does little may take long. How long a host waited is the kernel's own count, in the
second field of /proc/PID/schedstat (Documentation/scheduler/sched-stats.rst).
"""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from irqbal.plugins import bounds, protocol


class RequestBudgets:
    """The budgets of one request. `first` is seconds until the host's first message."""

    def __init__(self, indexes: Collection[int], pid: int | None, first: float) -> None:
        self._indexes = frozenset(indexes)
        self._pid = pid
        self._spent: dict[tuple[int, str], float] = {}
        self._begun = time.monotonic()
        self._waited_before = self._waited()
        self._key: tuple[int, str] = (protocol.PLANNER, "first")
        self._budget = first

    @property
    def running(self) -> int | None:
        """The index of the plugin that runs; None for none."""
        return self._key[0] if self._key[0] in self._indexes else None

    def started(self, message: protocol.HookStarted) -> bool:
        """Take over that another hook, or the planner, runs now. False if there is no such plugin:
        the message was forged.
        """
        if message.index != protocol.PLANNER and message.index not in self._indexes:
            return False
        self._spent[self._key] = self._spent.get(self._key, 0.0) + self._own_time()
        if message.index == protocol.PLANNER:
            self._key, self._budget = (protocol.PLANNER, ""), bounds.PLANNER_DEADLINE
        elif message.hook == "import":
            self._key, self._budget = (message.index, "import"), bounds.IMPORT_DEADLINE
        else:
            self._key, self._budget = (message.index, ""), bounds.HOOK_DEADLINE
        self._begun, self._waited_before = time.monotonic(), self._waited()
        return True

    def left(self) -> float:
        """Seconds until what runs has used up its budget, at the earliest."""
        return self._budget - self._spent.get(self._key, 0.0) - self._own_time()

    def is_crowded_out(self) -> bool:
        """Whether what runs has waited for a CPU so long that it is no use to wait on."""
        return self._waited() - self._waited_before > bounds.MOST_WAITING * self._budget

    def _own_time(self) -> float:
        wall = time.monotonic() - self._begun
        return max(0.0, wall - (self._waited() - self._waited_before))

    def _waited(self) -> float:
        """Seconds for which the host was runnable and had no CPU, since it started; 0 if that is
        not known.
        """
        if self._pid is None:
            return 0.0
        try:
            return int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0
