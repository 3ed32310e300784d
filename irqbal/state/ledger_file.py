"""`ledger.json`: the planner's ledger, in the `run` folder, for a daemon that restarts within the
same boot.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import StateFileError
from irqbal.planner.ledger import Ledger, LedgerEntry
from irqbal.state import durable
from irqbal.state.state_file import read_or_move_aside
from irqbal.wire import to_json

LEDGER = "ledger.json"
"""File name, in the `run` folder."""


class _SavedLedger(msgspec.Struct, frozen=True):
    """`boot` is the boot id: times in the ledger are of that boot's monotonic clock. `inodes` is
    the inode of each IRQ's /proc/irq folder by identity; it changes when the IRQ is set up again.
    """

    boot: str
    ledger: Ledger
    inodes: dict[str, int]


def save_ledger(folder: Path, boot_id: str, ledger: Ledger, inodes: Mapping[str, int]) -> None:
    """Replace the saved ledger atomically; `inodes` by identity. Raises StateFileError."""
    path = folder / LEDGER
    known = {identity: inodes[identity] for identity in ledger.entries if identity in inodes}
    try:
        durable.replace(path, to_json(_SavedLedger(boot_id, ledger, known)))
    except OSError as error:
        raise StateFileError(f"{path} could not be saved: {error.strerror}") from error


def load_ledger(folder: Path, boot_id: str, masks: Mapping[str, tuple[CpuSet, int]]) -> Ledger:
    """The saved entries that still hold; an empty ledger if none was saved in this boot, or the
    file is unreadable.

    `masks` maps identity to the present (affinity, inode). An entry is dropped if the inode
    changed. Its `written` mask is kept only if it is still the affinity. Generations are counted
    again by each process: all entries get generation 1.
    """
    saved = read_or_move_aside(folder / LEDGER, _SavedLedger)
    if saved is None or saved.boot != boot_id:
        return Ledger()
    entries: dict[str, LedgerEntry] = {}
    for identity, entry in saved.ledger.entries.items():
        mask, inode = masks.get(identity, (CpuSet(), 0))
        if not inode or saved.inodes.get(identity) != inode:
            continue
        refused = int(entry.refused != 0 and entry.refused == entry.generation)
        unchanged = entry.written is not None and entry.written == str(mask)
        # Entries with drift are kept: a restart must not resume a fight that was given up.
        if refused or unchanged or entry.drift:
            entries[identity] = msgspec.structs.replace(
                entry,
                generation=1,
                refused=refused,
                written=entry.written if unchanged else None,
            )
    return Ledger(entries)
