"""A host as policies see it: frozen structs, without behaviour beyond look-ups. The module is long
because it is one vocabulary.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cached_property

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.queues import Queue, QueueEvidence
from irqbal.model.unmovable import Cannot, cannot

ALL_CPUS = CpuSet()


class Cpu(msgspec.Struct, frozen=True):
    """One CPU. An offline CPU has the topology that was last read.

    `core` is the lowest CPU of its physical core, `l3` the lowest CPU that shares its last-level
    cache. `siblings` are the SMT siblings of its core, this CPU included. `capacity` is the
    kernel's cpu_capacity (1024: the fastest). `isolated` names the source that isolates the CPU, or
    is empty. `irq_time` and `softirq_time` are seconds a second, smoothed as the loads of IRQs are,
    and together never less than what the IRQs delivered there take. `squeezed` is how often a
    second, over the last minutes, its softirqs ran out of budget or dropped a packet. `threads` is
    the time of threaded NAPI on this CPU in seconds a second, smoothed: the scheduler places that
    load, not an IRQ's affinity.
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
        """Seconds a second in hard interrupt and softirq context, and in threaded NAPI."""
        return self.irq_time + self.softirq_time + self.threads


class Placed(msgspec.Struct, frozen=True):
    """An IRQ's last placement by irqbal: the policy, its reason, the mask, its age in seconds."""

    policy: str
    reason: str
    cpus: CpuSet
    age: float


class Irq(msgspec.Struct, frozen=True):
    """One IRQ with an action. Its identity is made of device, vector and action; `number` may
    change.

    `device` is the address of a `Device`. `queues` are those that it serves, mostly one or none;
    `evidence` says how that is known. `node` is the NUMA node, -1 if unknown. `generation` rises
    each time that the driver sets the IRQ up again. `unmovable` is the reason why its mask cannot
    be written, or empty. `affinity` is the mask. `effective` is where the kernel delivers the IRQ
    now; after a change of the mask it may stay as it was until the next interrupt. `hint` is the
    driver's affinity hint. `rate` is interrupts a second, `load` seconds of CPU a second, both
    smoothed. `noise` is the standard error of `load`. `placed` is None if irqbal has not placed the
    IRQ.
    """

    number: int
    identity: str
    action: str
    chip: str = ""
    vector: int | None = None
    device: str | None = None
    queues: tuple[Queue, ...] = ()
    evidence: QueueEvidence = ""
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
    def queue(self) -> Queue | None:
        """The only queue that it serves; None if it serves none or several."""
        return self.queues[0] if len(self.queues) == 1 else None

    @property
    def cannot(self) -> Cannot:
        """Why the kernel accepts no writes to its mask: `managed`, `per-CPU`, or empty."""
        return cannot(self.unmovable)

    @property
    def movable(self) -> bool:
        """Whether the kernel accepts writes to its mask."""
        return not self.unmovable


class Device(msgspec.Struct, frozen=True):
    """A PCI device, or a NIC below no PCI device (platform, virtio-mmio, Xen), with its network
    interfaces, disks and IRQs (by number).

    `address` is the PCI address, else the name of the device's folder in /sys. `function` is the
    driver of the virtio device below the PCI device (`virtio_net` below `virtio-pci`). `interfaces`
    are without representors, whose packets arrive through queues of other interfaces. `node` is the
    NUMA node, -1 if the kernel does not know it.
    """

    address: str
    driver: str = ""
    node: int = -1
    local_cpus: CpuSet = ALL_CPUS
    interfaces: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    irqs: tuple[int, ...] = ()
    function: str = ""

    @property
    def drivers(self) -> tuple[str, ...]:
        """The names of its drivers."""
        return (self.driver, self.function) if self.function else (self.driver,)


class TxQueue(msgspec.Struct, frozen=True):
    """A transmit queue's XPS: the CPUs that send through it; None if the driver has no XPS.
    `by_rxqs`: xps_rxqs is set, which takes precedence.
    """

    xps: CpuSet | None = None
    by_rxqs: bool = False


class RxQueue(msgspec.Struct, frozen=True):
    """A receive queue's RPS CPUs and number of RFS flow-table entries (None if the kernel has no
    such setting).
    """

    rps: CpuSet | None = None
    flows: int | None = None


