"""Files of the state folder that are one JSON list."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from irqbal.errors import StateFileError
from irqbal.state.state_file import DamagedFileError, read_json

Item = TypeVar("Item", bound=msgspec.Struct)


def load_list(path: Path, kind: type[Item], remedy: str) -> tuple[Item, ...]:
    """The items of the file; none if there is no file.

    Raises StateFileError if the file is unreadable or damaged. `remedy` is what to do about a
    damaged file, as the end of a sentence.
    """
    kinds: type[tuple[Item, ...]] = tuple[kind, ...]  # type: ignore[valid-type]
    try:
        return read_json(path, kinds) or ()
    except DamagedFileError as error:
        raise StateFileError(f"{error}; {remedy}") from error
