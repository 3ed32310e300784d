"""Gives each active NIC queue a CPU of the NIC's own node, its Rx and Tx together, and XPS, RPS and
RFS to match.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from irqbal import (
    Cpu,
    CpuSet,
    Draft,
    Interface,
    Irq,
    Meta,
    Note,
    Options,
    Placement,
    Snapshot,
    Steering,
    Words,
    hookimpl,
)
from irqbal_policies.nodes import NodeLoads


class QueueCpus(Words):
    """`local`, `all`, or a CPU set."""

    words = ("local", "all")


class Rps(Words):
    """`leave`, `off`, or a CPU set."""

    words = ("leave", "off")


class PinNicQueues(Options, frozen=True):
    """Options of pin_nic_queues."""

    interfaces: Annotated[
        tuple[str, ...], Meta(description="globs; bonds and VLANs stand for their NICs")
    ] = ("*",)
    exclude: Annotated[tuple[str, ...], Meta(description="globs of interfaces to leave out")] = ()
    cpus: Annotated[
        QueueCpus,
        Meta(
            description="local (the NIC's node, which later policies may leave where it is "
            "overloaded), all, or a CPU set"
        ),
    ] = QueueCpus("local")
    smt: Annotated[
        Literal["avoid", "use"],
        Meta(description="avoid: one queue a physical core before any sibling thread"),
    ] = "avoid"
    xps: Annotated[bool, Meta(description="set XPS: each CPU sends through the nearest queue")] = (
        True
    )
    rps: Annotated[Rps, Meta(description="leave, off, or the CPUs that RPS may use")] = Rps("leave")
    rfs: Annotated[
        str,
        Meta(description="leave, off, or the flow entries of a NIC, shared out over its queues"),
    ] = "leave"
    rebalance: Annotated[
        bool, Meta(description="let later policies part hot queues within the same CPUs")
    ] = True

    def __post_init__(self) -> None:
        if self.rfs not in ("leave", "off") and not (
            self.rfs.isdecimal() and 0 < int(self.rfs) <= 1 << 20
        ):
            raise ValueError(
                f"rfs is {self.rfs!r}; it must be leave, off, or a number of entries up to 1048576"
            )
        if self.cpus.cpus is not None and not self.cpus.cpus:
            raise ValueError("cpus is empty")


@hookimpl
def irqbal_options() -> type[PinNicQueues]:
    return PinNicQueues


@hookimpl
def irqbal_place(
    snapshot: Snapshot, draft: Draft, options: PinNicQueues
) -> Iterator[Placement | Steering | Note]:
    crowd, nodes = _Crowd(snapshot, options), NodeLoads(snapshot, draft)
    for interface in _chosen(snapshot, options):
        queues = _queues(snapshot, interface)
        homes = crowd.place(interface, queues, nodes)
        for index, irqs in queues.items():
            if index in homes:
                cpu, room = homes[index]
                if options.cpus.word == "local":
                    room |= nodes.room(irqs)
                yield from _placements(
                    irqs, index, cpu, room, snapshot.local_cpus(irqs[0]), options
                )
        yield from _steer(snapshot, interface, queues, options)
    if options.rfs.isdecimal() and 0 <= snapshot.rfs_entries < int(options.rfs):
        yield Note(
            f"net.core.rps_sock_flow_entries is {snapshot.rfs_entries}: RFS works only up to that "
            "many flows",
            advice=f"sysctl net.core.rps_sock_flow_entries={options.rfs}",
        )
    for pattern in options.interfaces:
        if pattern != "*" and not any(
            fnmatchcase(interface.name, pattern) for interface in snapshot.interfaces
        ):
            yield Note(
                f"no interface matches {pattern!r}", advice="`irqbal topology` lists the interfaces"
            )


def _chosen(snapshot: Snapshot, options: PinNicQueues) -> list[Interface]:
    """The NICs that the globs mean, in order of their names; a bond or VLAN stands for what it is
    made of.
    """
    wanted = _resolve(snapshot, options.interfaces)
    left_out = _resolve(snapshot, options.exclude)
    with_queues = {name for name, _ in snapshot.irqs_by_queue}
    return [snapshot.interface_by_name[name] for name in sorted((wanted - left_out) & with_queues)]


def _resolve(snapshot: Snapshot, globs: Iterable[str]) -> set[str]:
    found: set[str] = set()
    todo = [
        interface.name
        for interface in snapshot.interfaces
        if any(fnmatchcase(interface.name, glob) for glob in globs)
    ]
    while todo:
        name = todo.pop()
        if name not in found and name in snapshot.interface_by_name:
            found.add(name)
            todo += snapshot.interface_by_name[name].lowers
    return found


def _queues(snapshot: Snapshot, interface: Interface) -> dict[int, tuple[Irq, ...]]:
    """The interface's active queues by index, each with its movable IRQs."""
    found: dict[int, list[Irq]] = {}
    for irq in snapshot.irqs:
        queue = irq.queue
        if (
            queue is not None
            and queue.name == interface.name
            and queue.kind != "io"
            and queue.active
            and irq.movable
        ):
            found.setdefault(queue.index, []).append(irq)
    return {index: tuple(found[index]) for index in sorted(found)}


