"""Which IRQs cannot be moved although their files look writable. Pure.

Since Linux 6.12 the mode of a mask file tells (`kernel.irqs`). Before, all modes are 0644 and a
managed or per-CPU IRQ answers a write with EIO; a plan that counts on moving it never solves the
real overload. What is known without a write: interrupts that a controller has for each CPU, and
the queues of storage drivers that let the kernel spread them (PCI_IRQ_AFFINITY), whose masks
divide the CPUs among them (kernel/irq/affinity.c, irq_create_affinity_masks).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from irqbal.cpuset import CpuSet
from irqbal.model.readings import Census, IrqFacts
from irqbal.model.unmovable import MANAGED, OWNED, PER_CPU
from irqbal.model.view import Device

MANAGED_DRIVERS = frozenset(
    {
        "LeapRAID",
        "be2iscsi",
        "csiostor",
        "efct",
        "fnic",
        "hisi_sas_v3_hw",
        "hpsa",
        "lpfc",
        "megaraid_sas",
        "mpi3mr",
        "mpt3sas",
        "ngbe",
        "nvme",
        "pm80xx",
        "qla2xxx",
        "smartpqi",
        "txgbe",
        "virtio-pci",
    }
)
"""Drivers that ask for managed vectors (PCI_IRQ_AFFINITY, or a struct irq_affinity)."""
_PER_CPU_CHIPS = frozenset(
    {"RISC-V INTC", "CPUINTC", "bcm2836-timer", "bcm2836-pmu", "MIPS", "xen-percpu"}
)
"""Interrupt controllers that every CPU has for itself (drivers/irqchip/irq-riscv-intc.c,
irq-loongarch-cpu.c, irq-bcm2836.c, irq-mips-cpu.c; drivers/xen/events/events_base.c).
"""
_GIC = re.compile(r"GICv[23]|GIC-\d+")
"""Chips whose hwirq is the GIC's own number. Those of its MSI frames (`GICv2m-PCI-MSIX-…`) count
vectors.
"""
_GIC_PPIS = (range(16, 32), range(1056, 1120))
"""Interrupt numbers of a GIC that each CPU has for itself: PPIs and extended PPIs (Arm IHI 0069,
2.2.1).
"""


class Immobility:
    """Remembers counts from one census to the next: an IRQ that rises on all CPUs at once, without
    an effective affinity and without a device, is per-CPU.
    """

    def __init__(self) -> None:
        self._counts: dict[int, dict[int, int]] = {}
        self._risen: set[tuple[int, int]] = set()

    def find(self, census: Census, devices: Mapping[int, Device], online: CpuSet) -> dict[int, str]:
        """Why IRQs cannot be moved, by number; those that can are absent. `devices` are by IRQ
        number.
        """
        found = {facts.number: facts.unmovable for facts in census.irqs if facts.unmovable}
        modes_tell = OWNED in found.values()
        self._note_rise(census, online)
        for facts in census.irqs:
            if self._is_per_cpu(facts, devices):
                found[facts.number] = PER_CPU
        by_device: dict[str, list[IrqFacts]] = {}
        for facts in census.irqs:
            device = devices.get(facts.number)
            if device is None or device.driver not in MANAGED_DRIVERS:
                continue
            if device.driver == "virtio-pci" and not device.disks:
                continue
            if facts.unmovable == OWNED:
                found[facts.number] = MANAGED
            else:
                by_device.setdefault(device.address, []).append(facts)
        for irqs in by_device.values() if not modes_tell else ():
            found |= dict.fromkeys(_dividing(irqs, online), MANAGED)
        return found

    def _note_rise(self, census: Census, online: CpuSet) -> None:
        """Remember which IRQs rose on every online CPU since the last census."""
        counts = {facts.number: facts.counts for facts in census.irqs if facts.counts}
        risen = set()
        for facts in census.irqs:
            before = self._counts.get(facts.number, {})
            life = (facts.number, facts.inode)
            if life in self._risen or (
                before
                and len(online) > 1
                and all(facts.counts.get(cpu, 0) > before.get(cpu, 0) for cpu in online)
            ):
                risen.add(life)
        self._counts, self._risen = counts, risen

    def _is_per_cpu(self, facts: IrqFacts, devices: Mapping[int, Device]) -> bool:
        if facts.chip in _PER_CPU_CHIPS:
            return True
        if _GIC.fullmatch(facts.chip) and any(facts.vector in ids for ids in _GIC_PPIS):
            return True
        # Controllers that deliver to any of several CPUs rise on all of them too, but what hangs
        # behind those is a device that irqbal knows.
        return facts.number not in devices and (facts.number, facts.inode) in self._risen


def _dividing(irqs: list[IrqFacts], online: CpuSet) -> list[int]:
    """The vectors of one device whose masks have no CPU in common and cover all online CPUs. A
    driver may ask for several such sets, one after the other (nvme's write queues), and for some
    vectors before them that are its own (nvme's admin queue).
    """
    parts = [facts for facts in irqs if not online <= facts.affinity]
    parts.sort(key=lambda facts: (facts.vector is None, facts.vector or 0, facts.number))
    for first in range(len(parts) - 1):
        if _are_sets(parts[first:], online):
            return [facts.number for facts in parts[first:]]
    return []


def _are_sets(parts: list[IrqFacts], online: CpuSet) -> bool:
    union = CpuSet()
    for facts in parts:
        if not facts.affinity or facts.affinity & union:
            return False
        union |= facts.affinity
        if online <= union:
            union = CpuSet()
    return not union
