"""What irqbal knows of a host and means to do with it: frozen structs, no behaviour beyond look-ups.

Times are seconds on the monotonic clock unless a name says `wall`; loads are seconds of CPU per second (1.0 is one CPU
kept busy); rates are events per second.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import msgspec

from irqbal.cpuset import CpuSet

ALL_CPUS = CpuSet()
QueueKind = Literal["rx", "tx", "rxtx", "io"]
Direction = Literal["rx", "tx"]


class Cpu(msgspec.Struct, frozen=True):
    """One CPU. Offline ones keep what was last known of them.

    `core` is the lowest CPU of its physical core, `l3` the lowest CPU that shares its last-level cache; `siblings` are
    the threads of its core, itself included. `capacity` is the kernel's cpu_capacity (1024: the fastest).
    `isolated` names the source that keeps it out of general use, or is empty.
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

    @property
    def load(self) -> float:
        """Seconds a second in interrupt and softirq context."""
        return self.irq_time + self.softirq_time


class Queue(msgspec.Struct, frozen=True):
    """What an IRQ serves: queue `index` of network interface or disk `name`. `active` is false for one beyond `ethtool -L`."""

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
    """One IRQ with an action. Its identity is its device, vector and action; `number` is only an attribute.

    `unmovable` is the reason why nobody can move it, or empty. `effective` is where the kernel delivers now; it may lag
    behind `affinity` until the next interrupt. `noise` is the standard error of `load`, in the same unit.
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
    """A PCI device (its address), by what hangs below it. `node` is -1 where the kernel does not know it."""

    address: str
    driver: str = ""
    node: int = -1
    local_cpus: CpuSet = ALL_CPUS
    interfaces: tuple[str, ...] = ()
    disks: tuple[str, ...] = ()
    irqs: tuple[int, ...] = ()


class TxQueue(msgspec.Struct, frozen=True):
    """A transmit queue's XPS: the CPUs that send through it; None where the driver has no XPS. `by_rxqs`: xps_rxqs is set."""

    xps: CpuSet | None = None
    by_rxqs: bool = False


class RxQueue(msgspec.Struct, frozen=True):
    """A receive queue's RPS CPUs and RFS flow-table entries (None where the kernel has none)."""

    rps: CpuSet | None = None
    flows: int | None = None


class Interface(msgspec.Struct, frozen=True):
    """A network interface; `device` is its PCI address, or None for bonds, VLANs and the like; `lowers` what it is made of."""

    name: str
    device: str | None = None
    up: bool = True
    lowers: tuple[str, ...] = ()
    tx: tuple[TxQueue, ...] = ()
    rx: tuple[RxQueue, ...] = ()


class Thread(msgspec.Struct, frozen=True):
    """A kernel thread that handles interrupts: `irq/N-…` (its IRQ) or `napi/IF-N` (its interface)."""

    pid: int
    name: str
    irq: int | None = None
    interface: str = ""
    cpus: CpuSet = ALL_CPUS
    cpu: int = -1


class Override(msgspec.Struct, frozen=True):
    """A person's placement of one IRQ, by identity. `expires` is wall-clock seconds since the epoch, or None."""

    identity: str
    cpus: CpuSet
    reason: str = ""
    who: str = ""
    expires: float | None = None


class Snapshot(msgspec.Struct, frozen=True, dict=True):
    """One frozen view of the host. It never changes within a cycle.

    `now` is seconds on the monotonic clock, `cycle` counts from the daemon's start. `settling` is true in the first three cycles
    after a start or a hotplug; `hotplug` while a CPU's going or coming may still explain masks that the kernel reset.
    `rfs_entries` is net.core.rps_sock_flow_entries, -1 where the kernel has none.
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
        """Everything that a glob may match an IRQ by: number, action, queue (`eth0/rx-1`), interface/action, device, driver."""
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
        """Online CPUs of the IRQ's own node; all online CPUs where the node is unknown or has none online."""
        device = self.device_of(irq)
        node = device.node if device is not None and device.node >= 0 else irq.node
        local = self.cpus_by_node.get(node, CpuSet())
        if not local and device is not None:
            local = device.local_cpus & self.online
        return local or self.online


class Limit(msgspec.Struct, frozen=True):
    """CPUs that some or all IRQs may not use. `irqs` None means all; `exempt` are IRQ numbers that it does not bind."""

    cpus: CpuSet
    reason: str
    irqs: tuple[int, ...] | None = None
    exempt: tuple[int, ...] = ()


class Placement(msgspec.Struct, frozen=True):
    """One IRQ (its number) to a CPU set. `cpus` None: never touch this IRQ.

    With `open`, later policies may choose within `cpus`; until one does, the IRQ goes to `prefer`, or, without one, may be
    anywhere within `cpus`.
    """

    irq: int
    cpus: CpuSet | None
    reason: str
    open: bool = False
    prefer: CpuSet | None = None