class _Crowd:
    """How many queues each CPU and core has been given so far, over all NICs."""

    def __init__(self, snapshot: Snapshot, options: PinNicQueues) -> None:
        self._snapshot = snapshot
        self._options = options
        self._on_cpu: dict[int, int] = {}
        self._on_core: dict[tuple[int, int], int] = {}

    def place(
        self, interface: Interface, queues: dict[int, tuple[Irq, ...]], nodes: NodeLoads
    ) -> dict[int, tuple[int, CpuSet]]:
        """(CPU, the set it was chosen from) for each queue that has any CPU left."""
        rooms = {index: room for index, irqs in queues.items() if (room := self._room(irqs, nodes))}
        if not rooms:
            return {}
        smallest = min(len(room) for room in rooms.values())
        order: Iterable[int] = rooms
        if len(rooms) > smallest:
            kept = self._kept(queues, rooms)
            if kept is not None:
                for number in kept.values():
                    self._take(number)
                return {index: (number, rooms[index]) for index, number in kept.items()}
            # More queues than CPUs share them: dealt out by load, there and back, hot and cool ones
            # meet.
            order = _there_and_back(
                sorted(rooms, key=lambda index: (-_load(queues[index]), index)), smallest
            )
        homes: dict[int, tuple[int, CpuSet]] = {}
        for index in order:
            cpu = min(
                (self._snapshot.cpu_by_number[number] for number in rooms[index]),
                key=self._crowding,
            )
            self._take(cpu.number)
            homes[index] = (cpu.number, rooms[index])
        return homes

    def _room(self, irqs: tuple[Irq, ...], nodes: NodeLoads) -> CpuSet:
        """The CPUs that a queue may use: of those asked for what limits leave, else whatever they
        leave at all.
        """
        allowed = nodes.allowed(irqs)
        where = self._options.cpus
        if where.cpus is not None:
            return where.cpus & allowed
        if where.word == "all":
            return allowed
        return (self._snapshot.local_cpus(irqs[0]) & allowed) or allowed

    def _kept(
        self, queues: dict[int, tuple[Irq, ...]], rooms: dict[int, CpuSet]
    ) -> dict[int, int] | None:
        """Where queues that share CPUs are already, if irqbal put all of them there: so loads that
        change move nothing.
        """
        found: dict[int, int] = {}
        for index, room in rooms.items():
            for irq in queues[index]:
                if (
                    irq.placed is None
                    or irq.placed.cpus != irq.affinity
                    or len(irq.affinity) != 1
                    or not irq.affinity <= room
                ):
                    return None
                found[index] = irq.affinity.first
        return found

    def _crowding(self, cpu: Cpu) -> tuple[int, int, int]:
        on_core = (
            self._on_core.get((cpu.package, cpu.core), 0) if self._options.smt == "avoid" else 0
        )
        on_cpu = self._on_cpu.get(cpu.number, 0)
        return (on_core, on_cpu, cpu.number)

    def _take(self, number: int) -> None:
        cpu = self._snapshot.cpu_by_number[number]
        core = (cpu.package, cpu.core)
        self._on_cpu[number] = self._on_cpu.get(number, 0) + 1
        self._on_core[core] = self._on_core.get(core, 0) + 1


def _load(irqs: tuple[Irq, ...]) -> float:
    return sum(irq.load for irq in irqs)


def _there_and_back(order: list[int], width: int) -> list[int]:
    """Every other row of `width` reversed, so that the hottest row's first CPU gets the coolest of
    the next.
    """
    rows = [order[at : at + width] for at in range(0, len(order), width)]
    return [
        index for number, row in enumerate(rows) for index in (reversed(row) if number % 2 else row)
    ]


def _placements(
    irqs: tuple[Irq, ...], index: int, cpu: int, room: CpuSet, local: CpuSet, options: PinNicQueues
) -> Iterator[Placement]:
    for irq in irqs:
        if options.cpus.word != "local":
            where = f"within cpus: {options.cpus}"
        elif cpu not in local:
            where = "no CPU of its own node is left to it"
        else:
            where = (
                "on any node, as its own is overloaded"
                if options.rebalance and room - local
                else "a CPU of its own node"
            )
        reason = f"queue {index} of {irq.queue.name if irq.queue else ''}, {where}"
        if options.rebalance:
            yield Placement(irq.number, room, reason, open=True, prefer=CpuSet.of(cpu))
        else:
            yield Placement(irq.number, CpuSet.of(cpu), reason)


def _steer(
    snapshot: Snapshot,
    interface: Interface,
    queues: dict[int, tuple[Irq, ...]],
    options: PinNicQueues,
) -> Iterator[Steering]:
    by_tx = {
        index: irq.number
        for index, irqs in queues.items()
        for irq in irqs
        if irq.queue is not None and irq.queue.kind in ("tx", "rxtx")
    }
    tx = range(len(interface.tx))
    # Unless every active Tx queue is known, some CPU would be left to a queue that is not near it,
    # or to none.
    if options.xps and len(interface.tx) > 1 and all(index in by_tx for index in tx):
        for index in tx:
            yield Steering(
                interface.name,
                "tx",
                index,
                "each CPU sends through the nearest queue",
                near=by_tx[index],
            )
    cpus = None if options.rps.word == "leave" else options.rps.cpus or CpuSet()
    flows = None
    if options.rfs == "off":
        flows = 0
    elif options.rfs.isdecimal():
        flows = _power_of_two(int(options.rfs) // max(1, len(interface.rx)))
    if cpus is not None or flows is not None:
        for index in range(len(interface.rx)):
            reason = f"rps: {options.rps}, rfs: {options.rfs}"
            yield Steering(interface.name, "rx", index, reason, cpus=cpus, flows=flows)


def _power_of_two(number: int) -> int:
    """The kernel rounds a flow table up to a power of two: ask for one, so that it reads back
    alike.
    """
    return 1 << max(0, number - 1).bit_length() if number > 1 else 1
