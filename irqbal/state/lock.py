"""`lock`: allows one irqbal at a time to write the masks of a host (flock(2)).

The kernel releases the lock when its holder ends, however it ends. The file holds the holder's pid.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from pathlib import Path

from irqbal.errors import LockError
from irqbal.process.private_folder import make_folder

log = logging.getLogger(__name__)

LOCK = "lock"
"""File name, in the `run` folder."""
HISTORY_LOCK = "history.lock"
"""File name, in the `state` folder."""
_PID_BYTES = 32
"""Bytes to read of the file: more than the longest pid."""


class Lock:
    """The exclusive lock of a `run` folder, held from construction to `release`.

    The file is its owner's alone: whoever may open a file may lock it (flock(2)).
    """

    def __init__(self, folder: Path) -> None:
        """Raises LockError if the file cannot be opened or another irqbal holds the lock."""
        path = self._path = folder / LOCK
        try:
            # The socket lies beside it, and is for every user.
            make_folder(folder, 0o755)
            self._fd = _opened(path)
        except OSError as error:
            raise LockError(
                f"{path} cannot be opened: {error.strerror}; irqbal writes masks only while it "
                "holds this lock: run it as a user who may write there, or, if it does not write "
                "this machine's masks (--root, --simulate), set state_dir or XDG_STATE_HOME to "
                "another folder"
            ) from error
        if not _locks(self._fd):
            pid = _read_pid(self._fd)
            os.close(self._fd)
            raise LockError(
                f"another irqbal runs on this host (pid {pid or 'unknown'}, {path}); stop it "
                "first, or use --dry-run"
            )
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def renew(self) -> None:
        """Make the file anew, and lock it, if it was deleted: others would lock a new one. Raises
        LockError.
        """
        if not _is_there(self._path, self._fd):
            other = Lock(self._path.parent)
            os.close(self._fd)
            self._fd = other._fd

    def release(self) -> None:
        """Release the lock."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
        os.close(self._fd)


class HistoryLock:
    """The right to write the history in a state folder: two writers would number records twice."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / HISTORY_LOCK
        self._fd: int | None = None

    def take(self) -> str:
        """Take the lock, or go on holding it. Returns why not, or an empty text."""
        if self._fd is not None:
            if _is_there(self._path, self._fd):
                return ""
            # The file was deleted: others would lock a new one.
            self.release()
        try:
            make_folder(self._path.parent)
            fd = _opened(self._path)
        except OSError as error:
            return f"{self._path} cannot be opened: {error.strerror}"
        if not _locks(fd):
            pid = _read_pid(fd)
            os.close(fd)
            return f"another irqbal (pid {pid or 'unknown'}) records into {self._path.parent}"
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd
        return ""

    def release(self) -> None:
        """Release the lock; safe more than once."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _is_there(path: Path, fd: int) -> bool:
    """Whether this open file is still the one with this name."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except OSError:
        return False


def _opened(path: Path) -> int:
    """Open the file, which nobody else may open from then on. A file that others could open, and
    that one of them holds locked, is replaced. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    found = os.fstat(descriptor)
    if not found.st_mode & 0o077:
        return descriptor
    if found.st_uid != os.geteuid():
        os.close(descriptor)
        raise PermissionError(errno.EACCES, "it belongs to another user")
    os.fchmod(descriptor, 0o600)
    if _locks(descriptor) or not _is_held_by_others(found):
        return descriptor
    log.warning("%s: another user's program held this lock; it is made anew", path)
    os.close(descriptor)
    path.unlink()
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _locks(descriptor: int) -> bool:
    """Lock the file; False if somebody else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_held_by_others(file: os.stat_result) -> bool:
    """Whether no irqbal holds the lock of this file: the process that took it is another user's, or
    gone, and has left its descriptor to others.
    """
    owners = []
    for pid in _holders(file):
        try:
            owners.append((Path("/proc") / str(pid)).stat().st_uid)
        except OSError:
            owners.append(-1)
    return bool(owners) and not {0, os.geteuid()} & set(owners)


def _holders(file: os.stat_result) -> list[int]:
    """The pids that hold a lock of this file, by /proc/locks (proc_locks(5))."""
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        fields = line.split()
        # `->` marks one that waits.
        if "FLOCK" in fields and device in fields and "->" not in fields:
            found.append(int(fields[fields.index(device) - 1]))
    return found


def lock_holder(folder: Path) -> int | None:
    """The pid of the process that holds the lock of this folder; None if it is free. The lock is
    not tried: a daemon that starts in this moment would be refused. Who may not open the file
    learns it too.
    """
    try:
        found = (folder / LOCK).stat()
    except OSError:
        return None
    return next(iter(_holders(found)), None)


def _read_pid(fd: int) -> str:
    return os.read(fd, _PID_BYTES).decode("ascii", "replace").strip()