class Interface(msgspec.Struct, frozen=True):
    """A network interface. `device` is the address of its `Device`, or None for bonds, VLANs and
    the like. `lowers` are the interfaces below it. `tx` and `rx` are its queues, by index.
    `representor`: it stands for a port of an embedded switch (a VF, an SF, another host's PF).
    `ethernet`: it is no wireless one, and of no other kind of network.
    """

    name: str
    device: str | None = None
    up: bool = True
    lowers: tuple[str, ...] = ()
    tx: tuple[TxQueue, ...] = ()
    rx: tuple[RxQueue, ...] = ()
    representor: bool = False
    ethernet: bool = True


class Thread(msgspec.Struct, frozen=True):
    """A kernel thread that handles interrupts: `irq/N-…` (then `irq` is its IRQ's number) or
    `napi/IF-N` (then `interface` is set). `cpus` is its affinity, `cpu` the CPU on which it last
    ran (-1: unknown).
    """

    pid: int
    name: str
    irq: int | None = None
    interface: str = ""
    cpus: CpuSet = ALL_CPUS
    cpu: int = -1


class Override(msgspec.Struct, frozen=True):
    """An administrator's placement of one IRQ, by identity. `who` is the user who set it. `expires`
    is seconds since the epoch; None: never.
    """

    identity: str
    cpus: CpuSet
    reason: str = ""
    who: str = ""
    expires: float | None = None


