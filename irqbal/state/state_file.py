"""Reading irqbal's own small files, whatever lies there by now.

A file that is no regular file, is larger than any that irqbal writes, is nested without end, or
holds something else than expected is an error with a sentence, and never more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import time
from pathlib import Path
from typing import TypeVar

import msgspec

from irqbal.errors import StateFileError
from irqbal.wire import from_json

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_SIZE = 32 << 20
"""Bytes: many times what the largest hosts need."""


class DamagedFileError(StateFileError):
    """A file holds what irqbal did not write."""


def read_file(path: Path) -> bytes | None:
    """The content of a file; None if there is none. Raises StateFileError, and DamagedFileError for
    what cannot be a file of irqbal's.
    """
    try:
        # Not blocking: a FIFO would wait for somebody who writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateFileError(f"{path} cannot be read: {error.strerror}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DamagedFileError(f"{path} is no regular file")
        if found.st_size > MAX_SIZE:
            raise DamagedFileError(
                f"{path} has {found.st_size >> 20} MiB, more than any file of irqbal's"
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_SIZE)
    except OSError as error:
        raise StateFileError(f"{path} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def read_json(path: Path, kind: type[T]) -> T | None:
    """A file that holds one JSON value of this type; None if there is no file. Raises
    StateFileError, and DamagedFileError for anything else.
    """
    data = read_file(path)
    if data is None:
        return None
    try:
        return from_json(data, kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} is damaged ({error})") from error


def read_or_move_aside(path: Path, kind: type[T]) -> T | None:
    """The same for what irqbal can do without: a damaged file is moved aside, which is logged, and
    one that cannot be read is as none.
    """
    try:
        return read_json(path, kind)
    except DamagedFileError as error:
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
        where = "it could not be moved aside"
        with contextlib.suppress(OSError):
            path.rename(aside)
            where = f"it was moved to {aside}"
        log.warning("%s: %s, and irqbal goes on without it", error, where)
    except StateFileError as error:
        log.warning("%s: irqbal goes on without it", error)
    return None
