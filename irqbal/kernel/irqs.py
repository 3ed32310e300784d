"""`/proc/irq/N` and `/sys/kernel/irq/N`: masks, actions and identity of each IRQ
(Documentation/core-api/irq/irq-affinity.rst, ABI/testing/sysfs-kernel-irq).

An IRQ whose affinity the kernel owns (managed, per-CPU or no-balance) has a mask file of mode 0444
since Linux 6.12. Before, all modes are 0644, and only a write shows it (EIO). The mode itself is
read, since access(2) reports every file as writable to root.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from itertools import compress, repeat
from operator import ne
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.files import cpus_or, int_or, mask_or, names, text_or
from irqbal.kernel.interrupts import Row
from irqbal.model.readings import IrqFacts
from irqbal.model.unmovable import NO_FILE, OWNED

PATHS = (
    "proc/irq/default_smp_affinity",
    "proc/irq/[0-9]*/smp_affinity",
    "proc/irq/[0-9]*/smp_affinity_list",
    "proc/irq/[0-9]*/effective_affinity_list",
    "proc/irq/[0-9]*/affinity_hint",
    "proc/irq/[0-9]*/node",
    "proc/irq/[0-9]*/*/",
    "sys/kernel/irq/[0-9]*/actions",
    "sys/kernel/irq/[0-9]*/chip_name",
    "sys/kernel/irq/[0-9]*/hwirq",
    "sys/kernel/irq/[0-9]*/per_cpu_count",
)
"""Files below the root that this module reads (see `host.READERS`)."""


class IrqReader:
    """Reads every IRQ; facts that cannot change within one generation of an IRQ are read once."""

    def __init__(self, root: Path) -> None:
        self._base = f"{root}/proc/irq"
        self._sysfs = f"{root}/sys/kernel/irq"
        self._static: dict[int, tuple[int, str, str, int | None, int]] = {}
        self.untold: set[int] = set()
        """IRQs whose effective affinity the kernel left empty, as for per-CPU interrupts, when they
        were last read. Their counts by CPU are needed.
        """

    def folder(self, number: int) -> str:
        """`/proc/irq/N` under this root."""
        return f"{self._base}/{number}"

    def inode(self, number: int) -> int:
        """The inode of `/proc/irq/N`, which is another one in each generation of the IRQ; 0 if
        there is no such IRQ.
        """
        try:
            return os.stat(self.folder(number)).st_ino  # noqa: PTH116 - thousands of these
        except OSError:
            return 0

    def read(self, rows: dict[int, Row], cpus: Sequence[int]) -> tuple[IrqFacts, ...]:
        """Every IRQ that has an action. `rows` of `/proc/interrupts` are used where sysfs lacks a
        fact; `cpus` are those of its columns.
        """
        self.untold = set()
        numbers = {int(name) for name in names(self._base) if name.isdecimal()}
        found = [
            facts
            for number in sorted(numbers | rows.keys())
            if (facts := self._facts(number, rows.get(number), cpus))
        ]
        self._static = {facts.number: self._static[facts.number] for facts in found}
        return tuple(found)

    def default_affinity(self) -> CpuSet:
        """`default_smp_affinity`; empty where the kernel has none."""
        return mask_or(f"{self._base}/default_smp_affinity", CpuSet())

    def affinity(self, number: int) -> CpuSet:
        """The present mask; empty if there is no file."""
        folder = self.folder(number)
        return cpus_or(f"{folder}/smp_affinity_list", CpuSet()) or mask_or(
            f"{folder}/smp_affinity", CpuSet()
        )

    def effective(self, number: int, affinity: CpuSet) -> CpuSet:
        """The effective affinity; the mask itself on architectures without that file, and where
        the file is empty.
        """
        return _effective(self._effective_text(number), affinity)

    def _effective_text(self, number: int) -> str:
        """The file's text, or words that are no list where there is no such file."""
        return text_or(f"{self.folder(number)}/effective_affinity_list", "no such file")

    def counts(self, number: int, possible: Sequence[int]) -> dict[int, int] | None:
        """Its interrupts by CPU, without zeros; None if they cannot be read. The file has a number
        for each of the `possible` CPUs (ABI/testing/sysfs-kernel-irq; kernel/irq/irqdesc.c).
        """
        fields = text_or(f"{self._sysfs}/{number}/per_cpu_count").split(",")
        if len(fields) != len(possible) or not "".join(fields).isdecimal():
            return None
        counted = compress(zip(possible, fields, strict=True), map(ne, fields, repeat("0")))
        return {cpu: int(field) for cpu, field in counted}

    def _facts(self, number: int, row: Row | None, cpus: Sequence[int]) -> IrqFacts | None:
        inode = self.inode(number)
        static = self._static.get(number)
        if static is None or static[0] != inode or not inode:
            action = self._action(number, row)
            if not action:
                return None
            self._static[number] = static = (inode, action, *self._chip(number, row))
        _, action, chip, vector, node = static
        affinity = self.affinity(number)
        counts: dict[int, int] = {}
        told = self._effective_text(number)
        if not told:
            self.untold.add(number)
            found = () if row is None else zip(cpus, row.counts, strict=False)
            counts = {cpu: count for cpu, count in found if count}
        return IrqFacts(
            number=number,
            action=action,
            chip=chip,
            vector=vector,
            unmovable=self._unmovable(number, affinity),
            affinity=affinity,
            effective=_effective(told, affinity),
            hint=mask_or(f"{self.folder(number)}/affinity_hint", CpuSet()),
            node=node,
            inode=inode,
            counts=counts,
        )

    def _action(self, number: int, row: Row | None) -> str:
        """The names of the IRQ's actions, joined with a comma; empty if it has none, since
        `msi_irqs` lists more IRQs than are in use.
        """
        text = text_or(f"{self._sysfs}/{number}/actions")
        if text and text != "(null)":
            return text
        if row is not None:
            return row.action
        # Each action has a folder here, unless its name holds a slash.
        folders = [
            name
            for name in names(self.folder(number))
            if (Path(self.folder(number)) / name).is_dir()
        ]
        return ",".join(folders)

    def _chip(self, number: int, row: Row | None) -> tuple[str, int | None, int]:
        if row is not None and row.hwirq is not None and row.chip.startswith("PCI-MSI"):
            # Nearly all IRQs of a large host. The row of an MSI has the same words as sysfs
            # (kernel/irq/proc.c, show_interrupts), and is parsed already.
            chip, hwirq = row.chip, row.hwirq
        else:
            chip = text_or(f"{self._sysfs}/{number}/chip_name") or (row.chip if row else "")
            hwirq = int_or(f"{self._sysfs}/{number}/hwirq", -1)
            if hwirq < 0 and row is not None and row.hwirq is not None:
                hwirq = row.hwirq
        node = int_or(f"{self.folder(number)}/node", -1)
        return chip, (_vector(chip, hwirq) if hwirq >= 0 else None), node

    def _unmovable(self, number: int, affinity: CpuSet) -> str:
        for name in ("smp_affinity_list", "smp_affinity"):
            try:
                mode = os.stat(f"{self.folder(number)}/{name}").st_mode  # noqa: PTH116
            except OSError:
                continue
            return "" if mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) else OWNED
        return NO_FILE


def _effective(text: str, affinity: CpuSet) -> CpuSet:
    """The effective affinity from the file's text; the mask where that is no list, or empty."""
    try:
        return CpuSet.parse(text) or affinity
    except ValueError:
        return affinity


def _vector(chip: str, hwirq: int) -> int:
    """The MSI index. Before 6.8 a PCI MSI's hwirq packs it with the device's address: index in the
    low 11 bits (pci_msi_domain_calc_hwirq).
    """
    return hwirq & 0x7FF if "PCI-MSI" in chip and hwirq > 0x7FF else hwirq


def check_readable(root: Path) -> None:
    """Raises HostError with a sentence if there are no IRQs below this root."""
    if not names(root / "proc/irq") and not (root / "proc/interrupts").exists():
        raise HostError(
            f"{root} has neither proc/irq nor proc/interrupts: this is no Linux host, nor a tree "
            "of one; --root names a folder with proc/ and sys/, as an unpacked capture has"
        )