class Snapshot(msgspec.Struct, frozen=True, dict=True):
    """The host at one moment; one snapshot serves a whole cycle.

    `now` is seconds on the monotonic clock. `cycle` counts from the daemon's start. `interval` is
    seconds between two cycles. `settling` is true in three cycles after a start, a hotplug or the
    appearance of an IRQ: moves then need not wait. `hotplug` is true while a CPU that went offline
    or came online may still explain masks that the kernel reset. `time_visible`: loads rest on
    measured CPU time; otherwise every interrupt is taken to cost the same. `writers` are other
    programs that write masks, one sentence each. `rfs_entries` is net.core.rps_sock_flow_entries,
    -1 if the kernel has none. `boot_affinity` are the CPUs to which the kernel's command line keeps
    new interrupts (`irqaffinity=`); empty if it does not.
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
    boot_affinity: CpuSet = ALL_CPUS

    @cached_property
    def online(self) -> CpuSet:
        """The online CPUs."""
        return CpuSet(cpu.number for cpu in self.cpus if cpu.online)

    @cached_property
    def possible(self) -> CpuSet:
        """Every CPU of the host, online or not."""
        return CpuSet(cpu.number for cpu in self.cpus)

    @cached_property
    def isolated(self) -> CpuSet:
        """The isolated CPUs, online or not."""
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
        """Devices by address."""
        return {device.address: device for device in self.devices}

    @cached_property
    def interface_by_name(self) -> dict[str, Interface]:
        """Interfaces by name."""
        return {interface.name: interface for interface in self.interfaces}

    @cached_property
    def cpus_by_node(self) -> dict[int, CpuSet]:
        """Online CPUs by NUMA node."""
        bits_by_node: dict[int, int] = {}
        for cpu in self.cpus:
            if cpu.online:
                bits_by_node[cpu.node] = bits_by_node.get(cpu.node, 0) | 1 << cpu.number
        return {node: CpuSet.from_bits(bits) for node, bits in bits_by_node.items()}

    @cached_property
    def irqs_by_queue(self) -> dict[tuple[str, int], tuple[Irq, ...]]:
        """The IRQs of each queue, by (interface or disk, index): one IRQ, or one for Rx and one for
        Tx. An IRQ of several queues stands at each of them.
        """
        by_queue: dict[tuple[str, int], list[Irq]] = {}
        for irq in self.irqs:
            for key in dict.fromkeys((queue.name, queue.index) for queue in irq.queues):
                by_queue.setdefault(key, []).append(irq)
        return {key: tuple(irqs) for key, irqs in by_queue.items()}

    @cached_property
    def interfaces_below(self) -> dict[str, frozenset[str]]:
        """For each interface the names of those that it stands for: itself, and all below it, as
        a bond, a VLAN, a bridge or a netvsc interface with its VF has them.
        """
        found: dict[str, frozenset[str]] = {}
        for interface in self.interfaces:
            names: set[str] = set()
            todo = [interface.name]
            while todo:
                name = todo.pop()
                if name not in names and name in self.interface_by_name:
                    names.add(name)
                    todo += self.interface_by_name[name].lowers
            found[interface.name] = frozenset(names)
        return found

    def interfaces_like(self, glob: str) -> frozenset[str]:
        """The interfaces that a shell pattern matches, with all below them."""
        return frozenset(
            name
            for above, below in self.interfaces_below.items()
            if fnmatchcase(above, glob)
            for name in below
        )

    def interfaces_of(self, irq: Irq) -> tuple[str, ...]:
        """The interfaces whose packets the IRQ announces: those of its queues, else all of its
        device.
        """
        mine = tuple(dict.fromkeys(queue.name for queue in irq.queues if queue.kind != "io"))
        device = self.device_of(irq)
        return mine or (() if device is None else device.interfaces)

    @cached_property
    def unrecognised(self) -> dict[str, tuple[tuple[int, ...], tuple[Irq, ...]]]:
        """For each interface that has active queues of which no IRQ is known: their indexes, and
        the IRQs of its device that serve no queue that is known. An interface whose device has no
        IRQ of its own is left out.
        """
        known: dict[str, set[int]] = {}
        for irq in self.irqs:
            for queue in irq.queues:
                known.setdefault(queue.name, set()).add(queue.index)
        found = {}
        for device in self.devices:
            mine = (self.irq_by_number.get(number) for number in device.irqs)
            others = tuple(irq for irq in mine if irq is not None and not irq.queues)
            for name in device.interfaces:
                interface = self.interface_by_name[name]
                active = range(max(len(interface.tx), len(interface.rx)))
                missing = tuple(index for index in active if index not in known.get(name, ()))
                if missing and device.irqs and interface.up and interface.ethernet:
                    found[name] = missing, others
        return found

    def names_of(self, irq: Irq) -> tuple[str, ...]:
        """Every name by which a glob may match this IRQ: number, action, queues (`eth0/rx-1`),
        device address, driver, disk, interface, and interface/action.
        """
        device = self.device_of(irq)
        names = [str(irq.number), irq.action, *(irq.action.split(",") if "," in irq.action else ())]
        names += (name for queue in irq.queues for name in queue.names)
        if device is not None:
            names += [device.address, *device.drivers, *device.disks, *device.interfaces]
            names += [f"{interface}/{irq.action}" for interface in device.interfaces]
        return tuple(names)

    def device_of(self, irq: Irq) -> Device | None:
        """The device that raises this IRQ, or None."""
        return None if irq.device is None else self.device_by_address.get(irq.device)

    def no_node(self, irq: Irq) -> str:
        """Why `local_cpus` of this IRQ are all online CPUs, on a host of several nodes: its node is
        unknown, or has no online CPU. Empty if they are its node's.
        """
        if len(self.cpus_by_node) < 2:
            return ""
        device = self.device_of(irq)
        node = device.node if device is not None and device.node >= 0 else irq.node
        # Of a device without a node the kernel says that all CPUs are local
        # (drivers/pci/pci-sysfs.c, pci_dev_show_local_cpu).
        local = CpuSet() if device is None else device.local_cpus & self.online
        if self.cpus_by_node.get(node) or (local and local != self.online):
            return ""
        return "its NUMA node is unknown" if node < 0 else f"node {node} has no online CPU"

    def local_cpus(self, irq: Irq) -> CpuSet:
        """The online CPUs of the IRQ's NUMA node; all online CPUs if the node is unknown or has no
        online CPU.
        """
        known = self._local.get((irq.device, irq.node))
        return self._find_local(irq) if known is None else known

    @cached_property
    def _local(self) -> dict[tuple[str | None, int], CpuSet]:
        """`local_cpus` by the device and the node of an IRQ."""
        some = {(irq.device, irq.node): irq for irq in self.irqs}
        return {key: self._find_local(irq) for key, irq in some.items()}

    def _find_local(self, irq: Irq) -> CpuSet:
        device = self.device_of(irq)
        node = device.node if device is not None and device.node >= 0 else irq.node
        local = self.cpus_by_node.get(node, CpuSet())
        if not local and device is not None:
            local = device.local_cpus & self.online
        return local or self.online
