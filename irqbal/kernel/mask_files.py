"""The masks of known IRQs, through files that stay open: `/proc/irq/N/smp_affinity_list` and
`/proc/irq/N/effective_affinity_list` (CPU lists; Documentation/core-api/irq/irq-affinity.rst).

When an IRQ is freed and set up again under the same number, its folder has another inode, and the
kernel answers EIO for files of the old one that are still open.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.errors import GoneError, HostError
from irqbal.kernel.files import OpenFiles
from irqbal.kernel.irqs import IrqReader
from irqbal.model.readings import IrqFacts


class MaskFiles:
    """Reads the masks of the IRQs that the last census found."""

    def __init__(self, root: Path, irqs: IrqReader, kept: OpenFiles) -> None:
        self._folder = str(root).rstrip("/")
        self._irqs, self._kept = irqs, kept
        self.inodes: dict[int, int] = {}
        """Each known IRQ's inode, by number; another one is another generation."""

    def set_known(self, irqs: Iterable[IrqFacts]) -> None:
        """These are the IRQs that exist; files of earlier generations are closed."""
        fresh = {facts.number: facts.inode for facts in irqs}
        for number, inode in self.inodes.items():
            if fresh.get(number) != inode:
                self._kept.drop(self._effective_path(number))
                self._kept.drop(self._mask_path(number))
        self.inodes = fresh

    def effective(self, number: int) -> CpuSet:
        """The effective affinity of a known IRQ. Raises GoneError if it was freed or set up again,
        HostError if the file is no CPU list.
        """
        path = self._effective_path(number)
        try:
            data = self._kept.read(path, 256)
        except GoneError:
            inode = self._irqs.inode(number)
            if inode == 0 or inode != self.inodes[number]:
                raise
            # This architecture, or this tree, has no such file.
            return self._irqs.effective(number, self._irqs.affinity(number))
        try:
            return _cpu_list(data)
        except ValueError as error:
            raise HostError(f"{path}: {error}") from error

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The present mask and inode of these IRQs; those that are gone are left out."""
        found = {}
        for number in numbers:
            inode = self._inode(number)
            if not inode:
                continue
            if self.inodes.get(number) != inode:
                found[number] = (self._irqs.affinity(number), inode)
                continue
            try:
                found[number] = (_cpu_list(self._kept.read(self._mask_path(number), 256)), inode)
            except (HostError, ValueError):
                inode = self._irqs.inode(number)
                if inode:
                    found[number] = (self._irqs.affinity(number), inode)
        return found

    def _inode(self, number: int) -> int:
        """On the live host the open file of a known IRQ shows by EIO that the IRQ was replaced; in
        a tree of plain files only the inode does.
        """
        known = self.inodes.get(number)
        if known is not None and not self._folder and self._kept.holds(self._mask_path(number)):
            return known
        return self._irqs.inode(number)

    def _mask_path(self, number: int) -> str:
        return f"{self._folder}/proc/irq/{number}/smp_affinity_list"

    def _effective_path(self, number: int) -> str:
        return f"{self._folder}/proc/irq/{number}/effective_affinity_list"


@functools.lru_cache(maxsize=4096)
def _cpu_list(data: bytes) -> CpuSet:
    """A CPU list; the same few texts are read again and again."""
    return CpuSet.parse(data.decode("ascii", "replace"))
