"""How long plugins may take, each in all its hooks of one request or cycle together.

A plugin's time is wall-clock time without what its host waited for a CPU: on a crowded machine a
plugin that does little may take long. How long a host ran and waited is the kernel's own count, in
the first two fields of /proc/PID/schedstat (Documentation/scheduler/sched-stats.rst).
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection

from irqbal.plugins import bounds, protocol


def cpu_seconds(pid: int | None) -> float | None:
    """Seconds of CPU that a process has used; None if that is not known."""
    found = _schedstat(pid)
    return None if found is None else found[0]


def _schedstat(pid: int | None) -> tuple[float, float] | None:
    """(seconds on a CPU, seconds of waiting for one) since the process started; None if that is not
    known.
    """
    if pid is None:
        return None
    try:
        # Read for every message of a host: a file object costs several times as much.
        file = os.open(f"/proc/{pid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fields = os.read(file, 128).split()
        finally:
            os.close(file)
        return int(fields[0]) / 1e9, int(fields[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


class HookClock:
    """Measures what a host spends of a budget of seconds. `pid` is the host's; None: not known."""

    def __init__(self, budget: float, pid: int | None) -> None:
        self._budget = budget
        self._pid = pid
        self._spent = 0.0
        self._paused = False
        self._start()

    @property
    def spent(self) -> float:
        """Seconds that the host has used so far."""
        return self._spent + (0.0 if self._paused else self._own_time())

    def left(self) -> float:
        """Seconds until the budget is used up, at the earliest."""
        # All of the wall-clock time counts as the host's until half of the budget is gone: what it
        # waited is looked up only then.
        least = self._budget - self._spent - (0.0 if self._paused else self._wall)
        return least if least > self._budget / 2 else self._budget - self.spent

    def is_crowded_out(self) -> bool:
        """Whether the host has waited for a CPU so long that it is no use to wait on."""
        if self._wall <= bounds.MOST_WAITING * self._budget:
            return False
        return self._waited() - self._waited_before > bounds.MOST_WAITING * self._budget

    def pause(self) -> None:
        """Stop the clock while the host waits for the daemon."""
        self._spent, self._paused = self.spent, True

    def resume(self) -> None:
        """Let the clock run again."""
        self._paused = False
        self._start()

    def _start(self) -> None:
        self._begun, self._waited_before = time.monotonic(), self._waited()

    @property
    def _wall(self) -> float:
        return time.monotonic() - self._begun

    def _own_time(self) -> float:
        return max(0.0, self._wall - (self._waited() - self._waited_before))

    def _waited(self) -> float:
        """Seconds for which the host was runnable and had no CPU, since it started; 0 if that is
        not known.
        """
        found = _schedstat(self._pid)
        return 0.0 if found is None else found[1]


class PlannerClock(HookClock):
    """The budgets of one request to the planner's host: of each policy that it runs, by what the
    host reports, and of the planner itself.
    """

    def __init__(self, indexes: Collection[int], pid: int | None) -> None:
        super().__init__(bounds.PLANNER_DEADLINE, pid)
        self._indexes = frozenset(indexes)
        self._used: dict[tuple[int, str], float] = {}
        self._key: tuple[int, str] = (protocol.PLANNER, "")

    @property
    def running(self) -> int | None:
        """The index of the policy that runs; None: the planner itself does."""
        return self._key[0] if self._key[0] in self._indexes else None

    def started(self, message: protocol.HookStarted) -> bool:
        """Take over that another hook, or the planner, runs now. False if there is no such
        policy.
        """
        if message.index != protocol.PLANNER and message.index not in self._indexes:
            return False
        self._used[self._key] = self.spent
        if message.index == protocol.PLANNER:
            self._key, self._budget = (protocol.PLANNER, ""), bounds.PLANNER_DEADLINE
        elif message.hook == "import":
            self._key, self._budget = (message.index, "import"), bounds.IMPORT_DEADLINE
        else:
            self._key, self._budget = (message.index, ""), bounds.HOOK_DEADLINE
        self._spent = self._used.get(self._key, 0.0)
        self._start()
        return True
