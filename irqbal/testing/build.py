"""Snapshots in one expression, without a host to read them from.

    snapshot = host(cpus(8, nodes=2), nic("eth0", 4, node=1), nvme("nvme0", 2),
    loads={"eth0-TxRx-0": 0.3})

A part is a function that takes the next free IRQ number and returns what it adds. IRQs have the
names that drivers give them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Outcome, Plan, SteeringMove
from irqbal.model.queues import Queue, QueueEvidence, QueueKind
from irqbal.model.unmovable import MANAGED
from irqbal.model.view import Cpu, Device, Interface, Irq, Placed, RxQueue, Snapshot, TxQueue
from irqbal.planner.ledger import Ledger, after

FIRST_IRQ = 32
"""The number of a made-up host's first IRQ."""


class HostPart(msgspec.Struct, frozen=True):
    """What one device adds to a host."""

    irqs: tuple[Irq, ...] = ()
    devices: tuple[Device, ...] = ()
    interfaces: tuple[Interface, ...] = ()


Maker = Callable[[int], HostPart]
"""A part: the next free IRQ number -> what the device adds to the host."""


def s(text: str) -> CpuSet:
    """A CPU set from a list such as `0-3,8`."""
    return CpuSet.parse(text)


def cpus(
    count: int,
    nodes: int = 1,
    threads: int = 1,
    l3: int = 0,
    offline: str = "",
    isolated: str = "",
    capacity: Mapping[int, int] | None = None,
) -> tuple[Cpu, ...]:
    """`count` CPUs in `nodes` NUMA nodes (a package each), numbered as on x86: first one thread of
    every core, then the others.

    `l3`: the number of cores that share a last-level cache; 0: those of a whole node do.
    `capacity`: by CPU, 1024 for the others. `offline` and `isolated` are CPU lists.
    """
    cores = count // threads
    node_cores = cores // nodes
    numbered = []
    for number in range(count):
        core = number % cores
        node = core // node_cores
        cache = node * node_cores + ((core % node_cores) // l3 * l3 if l3 else 0)
        numbered.append(
            Cpu(
                number,
                node,
                node,
                core,
                cache,
                siblings=CpuSet(core + cores * i for i in range(threads)),
                capacity=(capacity or {}).get(number, 1024),
                online=number not in s(offline),
                isolated="isolcpus" if number in s(isolated) else "",
            )
        )
    return tuple(numbered)


def nic(
    name: str = "eth0",
    queues: int = 4,
    node: int = 0,
    pairs: bool = False,
    active: int | None = None,
    driver: str = "igb",
    xps: bool = True,
    extra: Sequence[str] = (),
) -> Maker:
    """A network card with combined queues, or `pairs` of Rx and Tx; `active` of them are in use
    (None: all). `extra` are the names of IRQs that serve no queue; without `xps` it has no XPS.
    """
    kinds: tuple[QueueKind, ...] = ("rx", "tx") if pairs else ("rxtx",)
    in_use = queues if active is None else active

    def make(first: int) -> HostPart:
        address = f"0000:{first:02x}:00.0"
        irqs: list[Irq] = []
        for index in range(queues):
            for kind in kinds:
                action = f"{name}-{'TxRx' if kind == 'rxtx' else kind}-{index}"
                queue = Queue(name, index, kind, index < in_use)
                irqs.append(_irq(first + len(irqs), address, action, len(irqs), node, queue))
        for action in extra:
            irqs.append(_irq(first + len(irqs), address, action, len(irqs), node))
        device = Device(
            address, driver, node, interfaces=(name,), irqs=tuple(irq.number for irq in irqs)
        )
        tx = tuple(TxQueue(CpuSet() if xps else None) for _ in range(in_use))
        return HostPart(
            tuple(irqs),
            (device,),
            (Interface(name, address, tx=tx, rx=(RxQueue(CpuSet(), 0),) * in_use),),
        )

    return make


def nvme(name: str = "nvme0", queues: int = 2, node: int = 0, managed: bool = True) -> Maker:
    """An NVMe disk; its queue i is a `managed` IRQ, which the kernel keeps on CPU i - 1."""

    def make(first: int) -> HostPart:
        address = f"0000:{first:02x}:00.0"
        irqs = []
        for index in range(queues + 1):
            queue = Queue(name, index, "io") if index else None
            irq = _irq(first + index, address, f"{name}q{index}", index, node, queue)
            if managed and index:
                home = CpuSet.of(index - 1)
                irq = msgspec.structs.replace(irq, unmovable=MANAGED, affinity=home, effective=home)
            irqs.append(irq)
        device = Device(
            address, "nvme", node, disks=(name,), irqs=tuple(irq.number for irq in irqs)
        )
        return HostPart(tuple(irqs), (device,))

    return make


def lone(*actions: str, node: int = -1) -> Maker:
    """IRQs with these names that belong to no PCI device."""

    def make(first: int) -> HostPart:
        return HostPart(
            tuple(_irq(first + i, None, action, i, node) for i, action in enumerate(actions))
        )

    return make


def over(name: str, *lowers: str) -> Maker:
    """A bond or a VLAN that consists of other interfaces."""
    return lambda first: HostPart(interfaces=(Interface(name, None, lowers=lowers),))


def _irq(
    number: int,
    address: str | None,
    action: str,
    vector: int,
    node: int,
    queue: Queue | None = None,
) -> Irq:
    queues: tuple[Queue, ...] = () if queue is None else (queue,)
    evidence: QueueEvidence = "name" if queues else ""
    identity = f"{address or 'platform'}/{vector}/{action}"
    return Irq(number, identity, action, "PCI-MSI", vector, address, queues, evidence, node)


def host(
    of: Iterable[Cpu],
    *parts: Maker,
    at: Mapping[str, str] | None = None,
    loads: Mapping[str, float] | None = None,
    now: float = 1000.0,
    settling: bool = False,
    **more: Any,
) -> Snapshot:
    """A host with these CPUs and devices. IRQs may fire on every CPU, and fire on the first online
    CPU of their affinity.

    `at`: affinities by IRQ name; `loads`: CPU seconds a second by IRQ name, from which the rate
    follows. `now` is seconds on the monotonic clock; `more` are further fields of the snapshot.
    """
    of = tuple(of)
    everywhere = CpuSet(cpu.number for cpu in of)
    online = CpuSet(cpu.number for cpu in of if cpu.online)
    first, added = FIRST_IRQ, []
    for part in parts:
        added.append(part(first))
        first += max(len(added[-1].irqs), 1)
    irqs = []
    for irq in [irq for part in added for irq in part.irqs]:
        mask = s(at[irq.action]) if at and irq.action in at else irq.affinity or everywhere
        load = (loads or {}).get(irq.action, 0.0)
        effective = mask if not mask & online else CpuSet.of((mask & online).first)
        irqs.append(
            msgspec.structs.replace(
                irq,
                affinity=mask,
                effective=effective,
                load=load,
                rate=load * 10_000,
                noise=load * 0.02,
            )
        )
    more.setdefault("default_affinity", everywhere)
    return Snapshot(
        now=now,
        settling=settling,
        cpus=of,
        irqs=tuple(irqs),
        devices=tuple(device for part in added for device in part.devices),
        interfaces=tuple(interface for part in added for interface in part.interfaces),
        **more,
    )


def irq_of(snapshot: Snapshot, action: str) -> Irq:
    """The only IRQ with this name. Raises ValueError if there is none, or several."""
    (found,) = [irq for irq in snapshot.irqs if irq.action == action]
    return found


def changed(snapshot: Snapshot, action: str = "", **fields: Any) -> Snapshot:
    """The snapshot with other fields: those of the IRQ with this name, else its own."""
    if not action:
        return msgspec.structs.replace(snapshot, **fields)
    irqs = [
        msgspec.structs.replace(irq, **fields) if irq.action == action else irq
        for irq in snapshot.irqs
    ]
    return msgspec.structs.replace(snapshot, irqs=tuple(irqs))


def applied(
    snapshot: Snapshot, plan: Plan, ledger: Ledger | None = None, passed: float = 10.0
) -> tuple[Snapshot, Ledger]:
    """The host and the ledger after all of the plan was written, `passed` seconds later."""
    outcomes = [
        Outcome(move.identity, "written", move.irq, found=str(move.after)) for move in plan.moves
    ]
    outcomes += [Outcome(move.identity, "written", found=move.after) for move in plan.steering]
    known = after(ledger or Ledger(), plan, outcomes, snapshot.now)
    moves = {move.irq: move for move in plan.moves}
    irqs: list[Irq] = []
    for irq in snapshot.irqs:
        move = moves.get(irq.number)
        if move is not None:
            here = move.after & snapshot.online
            effective = irq.effective if irq.effective <= here else CpuSet.of(here.first)
            placed = Placed(move.policy, move.reason, move.after, 0.0)
            irqs.append(
                msgspec.structs.replace(
                    irq, affinity=move.after, effective=effective, placed=placed
                )
            )
        else:
            irqs.append(irq)
    interfaces = tuple(_steered(interface, plan.steering) for interface in snapshot.interfaces)
    default = snapshot.default_affinity if plan.default is None else plan.default.after
    return msgspec.structs.replace(
        snapshot,
        now=snapshot.now + passed,
        cycle=snapshot.cycle + 1,
        irqs=tuple(irqs),
        interfaces=interfaces,
        default_affinity=default,
    ), known


def _steered(interface: Interface, moves: Iterable[SteeringMove]) -> Interface:
    tx, rx = list(interface.tx), list(interface.rx)
    for move in moves:
        if move.interface != interface.name:
            continue
        if move.setting == "xps":
            tx[move.queue] = msgspec.structs.replace(tx[move.queue], xps=s(move.after))
        elif move.setting == "rps":
            rx[move.queue] = msgspec.structs.replace(rx[move.queue], rps=s(move.after))
        else:
            rx[move.queue] = msgspec.structs.replace(rx[move.queue], flows=int(move.after))
    return msgspec.structs.replace(interface, tx=tuple(tx), rx=tuple(rx))


def moves_of(plan: Plan, snapshot: Snapshot) -> dict[str, str]:
    """IRQ name -> the CPUs that the plan moves it to."""
    return {snapshot.irq_by_number[move.irq].action: str(move.after) for move in plan.moves}


def refusals(plan: Plan, snapshot: Snapshot) -> dict[str, str]:
    """IRQ name (empty for a refusal of no IRQ) -> the code of its last refusal."""
    return {
        "" if item.irq is None else snapshot.irq_by_number[item.irq].action: item.code
        for item in plan.refused
    }
