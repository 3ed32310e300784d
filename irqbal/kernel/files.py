"""Reading small kernel files: by path, by number, and through descriptors that stay open."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.errors import GoneError, HostError

_GONE = (errno.ENOENT, errno.EIO, errno.ENODEV, errno.ESRCH, errno.ENXIO)


def read_bytes(path: Path | str) -> bytes:
    """The whole file. Raises GoneError if it does not exist or its device is gone, HostError for
    any other error.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path for each of thousands of files is measurable
            return file.read()
    except OSError as error:
        kind = GoneError if error.errno in _GONE else HostError
        raise kind(f"{path}: {error.strerror}") from error


def lines(path: Path | str) -> Iterator[bytes]:
    """The file's lines, read while they are iterated over. Raises GoneError and HostError as
    `read_bytes` does.
    """
    try:
        with open(path, "rb", buffering=1 << 16) as file:  # noqa: PTH123 - as above
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
        return sorted(os.listdir(path))  # noqa: PTH208 - names, not paths
    except OSError:
        return []


class OpenFiles:
    """Files that are read again and again stay open; each `pread` from 0 makes the kernel generate
    the content again.
    """

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def read(self, path: str, size: int = 4096) -> bytes:
        """The file's bytes. Raises GoneError if it vanished or was replaced under the descriptor
        (the kernel answers EIO).
        """
        fd = self._open.get(path)
        try:
            if fd is None:
                fd = self._open[path] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(fd, size, 0)
            while len(data) == size:
                size *= 4
                data = os.pread(fd, size, 0)
            return data
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
