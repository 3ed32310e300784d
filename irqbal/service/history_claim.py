"""Which process records a host: the one that balances it, before any dry run."""

from __future__ import annotations

import os

from irqbal.errors import HistoryError
from irqbal.state.folders import Folders
from irqbal.state.lock import HistoryLock, lock_holder


class HistoryClaim:
    """The history's lock. `gives_way`: a dry run, which leaves the history to a daemon that
    balances. A daemon that balances waits for it in memory until the dry run has seen it.
    """

    def __init__(self, folders: Folders, *, gives_way: bool) -> None:
        self._lock = HistoryLock(folders.state)
        self._run, self._gives_way = folders.run, gives_way

    def hold(self) -> None:
        """Take the lock, or go on holding it. Raises HistoryError if another process has it."""
        if problem := self._lock.take():
            raise HistoryError(problem)

    def is_lost(self) -> bool:
        """Whether a daemon balances now, to which this process must give the history."""
        return self._gives_way and lock_holder(self._run) not in (None, os.getpid())

    def release(self) -> None:
        """Give the lock up; safe more than once."""
        self._lock.release()
