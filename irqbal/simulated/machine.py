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


class SimulatedIrq(msgspec.Struct):
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
    cpus = tuple(_cpus(spec))
    local = {
        node: CpuSet(cpu.number for cpu in cpus if cpu.node == node) for node in range(spec.nodes)
    }
    by_core = tuple(number for cpu in cpus if cpu.core == cpu.number for number in cpu.siblings)
    lines = [SimulatedIrq(ACPI_IRQ, "acpi", "IO-APIC", 9, Source("idle"), counts={})]
    cards: list[Card] = []
    for index, kind in enumerate(_nics(spec)):
        cards.append(_nic(kind, index, len(cards), spec, local, lines))
    for index, queues in enumerate(_drives(spec)):
        cards.append(_drive(queues, index, len(cards), local, by_core, lines))
    return Machine(cpus, tuple(cards), tuple(lines))


def _nics(spec: HostSpec) -> Iterator[Nics]:
    for nics in spec.nics:
        for _ in range(nics.count):
            yield nics


def _drives(spec: HostSpec) -> Iterator[int]:
    for drives in spec.drives:
        for _ in range(drives.count):
            yield min(drives.queues, spec.cpus)


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


def _address(index: int) -> str:
    """The PCI address of the card of this rank: each has its own bus, from 1 on."""
    domain, bus = divmod(index + 1, 256)
    return f"{domain:04x}:{bus:02x}:00.0"


def _nic(
    kind: Nics,
    index: int,
    rank: int,
    spec: HostSpec,
    local: dict[int, CpuSet],
    lines: list[SimulatedIrq],
) -> Card:
    naming, address, node, interface = (
        NIC_DRIVERS[kind.driver],
        _address(rank),
        index % spec.nodes,
        f"eth{index}",
    )
    virtio = f"virtio{index}" if "{virtio}" in naming.patterns[0] else ""
    words = {"interface": interface, "address": address, "virtio": virtio}
    actions = [(naming.other.format(**words), Source("idle"))] if naming.other else []
    for queue in range(kind.queues):
        actions += [
            (pattern.format(index=queue, **words), Source("net", interface))
            for pattern in naming.patterns
        ]
    numbers = _add(lines, actions, address, node, interface)
    device = Device(
        address, naming.shown or kind.driver, node, local[node], (interface,), (), numbers
    )
    return Card(device, kind.queues, virtio, naming)


def _drive(
    queues: int,
    index: int,
    rank: int,
    local: dict[int, CpuSet],
    by_core: tuple[int, ...],
    lines: list[SimulatedIrq],
) -> Card:
    name, address, node = f"nvme{index}", _address(rank), index % len(local)
    actions = [(f"{name}q0", Source("idle"))]
    actions += [(f"{name}q{queue}", Source("disk", name)) for queue in range(1, queues + 1)]
    numbers = _add(lines, actions, address, node, "")
    for queue, line in enumerate(lines[-queues:]):
        # Each queue serves an even share of the CPUs, threads of one core together.
        line.managed = True
        line.mask = CpuSet(
            by_core[queue * len(by_core) // queues : (queue + 1) * len(by_core) // queues]
        )
    return Card(Device(address, "nvme", node, local[node], (), (f"{name}n1", name), numbers))


def _add(
    lines: list[SimulatedIrq],
    actions: list[tuple[str, Source]],
    address: str,
    node: int,
    interface: str,
) -> tuple[int, ...]:
    first = max(FIRST_IRQ, lines[-1].number + 1)
    for index, (action, source) in enumerate(actions):
        lines.append(
            SimulatedIrq(
                first + index,
                action,
                f"PCI-MSIX-{address}",
                index,
                source,
                address,
                interface,
                node,
                counts={},
            )
        )
    return tuple(range(first, first + len(actions)))
