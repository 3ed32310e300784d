"""`switch.json`: a switch from irqbalance to irqbal, as far as it has come.

It is written before each step, so that whoever finds it after a kill or a power cut can finish the
way back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from irqbal.errors import StateFileError
from irqbal.state import durable
from irqbal.state.state_file import read_json
from irqbal.switching.observation import Observed
from irqbal.wire import to_json

FILE = "switch.json"
"""File name, in the state folder."""
CONFIRMED_FILE = "switch.confirmed"
"""File that says that a person wants to keep irqbal; in the state folder."""

Phase = Literal["prepared", "switching", "watching", "going-back", "confirmed", "back"]
"""prepared: nothing was changed yet; switching: units and files are being changed; watching: irqbal
runs, and it waits to be confirmed; going-back: everything is being put back; confirmed: irqbal
stays; back: everything is as it was.
"""


class UnitBefore(msgspec.Struct, frozen=True):
    """What a service was before the switch."""

    enabled: bool
    active: bool


class SwitchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One switch. `config` is the path of irqbal's configuration, `written` the text that the
    switch wrote there (empty: it was there already and is used as it is). `masks` are the values
    from right after irqbalance was stopped, by identity, in the boot `boot`. `before` is what was
    seen of irqbalance, `after` of irqbal; None: it was not watched. `confirm` is seconds to wait
    for a person, 0 with `--yes`; `watch` seconds for which irqbal is watched; `deadline` the end of
    both, in seconds since the epoch. `reason` says why it went back, `left` which masks could not
    be put back.
    """

    version: int = 1
    phase: Phase
    config: str
    written: str
    irqbalance: UnitBefore
    irqbal: UnitBefore
    boot: str
    masks: dict[str, str] = {}
    before: Observed | None = None
    after: Observed | None = None
    watch: float = 60.0
    confirm: float = 120.0
    deadline: float = 0.0
    reason: str = ""
    left: str = ""


def load(folder: Path) -> SwitchRecord | None:
    """The record; None if there was no switch. Raises StateFileError."""
    return read_json(folder / FILE, SwitchRecord)


def save(folder: Path, record: SwitchRecord) -> None:
    """Replace the record, and return after fsync. Raises StateFileError."""
    path = folder / FILE
    try:
        durable.replace(path, to_json(record))
    except OSError as error:
        raise StateFileError(f"{path} could not be saved: {error.strerror}") from error
