"""`costs.json`: the interrupt costs that were learned, in the state folder, so that a restart does
not begin without them.
"""

from __future__ import annotations

from pathlib import Path

from irqbal.errors import StateFileError
from irqbal.load.estimator import LearnedCosts
from irqbal.state import durable
from irqbal.state.state_file import read_or_move_aside
from irqbal.wire import to_json

COSTS = "costs.json"
"""File name, in the state folder."""


def load_costs(folder: Path) -> LearnedCosts:
    """The saved costs; empty if the file is missing, unreadable or damaged: irqbal learns them
    again within minutes.
    """
    return read_or_move_aside(folder / COSTS, LearnedCosts) or LearnedCosts()


def save_costs(folder: Path, learned: LearnedCosts) -> None:
    """Replace the saved costs atomically. Raises StateFileError."""
    path = folder / COSTS
    try:
        durable.replace(path, to_json(learned))
    except OSError as error:
        raise StateFileError(f"{path} could not be saved: {error.strerror}") from error
