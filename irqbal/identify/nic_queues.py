"""Which queues each vector of one NIC serves, by evidence: what the kernel says (netlink), the rank
of a vector among those of its kind, and the number in its name. Pure.

A number in a name is believed where the driver is known to write the queue's index, and else only
where the numbers of all vectors of one direction are 0 to n-1: drivers also count vectors, entries
of their MSI-X table or rings of both directions (`identify.name_forms` has the sources). Everywhere
else the rank in the order of the MSI index decides: drivers hand their vectors out in the order of
their queues.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from irqbal.identify.vector_names import NameMatch, NicDevice, Vector, find_names
from irqbal.identify.vector_orders import ordered
from irqbal.model.queues import Queue, QueueEvidence, QueueKind
from irqbal.model.view import Interface

Way = Literal["rx", "tx"]
_WAYS: dict[str, tuple[Way, ...]] = {
    "rx": ("rx",),
    "tx": ("tx",),
    "rxtx": ("rx", "tx"),
    "all": ("rx", "tx"),
}


class ServedQueues(msgspec.Struct, frozen=True):
    """The queues that an IRQ serves, and how irqbal knows."""

    queues: tuple[Queue, ...]
    evidence: QueueEvidence


class KernelQueues(msgspec.Struct, frozen=True):
    """What the kernel's netdev family says: the IRQ of each queue, by (interface, way, index)."""

    irqs: Mapping[tuple[str, str, int], int] = {}


def packet_counters(queues: Iterable[Queue]) -> tuple[tuple[str, str, int], ...]:
    """The packet counters of NIC queues, as (interface, `rx` or `tx`, queue)."""
    return tuple(
        (queue.name, way, queue.index) for queue in queues for way in _WAYS.get(queue.kind, ())
    )


def nic_queues(
    device: NicDevice, vectors: Sequence[Vector], told: KernelQueues
) -> dict[int, ServedQueues]:
    """The queues of one device: IRQ number -> queues and evidence. `vectors` are the device's, in
    the order of their MSI index.
    """
    names = find_names(device, vectors)
    named = names.queues
    found = _told(device, vectors, told)
    _keep_to_named_ways(named, found)
    told_numbers = frozenset(found)
    taken = {
        (queue.name, way, queue.index)
        for served in found.values()
        for queue in served.queues
        for way in _WAYS[queue.kind]
    }
    for name in dict.fromkeys(match.interface for match in named):
        group = [match for match in named if match.interface == name]
        # Vectors whose names hold no interface serve every port of the device.
        each = "{if}" not in group[0].form.template and group[0].form.order != "halves"
        for one in device.own if each and device.own else (name,):
            port = _Port(one, device.interfaces.get(one))
            for number, served in _by_names(group, port, names.strange).items():
                if number in told_numbers:
                    continue
                free = tuple(queue for queue in served.queues if not _is_taken(queue, taken))
                before = found.get(number, ServedQueues((), served.evidence))
                if free:
                    found[number] = ServedQueues((*before.queues, *free), served.evidence)
    return found


def _keep_to_named_ways(named: Sequence[NameMatch], found: dict[int, ServedQueues]) -> None:
    """Take back the other direction where the kernel names a queue's Rx vector for its Tx too, and
    the Tx queue has a vector of its own: the kernel knows a queue's NAPI instance, and some drivers
    clean their Tx ring outside it (drivers/net/ethernet/intel/e1000e/netdev.c,
    e1000_intr_msix_tx).
    """
    kinds = {match.vector.number: match.form.serves for match in named}
    apart = {kind for number, kind in kinds.items() if number not in found}
    others: dict[str, QueueKind] = {"rx": "tx", "tx": "rx"}
    for number, served in found.items():
        other = others.get(kinds.get(number, ""))
        if other is not None and other in apart:
            own = others[other]
            found[number] = msgspec.structs.replace(
                served,
                queues=tuple(
                    msgspec.structs.replace(queue, kind=own) if queue.kind == "rxtx" else queue
                    for queue in served.queues
                    if queue.kind != other
                ),
            )


