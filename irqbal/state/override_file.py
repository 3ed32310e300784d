"""`overrides.json`: the overrides, as a JSON list, in the state folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from irqbal.errors import StateFileError
from irqbal.model.view import Override
from irqbal.state import durable
from irqbal.state.json_list import load_list
from irqbal.wire import to_json

OVERRIDES = "overrides.json"
"""File name, in the state folder."""


def load_overrides(folder: Path) -> tuple[Override, ...]:
    """The saved overrides; none if there is no file.

    Raises StateFileError if the file is unreadable or damaged: an administrator's overrides are
    never dropped silently.
    """
    return load_list(folder / OVERRIDES, Override, "move it away to start without overrides")


def save_overrides(folder: Path, overrides: Iterable[Override]) -> None:
    """Replace the saved overrides atomically. Raises StateFileError: then the old ones stand."""
    path = folder / OVERRIDES
    try:
        durable.replace(path, to_json(tuple(overrides)))
    except OSError as error:
        raise StateFileError(f"{path} could not be saved: {error.strerror}") from error
