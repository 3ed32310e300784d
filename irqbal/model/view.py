"""A host as irqbal sees it: frozen, no behaviour beyond look-ups."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec

from irqbal.cpuset import CpuSet

ALL_CPUS = CpuSet()
QueueKind = Literal["rx", "tx", "rxtx", "io"]


class Cpu(msgspec.Struct, frozen=True):
    """One CPU. Offline ones keep what was last known of them.

    `core` is the lowest CPU of its physical core, `l3` the lowest CPU that shares its last-level
    cache; `siblings` are the threads of its core, itself included. `capacity` is the kernel's
    cpu_capacity (1024: the fastest). `isolated` names the source that keeps it out of general use,
    or is empty. `squeezed` is how often a second, over the last minutes, its softirqs ran out of
    budget or dropped a packet. `threads` are seconds a second that threaded NAPI runs here,
    smoothed: load that goes where the scheduler puts it, not where an IRQ is.
    """

    number: int
    node: int = 0
    package: int = 0
    core: int = 0
    l3: int = 0
    siblings: CpuSet = ALL_CPUS
    capacity: int = 1024
    online: bool = True
    isolated: str = ""
    irq_time: float = 0.0
    softirq_time: float = 0.0
    squeezed: float = 0.0
    threads: float = 0.0

    @property
    def load(self) -> float:
        """Seconds a second in interrupt and softirq context."""
        return self.irq_time + self.softirq_time


class Queue(msgspec.Struct, frozen=True):
    """What an IRQ serves: queue `index` of network interface or disk `name`. `active` is false for
    one beyond `ethtool -L`.
    """

    name: str
    index: int
    kind: QueueKind
    active: bool = True

    def __str__(self) -> str:
        return f"{self.name}/{self.kind}-{self.index}"


class Placed(msgspec.Struct, frozen=True):
    """An IRQ's last placement by irqbal: by whom, why, where, and how many seconds ago."""

    policy: str
    reason: str
    cpus: CpuSet
    age: float


class Irq(msgspec.Struct, frozen=True):
    """One IRQ with an action. Its identity is its device, vector and action; `number` is only an
    attribute.

    `unmovable` is the reason why nobody can move it, or empty. `effective` is where the kernel
    delivers now; it may lag behind `affinity` until the next interrupt. `noise` is the standard
    error of `load`, in the same unit.
    """

    number: int
    identity: str
    action: str
    chip: str = ""
    vector: int | None = None
    device: str | None = None
    queue: Queue | None = None
    node: int = -1
    generation: int = 1
    unmovable: str = ""
    affinity: CpuSet = ALL_CPUS
    effective: CpuSet = ALL_CPUS
    hint: CpuSet = ALL_CPUS
    rate: float = 0.0
    load: float = 0.0
    noise: float = 0.0
    placed: Placed | None = None

    @property
    def movable(self) -> bool:
        """Whether the kernel lets its mask be written."""
        return not self.unmovable


class Device(msgspec.Struct, frozen=True):
    """A PCI device (its address), by what hangs below it. `node` is -1 where the kernel does not
    know it.
    """

    address: str
    driver: str = ""
    node: int = -1
    local_cpus: CpuSet = ALL_CPUS
    interfaces: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    irqs: tuple[int, ...] = ()


class TxQueue(msgspec.Struct, frozen=True):
    """A transmit queue's XPS: the CPUs that send through it; None where the driver has no XPS.
    `by_rxqs`: xps_rxqs is set.
    """

    xps: CpuSet | None = None
    by_rxqs: bool = False


class RxQueue(msgspec.Struct, frozen=True):
    """A receive queue's RPS CPUs and RFS flow-table entries (None where the kernel has none)."""

    rps: CpuSet | None = None
    flows: int | None = None


class Interface(msgspec.Struct, frozen=True):
    """A network interface; `device` is its PCI address, or None for bonds, VLANs and the like;
    `lowers` what it is made of.
    """

    name: str
    device: str | None = None
    up: bool = True
    lowers: tuple[str, ...] = ()
    tx: tuple[TxQueue, ...] = ()
    rx: tuple[RxQueue, ...] = ()


class Thread(msgspec.Struct, frozen=True):
    """A kernel thread that handles interrupts: `irq/N-…` (its IRQ) or `napi/IF-N` (its
    interface).
    """

    pid: int
    name: str
    irq: int | None = None
    interface: str = ""
    cpus: CpuSet = ALL_CPUS
    cpu: int = -1