def _is_taken(queue: Queue, taken: set[tuple[str, Way, int]]) -> bool:
    """Whether the kernel says that another IRQ serves it."""
    return any((queue.name, way, queue.index) in taken for way in _WAYS[queue.kind])


class _Port:
    """One interface, and how many active queues it has. Both counts are 0 if they are unknown: the
    NIC is in another network namespace.
    """

    def __init__(self, name: str, interface: Interface | None) -> None:
        self.name = name
        self.counts: dict[str, int] = {"rx": 0, "tx": 0}
        if interface is not None:
            self.counts = {"rx": len(interface.rx), "tx": len(interface.tx)}

    @property
    def known(self) -> bool:
        """Whether the numbers of queues are known."""
        return any(self.counts.values())

    @property
    def most(self) -> int:
        """The larger of the two numbers."""
        return max(self.counts.values())

    def queues(self, rx: Iterable[int], tx: Iterable[int]) -> tuple[Queue, ...]:
        """Queues of these indexes. An index of both is a pair, unless one of the two does not
        exist.
        """
        receive, send = set(rx), set(tx)
        for index in receive & send:
            exists = {way: index < count for way, count in self.counts.items()}
            if exists["rx"] != exists["tx"]:
                (send if exists["rx"] else receive).discard(index)
        return tuple(
            self._queue("rxtx" if index in receive & send else way, index)
            for index in sorted(receive | send)
            for way in (("rx",) if index in receive else ("tx",))
        )

    def _queue(self, kind: QueueKind, index: int) -> Queue:
        """Queues beyond `ethtool -L` keep their IRQs, and /sys/class/net/IF/queues holds only the
        active ones.
        """
        count = max(self.counts[way] for way in _WAYS[kind])
        return Queue(self.name, index, kind, not self.known or index < count)


def _told(
    device: NicDevice, vectors: Sequence[Vector], told: KernelQueues
) -> dict[int, ServedQueues]:
    """What the kernel says of this device's vectors. An IRQ that is not among them is not believed:
    some drivers report the number of the line that they do not use.
    """
    numbers = {vector.number for vector in vectors}
    indexes: dict[int, dict[str, dict[str, set[int]]]] = {}
    for (name, way, index), number in told.irqs.items():
        if name in device.own and number in numbers:
            ways = indexes.setdefault(number, {}).setdefault(name, {"rx": set(), "tx": set()})
            ways[way].add(index)
    return {
        number: ServedQueues(
            tuple(
                queue
                for name, ways in ports.items()
                for queue in _Port(name, device.interfaces.get(name)).queues(ways["rx"], ways["tx"])
            ),
            "netlink",
        )
        for number, ports in indexes.items()
    }


def _by_names(group: Sequence[NameMatch], port: _Port, strange: int) -> dict[int, ServedQueues]:
    """The queues of one interface's vectors, on a device with so many vectors of strange names."""
    first = group[0].form
    if first.order and first.order not in ("halves", "each"):
        return _by_order(group, port, first.order)
    if all(match.index is None and match.form.serves in ("all", "rxtx") for match in group):
        # One among vectors of strange names may be the link's.
        alone = len(group) == 1 and strange > 0
        return {} if alone else _without_numbers(group, port)
    kinds = {match.form.serves for match in group}
    # Vectors of one direction alone, as many as there are pairs, serve the other direction too.
    alone = len(kinds) == 1 and kinds <= {"rx", "tx"}
    paired = alone and not strange and port.counts["rx"] == port.counts["tx"] == len(group)
    ways = {
        match.vector.number: ("rx", "tx")
        if paired or match.form.serves == "all"
        else _WAYS[match.form.serves]
        for match in group
    }
    chosen: dict[str, dict[int, int]] = {}
    ranked = False
    for way in ("rx", "tx"):
        serving = [match for match in group if way in ways[match.vector.number]]
        chosen[way], by_rank = _indexes(serving, port.counts[way])
        ranked |= by_rank
    evidence: QueueEvidence = "rank" if ranked else "name"
    return {
        match.vector.number: ServedQueues(_queues_of(match, chosen, port), evidence)
        for match in group
    }


