"""`lock`: allows one irqbal at a time to write the masks of a host (flock(2)).

The kernel releases the lock when its holder ends, however it ends. The file holds the holder's pid.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from irqbal.errors import LockError

LOCK = "lock"
"""File name, in the `run` folder."""
_PID_BYTES = 32
"""Bytes to read of the file: more than the longest pid."""


class Lock:
    """The exclusive lock of a `run` folder, held from construction to `release`."""

    def __init__(self, folder: Path) -> None:
        """Raises LockError if the file cannot be opened or another process holds the lock."""
        path = folder / LOCK
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LockError(
                f"{path} cannot be opened: {error.strerror}; irqbal writes masks only while it "
                "holds this lock: run it as a user who may write there, or, if it does not write "
                "this machine's masks (--root, --simulate), set state_dir or XDG_STATE_HOME to "
                "another folder"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = _read_pid(self._fd)
            os.close(self._fd)
            raise LockError(
                f"another irqbal runs on this host (pid {pid or 'unknown'}, {path}); stop it "
                "first, or use --dry-run"
            ) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Release the lock."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
        os.close(self._fd)


def lock_holder(folder: Path) -> int | None:
    """The pid of the process that holds the lock of this folder; None if it is free."""
    try:
        fd = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = _read_pid(fd)
        return int(text) if text.isdigit() else None
    finally:
        os.close(fd)
    return None


def _read_pid(fd: int) -> str:
    return os.read(fd, _PID_BYTES).decode("ascii", "replace").strip()
