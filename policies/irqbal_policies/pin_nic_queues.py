"""Gives each active NIC queue a CPU of the NIC's own node, its Rx and Tx together, and XPS, RPS and
RFS to match.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from irqbal import (
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
from irqbal_policies.queue_homes import Home, QueueCounts, QueueHomes, Queues


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
    nodes = NodeLoads(snapshot, draft)
    homes = QueueHomes(snapshot, nodes, options.cpus)
    counts = QueueCounts(snapshot, avoid_siblings=options.smt == "avoid")
    queues_of = _active_queues(snapshot)
    for interface in _chosen(snapshot, options):
        queues = queues_of.get(interface.name, {})
        chosen = homes.choose(queues, counts)
        for index, irqs in queues.items():
            if index in chosen:
                home = chosen[index]
                if options.cpus.word == "local":
                    home = Home(home.cpu, home.room | nodes.room(irqs))
                yield from _placements(snapshot, irqs, home, options)
        yield from _steer(interface, queues, options)
    yield from _notes(snapshot, options)


def _notes(snapshot: Snapshot, options: PinNicQueues) -> Iterator[Note]:
    if options.rfs.isdecimal() and 0 <= snapshot.rfs_entries < int(options.rfs):
        yield Note(
            f"net.core.rps_sock_flow_entries is {snapshot.rfs_entries}: RFS works only up to that "
            "many flows",
            advice=f"sysctl net.core.rps_sock_flow_entries={options.rfs}",
        )
    for pattern in options.interfaces:
        if pattern == "*":
            continue
        names = snapshot.interfaces_like(pattern)
        if not names:
            yield Note(
                f"no interface matches {pattern!r}", advice="`irqbal topology` lists the interfaces"
            )
        for name in sorted(names & snapshot.unrecognised.keys()):
            missing, others = snapshot.unrecognised[name]
            yield Note(
                f"it is not known which IRQs serve {len(missing)} of the queues of {name}: its "
                f"device's other {len(others)} IRQs are spread on its own node",
                advice="see `irqbal verify`",
            )


def _chosen(snapshot: Snapshot, options: PinNicQueues) -> list[Interface]:
    """The NICs that the options select, in order of their names."""
    included = {name for glob in options.interfaces for name in snapshot.interfaces_like(glob)}
    excluded = {name for glob in options.exclude for name in snapshot.interfaces_like(glob)}
    with_queues = {name for name, _ in snapshot.irqs_by_queue} | snapshot.unrecognised.keys()
    return [
        snapshot.interface_by_name[name] for name in sorted((included - excluded) & with_queues)
    ]


def _active_queues(snapshot: Snapshot) -> dict[str, dict[int, tuple[Irq, ...]]]:
    """The active queues of each interface in order of their index, each with its movable IRQs. An
    IRQ of several queues stands at the first of them alone.
    """
    irqs_of: dict[str, dict[int, list[Irq]]] = {}
    for irq in snapshot.irqs:
        active = [queue for queue in irq.queues if queue.kind != "io" and queue.active]
        if active and irq.movable:
            first = active[0]
            irqs_of.setdefault(first.name, {}).setdefault(first.index, []).append(irq)
    for name, (_, others) in snapshot.unrecognised.items():
        # Which queue such a vector serves is unknown; apart from each other and near the NIC they
        # are in no worse a place than recognised ones.
        queues = irqs_of.setdefault(name, {})
        for irq in others:
            if irq.movable and not any(irq in irqs for irqs in queues.values()):
                queues[max(queues, default=-1) + 1] = [irq]
    return {
        name: {index: tuple(queues[index]) for index in sorted(queues)}
        for name, queues in irqs_of.items()
    }


def _placements(
    snapshot: Snapshot, irqs: tuple[Irq, ...], home: Home, options: PinNicQueues
) -> Iterator[Placement]:
    local = snapshot.local_cpus(irqs[0])
    if options.cpus.word != "local":
        where = f"within cpus: {options.cpus}"
    elif snapshot.no_node(irqs[0]):
        where = f"a CPU of any node: {snapshot.no_node(irqs[0])}"
    elif home.cpu not in local:
        where = "no CPU of its own node is left to it"
    elif options.rebalance and home.room - local:
        where = "on any node, as its own is overloaded"
    else:
        where = "a CPU of its own node"
    cpu = CpuSet.of(home.cpu)
    for irq in irqs:
        reason = f"{_names(irq)}, {where}"
        if options.rebalance:
            yield Placement(irq.number, home.room, reason, open=True, prefer=cpu)
        else:
            yield Placement(irq.number, cpu, reason)


def _names(irq: Irq) -> str:
    """The queues of an IRQ for its reason: `queue 3 of eth0`, `queues 0,4 of eth0`."""
    indexes: dict[str, list[int]] = {}
    for queue in irq.queues:
        indexes.setdefault(queue.name, []).append(queue.index)
    if not indexes:
        return "a vector of its NIC whose queue is not recognised"
    return " and ".join(
        f"queue{'s' if len(set(found)) > 1 else ''} {CpuSet(found)} of {name}"
        for name, found in indexes.items()
    )


def _steer(interface: Interface, queues: Queues, options: PinNicQueues) -> Iterator[Steering]:
    by_tx = {
        queue.index: irq.number
        for irqs in queues.values()
        for irq in irqs
        for queue in irq.queues
        if queue.name == interface.name and queue.kind in ("tx", "rxtx")
    }
    tx = range(len(interface.tx))
    # XPS is set for all Tx queues or for none: a CPU whose nearest queue is unknown would send
    # through a remote one.
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
    """The next power of two, to which the kernel rounds a flow table's size: other values would
    read back changed.
    """
    return 1 << max(0, number - 1).bit_length() if number > 1 else 1
