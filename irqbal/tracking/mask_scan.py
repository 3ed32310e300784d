"""Which masks are read in a cycle, and what was read of them last. Pure.

The kernel announces no change of a mask, so every mask is read once a minute; on small hosts, all
of them in every cycle.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.readings import Census

SWEEP_SECONDS = 60.0
"""Seconds in which every mask is read once: how long a foreign change may go unnoticed."""
SWEEP_AT_ONCE = 64
"""IRQs up to which all masks are read in every cycle: so few reads cost well under a
millisecond.
"""


class MaskChanges(msgspec.Struct, frozen=True):
    """What a scan found. `masks` are those that differ from the last reading, by IRQ number.

    `renewed`: an IRQ was set up anew or disappeared since the last census, so that masks mean
    nothing until the next one.
    """

    masks: dict[int, CpuSet] = {}
    renewed: bool = False


class MaskScan:
    """The masks and the inodes of `/proc/irq/N` as last read, and whose turn is next."""

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
        """A census has read every mask."""
        self._numbers = [facts.number for facts in census.irqs]
        self._inodes = {facts.number: facts.inode for facts in census.irqs}
        self._masks = {facts.number: facts.affinity for facts in census.irqs}

    def next_part(self, interval: float) -> list[int] | None:
        """The IRQs whose mask and effective affinity are read in this cycle of `interval` seconds;
        None: all of them.
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
        """Read these in the next cycle whosever turn it is: irqbal has just written them."""
        self._recheck |= set(numbers)

    def compare(
        self, numbers: Collection[int], found: Mapping[int, tuple[CpuSet, int]]
    ) -> MaskChanges:
        """What `found` (mask and inode by number), read of these IRQs, says beside the last
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
        """These masks are known now: read back after a write, or found changed."""
        self._masks.update(masks)
