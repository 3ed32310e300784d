"""Which masks are read in a cycle, and the masks as last read. Pure.

The kernel does not announce changes of masks, so irqbal reads every mask once a minute, and on
small hosts in every cycle.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.readings import Census

SWEEP_SECONDS = 60.0
"""Seconds in which every mask is read once: a change by another program is found within this time.
"""
SWEEP_AT_ONCE = 64
"""IRQs up to which all masks are read in every cycle: so few reads cost well under a
millisecond.
"""


class MaskChanges(msgspec.Struct, frozen=True):
    """What a scan found. `masks` are the masks that differ from the last reading, by IRQ number.

    `renewed`: an IRQ disappeared or was set up again since the last census, so the masks cannot be
    compared until the next one.
    """

    masks: dict[int, CpuSet] = {}
    renewed: bool = False


class MaskScan:
    """The masks and the inodes of `/proc/irq/N` as last read, and the position of the scan."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._inodes: dict[int, int] = {}
        self._masks: dict[int, CpuSet] = {}
        self._recheck: set[int] = set()
        self._position = 0

    @property
    def numbers(self) -> Collection[int]:
        """Every IRQ of the last census."""
        return self._numbers

    def restart(self, census: Census) -> None:
        """Take over the masks of a census."""
        self._numbers = [facts.number for facts in census.irqs]
        self._inodes = {facts.number: facts.inode for facts in census.irqs}
        self._masks = {facts.number: facts.affinity for facts in census.irqs}

    def next_part(self, interval: float) -> list[int] | None:
        """The IRQs whose mask and effective affinity to read in this cycle of `interval` seconds;
        None: all IRQs.
        """
        numbers = self._numbers
        if len(numbers) <= SWEEP_AT_ONCE:
            return None
        size = min(len(numbers), max(1, math.ceil(len(numbers) * interval / SWEEP_SECONDS)))
        begin = self._position % len(numbers)
        self._position = begin + size
        part = (numbers + numbers)[begin : begin + size]
        again, self._recheck = self._recheck, set()
        return part + [number for number in again if number in self._inodes and number not in part]

    def recheck(self, numbers: Iterable[int]) -> None:
        """Read these in the next cycle too: irqbal has just written them."""
        self._recheck |= set(numbers)

    def compare(
        self, numbers: Collection[int], found: Mapping[int, tuple[CpuSet, int]]
    ) -> MaskChanges:
        """Compare `found` (mask and inode by number), which was read of these IRQs, with the last
        reading.
        """
        inodes, masks = self._inodes, self._masks
        if len(found) < len(set(numbers)) or any(
            inode != inodes[number] for number, (_, inode) in found.items()
        ):
            return MaskChanges(renewed=True)
        return MaskChanges(
            {number: mask for number, (mask, _) in found.items() if mask != masks[number]}
        )

    def changed(self, found: Mapping[int, tuple[CpuSet, int]]) -> dict[int, CpuSet]:
        """The masks among these that differ from the last reading."""
        masks = self._masks
        return {number: mask for number, (mask, _) in found.items() if mask != masks[number]}

    def set(self, masks: Mapping[int, CpuSet]) -> None:
        """Take over these masks: read back after a write, or found changed."""
        self._masks.update(masks)
