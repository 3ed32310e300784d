"""The parts of a simulated host: CPUs, devices and IRQs, built from a specification."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.view import Cpu, Device
from irqbal.simulated.drivers import NIC_DRIVERS, Naming
from irqbal.simulated.spec import HostSpec, Nics
from irqbal.simulated.traffic import Source

FIRST_IRQ = 24
"""Number of the first MSI: x86 numbers them after the IO-APIC's 24 pins."""
ACPI_IRQ = 9
"""Number of the ACPI interrupt on x86."""


class SimulatedIrq(msgspec.Struct, kw_only=True):
    """One IRQ in its present state. `counts` are interrupts by CPU since it was set up; each
    generation has another `inode`. `managed`: the kernel owns its mask. `interface` is empty if the
    IRQ belongs to no NIC.
    """

    number: int
    action: str
    chip: str
    vector: int
    source: Source
    address: str = ""
    interface: str = ""
    node: int = -1
    managed: bool = False
    mask: CpuSet = CpuSet()
    effective: CpuSet = CpuSet()
    inode: int = 0
    counts: dict[int, int] = {}


class Card(msgspec.Struct, frozen=True):
    """A NIC or a drive. `queues` is the number of a NIC's queues; `virtio` is the name of the
    virtio device between the PCI device and the interface, if any.
    """

    device: Device
    queues: int = 0
    virtio: str = ""
    naming: Naming | None = None


class Machine(msgspec.Struct, frozen=True):
    """All parts of a host. `lines` are the IRQs in the order of their numbers."""

    cpus: tuple[Cpu, ...]
    cards: tuple[Card, ...]
    lines: tuple[SimulatedIrq, ...]


def build(spec: HostSpec) -> Machine:
    """Build a host. Devices are spread over the nodes in turn; every CPU is online, and no IRQ is
    placed yet.
    """
    builder = _Builder(spec)
    for nics in spec.nics:
        for _ in range(nics.count):
            builder.add_nic(nics)
    for drives in spec.drives:
        for _ in range(drives.count):
            builder.add_drive(min(drives.queues, spec.cpus))
    return builder.machine()


class _Builder:
    """Adds one device after the other; interfaces, drives and PCI addresses are numbered."""

    def __init__(self, spec: HostSpec) -> None:
        self._cpus = tuple(_cpus(spec))
        self._nodes = [
            CpuSet(cpu.number for cpu in self._cpus if cpu.node == node)
            for node in range(spec.nodes)
        ]
        acpi = SimulatedIrq(
            number=ACPI_IRQ,
            action="acpi",
            chip="IO-APIC",
            vector=ACPI_IRQ,
            source=Source("idle"),
            counts={},
        )
        self._lines = [acpi]
        self._cards: list[Card] = []
        self._nics = self._drives = 0

    def machine(self) -> Machine:
        """The host with everything that was added."""
        return Machine(self._cpus, tuple(self._cards), tuple(self._lines))

    def add_nic(self, kind: Nics) -> None:
        """Add one network card of this kind."""
        index, naming = self._nics, NIC_DRIVERS[kind.driver]
        self._nics += 1
        interface, node, address = f"eth{index}", index % len(self._nodes), self._next_address()
        virtio = f"virtio{index}" if "{virtio}" in naming.patterns[0] else ""
        words = {"interface": interface, "address": address, "virtio": virtio}
        actions = [(naming.other.format(**words), Source("idle"))] if naming.other else []
        for queue in range(kind.queues):
            actions += [
                (pattern.format(index=queue, **words), Source("net", interface))
                for pattern in naming.patterns
            ]
        device = Device(
            address,
            naming.shown or kind.driver,
            node,
            self._nodes[node],
            (interface,),
            (),
            self._add_irqs(actions, _Slot(address, node, interface)),
        )
        self._cards.append(Card(device, kind.queues, virtio, naming))

    def add_drive(self, queues: int) -> None:
        """Add one NVMe drive with so many I/O queues."""
        index = self._drives
        self._drives += 1
        name, node, address = f"nvme{index}", index % len(self._nodes), self._next_address()
        actions = [(f"{name}q0", Source("idle"))]
        actions += [(f"{name}q{queue}", Source("disk", name)) for queue in range(1, queues + 1)]
        numbers = self._add_irqs(actions, _Slot(address, node))
        # Each queue serves an even share of the CPUs, threads of one core together.
        cpus = [number for cpu in self._cpus if cpu.core == cpu.number for number in cpu.siblings]
        for queue, line in enumerate(self._lines[-queues:]):
            line.managed = True
            begin, end = queue * len(cpus) // queues, (queue + 1) * len(cpus) // queues
            line.mask = CpuSet(cpus[begin:end])
        device = Device(address, "nvme", node, self._nodes[node], (), (f"{name}n1", name), numbers)
        self._cards.append(Card(device))

    def _next_address(self) -> str:
        """A PCI address: each card has its own bus, from 1 on."""
        domain, bus = divmod(len(self._cards) + 1, 256)
        return f"{domain:04x}:{bus:02x}:00.0"

    def _add_irqs(self, actions: list[tuple[str, Source]], place: _Slot) -> tuple[int, ...]:
        """Add a device's MSI-X vectors; returns their IRQ numbers."""
        first = max(FIRST_IRQ, self._lines[-1].number + 1)
        for index, (action, source) in enumerate(actions):
            self._lines.append(
                SimulatedIrq(
                    number=first + index,
                    action=action,
                    chip=f"PCI-MSIX-{place.address}",
                    vector=index,
                    source=source,
                    address=place.address,
                    interface=place.interface,
                    node=place.node,
                    counts={},
                )
            )
        return tuple(range(first, first + len(actions)))


class _Slot(msgspec.Struct, frozen=True):
    """Where a device is: its PCI address, its node, and a NIC's interface."""

    address: str
    node: int
    interface: str = ""


def _cpus(spec: HostSpec) -> Iterator[Cpu]:
    """Numbered as x86 does: first one thread of every core, socket by socket, then the cores'
    second threads.
    """
    cores = spec.sockets * spec.cores
    share = spec.l3 or spec.cores
    for number in range(spec.cpus):
        core = number % cores
        socket, within = divmod(core, spec.cores)
        siblings = CpuSet(core + thread * cores for thread in range(spec.threads))
        yield Cpu(
            number,
            node=core * spec.nodes // cores,
            package=socket,
            core=core,
            l3=socket * spec.cores + within // share * share,
            siblings=siblings,
        )
