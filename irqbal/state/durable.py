"""Small files that survive a crash: each write is complete and fsynced when the call returns.

A file is created with mode 0600. The folder is fsynced too, because a new name is on disk only
then (fsync(2)).
"""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import time
from pathlib import Path

from irqbal.process.private_folder import make_folder

_PART = ".part"
_LEFTOVER_AGE = 60.0
"""Seconds: no write of a small file takes so long."""


def append(path: Path, data: bytes) -> None:
    """Append `data` to the file, and create it and its folders if they are missing.

    If the file does not end with a newline, one is written first: a torn last line does not
    swallow the new data. On failure the file is truncated to its former size. Raises OSError.
    """
    make_folder(path.parent)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        try:
            _write_all(fd, data)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)
    _sync_folder(path.parent)


def replace(path: Path, data: bytes) -> None:
    """Replace the file's content atomically, and create its folders if they are missing.

    The data goes to a new file beside it, `PATH.….part`, which is then renamed. On failure the old
    file is unchanged, and the new one is removed, so that it takes no room on a full disk. Raises
    OSError.
    """
    make_folder(path.parent)
    _remove_leftovers(path)
    part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_PART}")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            _write_all(fd, data)
        finally:
            os.close(fd)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _remove_leftovers(path: Path) -> None:
    """Remove what writers of this file left behind that were killed."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.*{_PART}"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _LEFTOVER_AGE:
                part.unlink()


def _write_all(fd: int, data: bytes) -> None:
    """Write everything (one write(2) may write less) and fsync."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.fsync(fd)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