class Override(msgspec.Struct, frozen=True):
    """A person's placement of one IRQ, by identity. `expires` is wall-clock seconds since the
    epoch, or None.
    """

    identity: str
    cpus: CpuSet
    reason: str = ""
    who: str = ""
    expires: float | None = None


class Snapshot(msgspec.Struct, frozen=True, dict=True):
    """One frozen view of the host. It never changes within a cycle.

    `now` is seconds on the monotonic clock, `cycle` counts from the daemon's start. `settling` is
    true in the first three cycles after a start or a hotplug; `hotplug` while a CPU's going or
    coming may still explain masks that the kernel reset. `rfs_entries` is
    net.core.rps_sock_flow_entries, -1 where the kernel has none.
    """

    now: float = 0.0
    cycle: int = 1
    interval: float = 10.0
    settling: bool = False
    hotplug: bool = False
    time_visible: bool = False
    default_affinity: CpuSet = ALL_CPUS
    cpus: tuple[Cpu, ...] = ()
    irqs: tuple[Irq, ...] = ()
    devices: tuple[Device, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    threads: tuple[Thread, ...] = ()
    overrides: tuple[Override, ...] = ()
    writers: tuple[str, ...] = ()
    rfs_entries: int = -1

    @cached_property
    def online(self) -> CpuSet:
        """The online CPUs."""
        return CpuSet(cpu.number for cpu in self.cpus if cpu.online)

    @cached_property
    def isolated(self) -> CpuSet:
        """The CPUs that some source isolates, online or not."""
        return CpuSet(cpu.number for cpu in self.cpus if cpu.isolated)

    @cached_property
    def cpu_by_number(self) -> dict[int, Cpu]:
        """CPUs by number."""
        return {cpu.number: cpu for cpu in self.cpus}

    @cached_property
    def irq_by_number(self) -> dict[int, Irq]:
        """IRQs by their present number."""
        return {irq.number: irq for irq in self.irqs}

    @cached_property
    def device_by_address(self) -> dict[str, Device]:
        """Devices by PCI address."""
        return {device.address: device for device in self.devices}

    @cached_property
    def interface_by_name(self) -> dict[str, Interface]:
        """Interfaces by name."""
        return {interface.name: interface for interface in self.interfaces}

    @cached_property
    def cpus_by_node(self) -> dict[int, CpuSet]:
        """Online CPUs by NUMA node."""
        found: dict[int, int] = {}
        for cpu in self.cpus:
            if cpu.online:
                found[cpu.node] = found.get(cpu.node, 0) | 1 << cpu.number
        return {node: CpuSet.from_bits(bits) for node, bits in found.items()}

    @cached_property
    def irqs_by_queue(self) -> dict[tuple[str, int], tuple[Irq, ...]]:
        """The IRQs of each queue, by (interface or disk, index): a pair of Rx and Tx, or one."""
        found: dict[tuple[str, int], list[Irq]] = {}
        for irq in self.irqs:
            if irq.queue is not None:
                found.setdefault((irq.queue.name, irq.queue.index), []).append(irq)
        return {key: tuple(irqs) for key, irqs in found.items()}

    def names_of(self, irq: Irq) -> tuple[str, ...]:
        """Everything that a glob may match an IRQ by: number, action, queue (`eth0/rx-1`),
        interface/action, device, driver.
        """
        device = self.device_of(irq)
        names = [str(irq.number), irq.action, *(irq.action.split(",") if "," in irq.action else ())]
        if irq.queue is not None:
            names.append(str(irq.queue))
        if device is not None:
            names += [device.address, device.driver, *device.disks, *device.interfaces]
            names += [f"{interface}/{irq.action}" for interface in device.interfaces]
        return tuple(names)

    def device_of(self, irq: Irq) -> Device | None:
        """The device that raises this IRQ, if it is a PCI device."""
        return None if irq.device is None else self.device_by_address.get(irq.device)

    def local_cpus(self, irq: Irq) -> CpuSet:
        """Online CPUs of the IRQ's own node; all online CPUs where the node is unknown or has none
        online.
        """
        device = self.device_of(irq)
        node = device.node if device is not None and device.node >= 0 else irq.node
        local = self.cpus_by_node.get(node, CpuSet())
        if not local and device is not None:
            local = device.local_cpus & self.online
        return local or self.online
