"""`trials.json`: the last trials that ended, as a JSON list, in the state folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from irqbal.errors import StateFileError
from irqbal.state import durable
from irqbal.state.state_file import read_or_move_aside
from irqbal.trials.record import TrialRecord
from irqbal.wire import to_json

TRIALS = "trials.json"
"""File name, in the state folder."""
MOST_TRIALS = 20
"""Trials that are kept."""


def load_trials(folder: Path) -> tuple[TrialRecord, ...]:
    """The trials that are kept, oldest first. A damaged file is moved aside, and logged."""
    return read_or_move_aside(folder / TRIALS, tuple[TrialRecord, ...]) or ()


def save_trials(folder: Path, trials: Sequence[TrialRecord]) -> None:
    """Replace what is kept by the newest of these. Raises StateFileError: then the old ones
    stand.
    """
    path = folder / TRIALS
    try:
        durable.replace(path, to_json(tuple(trials[-MOST_TRIALS:])))
    except OSError as error:
        raise StateFileError(f"{path} could not be saved: {error.strerror}") from error
