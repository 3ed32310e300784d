"""Reading small kernel files: by path, by number, and through descriptors that stay open."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import stat
import struct
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.errors import GoneError, HostError

_confined: dict[int, set[str]] = {}
"""Length of a prefix -> the prefixes of the paths below roots that are not this machine's."""
_OPENAT2 = 437
"""The system call's number on every architecture but alpha (asm-generic/unistd.h)."""
_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10
"""openat2(2): links of /proc are not followed, and all others as if the folder were the root."""
_syscall = ctypes.CDLL(None, use_errno=True).syscall


def confine(root: Path) -> None:
    """Files below this root are from now on opened without leaving it: a tree of somebody else's
    may have links to files of this machine that only root can read, or write. Nothing is done for
    the machine's own root.
    """
    real = root.resolve()
    if real != Path("/"):
        # Readers build their paths from an absolute root: that of `.` would stand at no beginning.
        for prefix in (f"{real}/", f"{root.absolute()}/"):
            _confined.setdefault(len(prefix), set()).add(prefix)


def confining_root(path: str) -> str:
    """The root, with a slash at its end, that an open of this path does not leave; or empty."""
    for length, prefixes in _confined.items():
        if path[:length] in prefixes:
            return path[:length]
    return ""


def open_file(path: Path | str, flags: int) -> int:
    """A descriptor of this file, which does not leave a root that is confined. Raises OSError."""
    text = os.fspath(path)
    prefix = confining_root(text) if _confined else ""
    if not prefix:
        return os.open(text, flags | os.O_CLOEXEC)
    if not flags & os.O_DIRECTORY:
        # As os.open() does, for those who watch which files this process opens.
        sys.audit("open", text, None, flags)
    root = os.open(prefix, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _open_below(root, text[len(prefix) :], flags | os.O_CLOEXEC)
    finally:
        os.close(root)


def _open_below(root: int, path: str, flags: int) -> int:
    # A FIFO would keep whoever opens it waiting.
    how = _how(flags if flags & os.O_PATH else flags | os.O_NONBLOCK)
    name = os.fsencode(path or ".")
    while True:
        fd = _syscall(_OPENAT2, root, name, how, len(how))
        if fd >= 0:
            return _checked(int(fd), path)
        number = ctypes.get_errno()
        # EAGAIN: a folder was renamed meanwhile (openat2(2)).
        if number not in (errno.EINTR, errno.EAGAIN):
            raise OSError(number, os.strerror(number), path)


@cache
def _how(flags: int) -> bytes:
    """openat2's struct open_how for these flags."""
    return struct.pack("QQQ", flags, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)


def _checked(fd: int, path: str) -> int:
    """The descriptor of a file or folder; of anything else a tree has none that is of use."""
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is neither a file nor a folder", path)


_FIRST_READ, _NEXT_READ = 1 << 12, 1 << 18
"""Bytes of a first read, which is all of most files, and of each one after it."""
_GONE = (errno.ENOENT, errno.EIO, errno.ENODEV, errno.ESRCH, errno.ENXIO)


def read_bytes(path: Path | str) -> bytes:
    """The whole file. Raises GoneError if it does not exist or its device is gone, HostError for
    any other error.
    """
    try:
        # A first reading opens tens of thousands of files: a file object costs as much again.
        fd = open_file(path, os.O_RDONLY)
        try:
            data = os.read(fd, _FIRST_READ)
            if data:
                # The kernel may give less than there is, a page at a time: only nothing is the end.
                while more := os.read(fd, _NEXT_READ):
                    data += more
        finally:
            os.close(fd)
    except OSError as error:
        kind = GoneError if error.errno in _GONE else HostError
        raise kind(f"{path}: {error.strerror}") from error
    return data


def lines(path: Path | str) -> Iterator[bytes]:
    """The file's lines, read while they are iterated over. Raises GoneError and HostError as
    `read_bytes` does.
    """
    try:
        with open(open_file(path, os.O_RDONLY), "rb", buffering=1 << 16) as file:
            yield from file
    except OSError as error:
        kind = GoneError if error.errno in _GONE else HostError
        raise kind(f"{path}: {error.strerror}") from error


def read_text(path: Path | str) -> str:
    """The file's text without surrounding white space. Bytes that are not UTF-8 become escapes."""
    return read_bytes(path).decode("utf-8", "backslashreplace").strip()


def bytes_or(path: Path | str, default: bytes = b"") -> bytes:
    """The file's bytes, or the default if it cannot be read."""
    try:
        return read_bytes(path)
    except HostError:
        return default


def text_or(path: Path | str, default: str = "") -> str:
    """The file's text, or the default if it cannot be read."""
    try:
        return read_text(path)
    except HostError:
        return default


def int_or(path: Path | str, default: int) -> int:
    """The file's number, or the default if it cannot be read or is not a 64-bit number."""
    try:
        number = int(text_or(path), 0)
    except ValueError:
        return default
    return number if -(1 << 63) <= number < 1 << 63 else default


def cpus_or(path: Path | str, default: CpuSet) -> CpuSet:
    """The file's CPU list, or the default if it cannot be read or is no CPU list (` (null)` in
    nohz_full).
    """
    try:
        return CpuSet.parse(text_or(path, "-"))
    except ValueError:
        return default


def mask_or(path: Path | str, default: CpuSet) -> CpuSet:
    """The file's hex mask, or the default if it cannot be read or is no mask."""
    try:
        return CpuSet.from_mask(text_or(path, "-"))
    except ValueError:
        return default


def names(path: Path | str) -> list[str]:
    """The names in a folder, sorted; empty if it cannot be read."""
    try:
        if not _confined:
            return sorted(os.listdir(path))  # noqa: PTH208 - names, not paths
        fd = open_file(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return []
    try:
        return sorted(os.listdir(fd))  # noqa: PTH208 - of a descriptor
    except OSError:
        return []
    finally:
        os.close(fd)


def _read_whole(fd: int, size: int) -> bytes:
    data = os.pread(fd, size, 0)
    while len(data) == size:
        size *= 4
        data = os.pread(fd, size, 0)
    return data


class OpenFiles:
    """Files that are read again and again stay open, as many as this process can afford; each
    `pread` from 0 makes the kernel generate the content again.
    """

    def __init__(self) -> None:
        self._open: dict[str, int] = {}
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2

    def read(self, path: str, size: int = 4096) -> bytes:
        """The file's bytes. Raises GoneError if it vanished or was replaced under the descriptor
        (the kernel answers EIO).
        """
        fd = self._open.get(path)
        try:
            if fd is not None:
                return _read_whole(fd, size)
            fd = open_file(path, os.O_RDONLY)
            if len(self._open) < self._most:
                self._open[path] = fd
                return _read_whole(fd, size)
            try:
                return _read_whole(fd, size)
            finally:
                os.close(fd)
        except OSError as error:
            self.drop(path)
            kind = GoneError if error.errno in _GONE else HostError
            raise kind(f"{path}: {error.strerror}") from error

    def holds(self, path: str) -> bool:
        """Whether this file is open."""
        return path in self._open

    def drop(self, path: str) -> None:
        """Close this file, if it is open."""
        fd = self._open.pop(path, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        """Close all."""
        for path in list(self._open):
            self.drop(path)
