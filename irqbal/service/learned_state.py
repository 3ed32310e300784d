"""State for the next start: the ledger and the learned costs. If it is lost, irqbal makes a few
unnecessary moves, no more.
"""

from __future__ import annotations

import logging
import time

from irqbal.errors import StateFileError
from irqbal.planner.ledger import Ledger
from irqbal.state.costs_file import load_costs, save_costs
from irqbal.state.folders import Folders
from irqbal.state.ledger_file import load_ledger, save_ledger
from irqbal.tracking.tracker import HostTracker

log = logging.getLogger(__name__)

COSTS_EVERY = 600.0
"""Seconds between two writes of the costs: they change slowly."""


class LearnedState:
    """The state files of one host and boot. Without folders nothing is stored. A file that cannot
    be written is logged.
    """

    def __init__(
        self, folders: Folders | None = None, boot_id: str = "", read_only: bool = False
    ) -> None:
        """`read_only`: restore, but store nothing (a dry run)."""
        self._folders, self._boot_id, self._read_only = folders, boot_id, read_only
        self._ledger = Ledger()
        self._costs_stored = time.monotonic()

    def restore(self, tracker: HostTracker) -> Ledger:
        """Give the tracker the stored costs. Returns the ledger with the masks that are still as
        irqbal set them. Call it after the tracker's first sample.
        """
        if self._folders is not None:
            tracker.start_costs(load_costs(self._folders.state))
            self._ledger = load_ledger(self._folders.run, self._boot_id, tracker.masks())
        return self._ledger

    def store_ledger(self, ledger: Ledger, tracker: HostTracker) -> None:
        """Store the ledger if it changed, for the next start and for `irqbal explain`."""
        if self._folders is None or self._read_only or ledger is self._ledger:
            return
        self._ledger = ledger
        try:
            inodes = {identity: inode for identity, (_, inode) in tracker.masks().items()}
            save_ledger(self._folders.run, self._boot_id, ledger, inodes)
        except StateFileError as error:
            log.warning("%s", error)

    def store_costs(self, tracker: HostTracker) -> None:
        """Store the costs."""
        if self._folders is None or self._read_only:
            return
        try:
            save_costs(self._folders.state, tracker.learned_costs())
        except StateFileError as error:
            log.warning("%s", error)

    def store_costs_if_due(self, tracker: HostTracker) -> None:
        """Store the costs if the last write is COSTS_EVERY ago."""
        if time.monotonic() - self._costs_stored > COSTS_EVERY:
            self._costs_stored = time.monotonic()
            self.store_costs(tracker)
