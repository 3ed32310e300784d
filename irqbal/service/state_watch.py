"""Watches that the state folder is there: who deletes it below a running daemon learns it, and what
the daemon knows is written again.
"""

from __future__ import annotations

import logging

from irqbal.errors import IrqbalError
from irqbal.process.private_folder import make_folder
from irqbal.service.daemon import Daemon
from irqbal.state.folders import Folders
from irqbal.state.lock import Lock
from irqbal.state.tokens import ensure_admin

log = logging.getLogger(__name__)


class StateWatch:
    """Looks now and then. Its methods belong to the loop."""

    def __init__(self, daemon: Daemon, folders: Folders, lock: Lock | None) -> None:
        """`lock`: of the host, which may lie below the state folder."""
        self._daemon, self._folders, self._lock = daemon, folders, lock
        self._said = False
        self._known: tuple[int, int] | None = None
        """Device and inode of the folder: whatever stores first may make another one."""

    async def look(self) -> None:
        """Make the folder anew if it is gone, and write what belongs there."""
        daemon = self._daemon
        problem = await daemon.thread.run(self._make_anew)
        if problem is None:
            self._said = False
            return
        if problem:
            if not self._said:
                self._said = True
                log.error(
                    "%s is gone, and cannot be made anew (%s): balancing goes on, and nothing is "
                    "stored; run `systemctl restart irqbal`, or start this daemon again",
                    self._folders.state,
                    problem,
                )
            return
        self._said = False
        log.error(
            "%s was deleted below this daemon: it was made anew, with the overrides, what was "
            "learnt and the history; tokens are gone, but for a new one in admin.token",
            self._folders.state,
        )
        await daemon.kernel.run(self._store_again)

    def _make_anew(self) -> str | None:
        """None if the folder is there; why it cannot be made, or an empty text."""
        state = self._folders.state
        try:
            make_folder(state)
            found = state.stat()
            if not found.st_nlink:
                # Below the unit it is a mount: it stays, deleted, and nothing can be put there.
                return "it is a mount of a folder that was deleted"
            key = found.st_dev, found.st_ino
            if self._known in (None, key):
                self._known = key
                return None
            if self._lock is not None:
                self._lock.renew()
            ensure_admin(state)
        except (OSError, IrqbalError) as error:
            return str(error)
        self._known = key
        return ""

    def _store_again(self) -> None:
        """On the kernel thread."""
        try:
            self._daemon.balancer.store_again()
        except IrqbalError as error:
            log.error("%s", error)