class Steering(msgspec.Struct, frozen=True):
    """Settings of one NIC queue. Direction `tx`: XPS, `rx`: RPS (`cpus`) and RFS (`flows`).

    XPS may name an IRQ in `near` instead of `cpus`: the planner then shares all online CPUs out over such queues of that
    interface, each CPU to the queue whose IRQ the plan puts nearest.
    """

    interface: str
    direction: Direction
    queue: int
    reason: str
    cpus: CpuSet | None = None
    flows: int | None = None
    near: int | None = None


class Note(msgspec.Struct, frozen=True):
    """What a policy wants a person to know, without asking for anything: a rule that matches nothing, an IRQ left on an isolated CPU."""

    text: str
    irq: int | None = None
    advice: str = ""


Cause = Literal["override", "limit", "reset", "drift", "place"]


class Move(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One mask to be written. `cause`: why it may not wait (override, limit, reset by the kernel, drift) or may (place)."""

    irq: int
    identity: str
    generation: int
    before: CpuSet
    after: CpuSet
    policy: str
    reason: str
    cause: Cause = "place"


class SteeringMove(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One XPS, RPS or RFS file to be written; values are text as in the file (`0-3`, `4096`)."""

    interface: str
    setting: Literal["xps", "rps", "flows"]
    queue: int
    before: str
    after: str
    policy: str
    reason: str

    @property
    def identity(self) -> str:
        """The key of this setting in journal and ledger."""
        return steering_identity(self.interface, self.setting, self.queue)


class DefaultMove(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """A new `default_smp_affinity`: where IRQs that are requested from now on start."""

    before: CpuSet
    after: CpuSet
    policy: str
    reason: str


class Kept(msgspec.Struct, frozen=True):
    """An IRQ that somebody claims and that is already right."""

    irq: int
    policy: str
    cpus: CpuSet
    reason: str


class Refusal(msgspec.Struct, frozen=True):
    """Something that was asked for and not done: `code` for machines, `reason` and `advice` for people."""

    irq: int | None
    policy: str
    code: str
    reason: str
    advice: str = ""


class Step(msgspec.Struct, frozen=True):
    """One link in the chain that explains an IRQ: who, what it did (limit, claim, narrow, refuse, move …), and why."""

    policy: str
    what: str
    cpus: CpuSet | None
    reason: str


class Failure(msgspec.Struct, frozen=True):
    """A policy that failed in a cycle. `aside`: it is not asked again until the next reload."""

    policy: str
    code: str
    reason: str
    aside: bool = False


class Plan(msgspec.Struct, frozen=True):
    """What will change, what stays and what was refused, each with the policy and the reason.

    `drifted` are the IRQs whose mask somebody else changed since the last cycle.
    """

    moves: tuple[Move, ...] = ()
    steering: tuple[SteeringMove, ...] = ()
    default: DefaultMove | None = None
    kept: tuple[Kept, ...] = ()
    refused: tuple[Refusal, ...] = ()
    drifted: tuple[int, ...] = ()
    notes: tuple[tuple[str, Note], ...] = ()
    failures: tuple[Failure, ...] = ()
    explanations: dict[int, tuple[Step, ...]] = {}
    queues: dict[int, Queue] = {}


Result = Literal["written", "dry run", "unchanged", "differs", "refused", "gone", "transient", "unsaved"]


class Outcome(msgspec.Struct, frozen=True):
    """What became of one move. `identity` is the IRQ's, a steering setting's, or `default_smp_affinity`.

    `found` is the value read back; `code` is the refusal's class (managed, no-cpu, no-vector, no-permission …).
    """

    identity: str
    result: Result
    irq: int | None = None
    code: str = ""
    detail: str = ""
    found: str = ""


class Record(msgspec.Struct, frozen=True):
    """All that one cycle did; the API, the log, the history and the metrics show this one."""

    cycle: int
    wall: float
    seconds: float
    cause: str
    dry_run: bool
    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    imbalance: float = 0.0
    busiest: float = 0.0
    skipped_rows: int = 0
    census: bool = False
    problem: str = ""


def steering_identity(interface: str, setting: str, queue: int) -> str:
    """The key of one XPS, RPS or RFS setting in journal and ledger."""
    return f"{setting}:{interface}/{queue}"


def steering_of(identity: str) -> tuple[str, str, int]:
    """(setting, interface, queue) of such a key."""
    setting, _, rest = identity.partition(":")
    interface, _, queue = rest.rpartition("/")
    return setting, interface, int(queue)


def imbalance(snapshot: Snapshot) -> tuple[float, float]:
    """(busiest CPU's load over the lower bound, busiest CPU's load): the bound is the larger of mean and hottest IRQ."""
    loads = [0.0] * (1 + max((cpu.number for cpu in snapshot.cpus), default=0))
    hottest = total = 0.0
    for irq in snapshot.irqs:
        if irq.load <= 0 or not irq.effective:
            continue
        total += irq.load
        hottest = max(hottest, irq.load)
        for cpu in irq.effective:
            if cpu < len(loads):
                loads[cpu] += irq.load / len(irq.effective)
    usable = max(1, len(snapshot.online - snapshot.isolated))
    bound = max(total / usable, hottest)
    busiest = max(loads, default=0.0)
    return (busiest / bound if bound > 0 else 0.0, busiest)
