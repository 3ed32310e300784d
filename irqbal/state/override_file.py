"""`overrides.json`: the overrides, as a JSON list, in the state folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from irqbal.errors import StateFileError
from irqbal.model.view import Override
from irqbal.state import durable
from irqbal.wire import from_json, to_json

OVERRIDES = "overrides.json"
"""File name, in the state folder."""


def load_overrides(folder: Path) -> tuple[Override, ...]:
    """The saved overrides; none if there is no file.

    Raises StateFileError if the file is unreadable or damaged: an administrator's overrides are
    never dropped silently.
    """
    path = folder / OVERRIDES
    try:
        return from_json(path.read_bytes(), tuple[Override, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StateFileError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateFileError(
            f"{path} is damaged ({error}); move it away to start without overrides"
        ) from error


def save_overrides(folder: Path, overrides: Iterable[Override]) -> None:
    """Replace the saved overrides atomically. Raises StateFileError: then the old ones stand."""
    path = folder / OVERRIDES
    try:
        durable.replace(path, to_json(tuple(overrides)))
    except OSError as error:
        raise StateFileError(f"{path} could not be saved: {error.strerror}") from error