def _queues_of(
    match: NameMatch, chosen: Mapping[str, dict[int, int]], port: _Port
) -> tuple[Queue, ...]:
    """The queues of one vector, by the index that was chosen for each direction."""
    number = match.vector.number
    rx, tx = chosen["rx"].get(number), chosen["tx"].get(number)
    if match.spread == "by rx" and port.known and rx is not None and tx is not None:
        channels = port.counts["rx"]
        if rx >= channels:
            # A vector beyond the channels in use serves none of the Tx queues that exist.
            return (Queue(port.name, rx, "rxtx", active=False),)
        return port.queues((rx,), range(rx, max(port.counts["tx"], rx + 1), channels))
    rule = match.spread if port.known else ""
    return port.queues(
        _spread(rx, len(chosen["rx"]), port.counts["rx"], rule),
        _spread(tx, len(chosen["tx"]), port.counts["tx"], rule),
    )


def _indexes(serving: Sequence[NameMatch], count: int) -> tuple[dict[int, int], bool]:
    """The queue index of each vector of one direction that has so many queues (0: not known), and
    whether the rank decided.
    """
    numbers = [-1 if match.index is None else match.index for match in serving]
    exact = all(match.exact for match in serving) and len({*numbers} - {-1}) == len(numbers)
    if any(match.spread != "by rx" for match in serving):
        # Such a driver has no vectors beyond its queues: numbers beyond them count something else.
        exact = exact and (not count or max(numbers) < count)
    if exact or sorted(numbers) == list(range(len(serving))):
        return {
            match.vector.number: number for match, number in zip(serving, numbers, strict=True)
        }, False
    return {match.vector.number: rank for rank, match in enumerate(serving)}, True


def _spread(index: int | None, vectors: int, queues: int, rule: str) -> Sequence[int]:
    """The queues of the vector that serves queue `index`, where there are fewer vectors than
    queues: with `round robin` queue i is on vector i % n, with `blocks` neighbours share one.
    """
    if index is None:
        return ()
    if rule not in ("round robin", "blocks") or vectors >= queues:
        return (index,)
    if rule == "round robin":
        return range(index, queues, vectors)
    # The first vectors take one more where it does not come out even.
    size, more = divmod(queues, vectors)
    begin = index * size + min(index, more)
    return range(begin, begin + size + (index < more))


def _without_numbers(group: Sequence[NameMatch], port: _Port) -> dict[int, ServedQueues]:
    """Vectors without a number: a single one serves all queues; of several each serves the queue of
    its rank.
    """
    if len(group) == 1:
        rx, tx = range(max(1, port.counts["rx"])), range(max(1, port.counts["tx"]))
        return {group[0].vector.number: ServedQueues(port.queues(rx, tx), "only vector")}
    return {
        match.vector.number: ServedQueues(port.queues((rank,), (rank,)), "rank")
        for rank, match in enumerate(group)
        if not port.known or rank < port.most
    }


def _by_order(group: Sequence[NameMatch], port: _Port, rule: str) -> dict[int, ServedQueues]:
    """Vectors of a driver that orders both directions in a way of its own, by their ranks."""
    rx, tx = max(1, port.counts["rx"]), max(1, port.counts["tx"])
    served = {}
    for rank, match in enumerate(group):
        queues = port.queues(*ordered(rule, rank, len(group), rx, tx))
        if queues:
            evidence: QueueEvidence = "only vector" if len(group) == 1 else "rank"
            served[match.vector.number] = ServedQueues(queues, evidence)
    return served
