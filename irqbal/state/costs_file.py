"""`costs.json`: the interrupt costs that were learned, in the state folder, so that a restart does
not begin without them.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from irqbal.errors import StateFileError
from irqbal.load.estimator import LearnedCosts
from irqbal.state import durable
from irqbal.wire import from_json, to_json

COSTS = "costs.json"
"""File name, in the state folder."""


def load_costs(folder: Path) -> LearnedCosts:
    """The saved costs; empty if the file is missing, unreadable or damaged: irqbal learns them
    again within minutes.
    """
    try:
        return from_json((folder / COSTS).read_bytes(), LearnedCosts)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return LearnedCosts()


def save_costs(folder: Path, learned: LearnedCosts) -> None:
    """Replace the saved costs atomically. Raises StateFileError."""
    path = folder / COSTS
    try:
        durable.replace(path, to_json(learned))
    except OSError as error:
        raise StateFileError(f"{path} could not be saved: {error.strerror}") from error
