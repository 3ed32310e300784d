"""Is the host as it should be? Findings over one snapshot and the plan that was made from it.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Plan
from irqbal.model.view import Irq, Snapshot

HOT_RATE = 100.0
"""Interrupts a second from which a queue counts as hot …"""
HOT_LOAD = 0.05
"""… or this many seconds of CPU a second."""


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be: a code for machines, the IRQ if it is about one, a
    sentence, and what to do.
    """

    code: str
    text: str
    advice: str
    irq: int | None = None


def verify(snapshot: Snapshot, plan: Plan, writers: tuple[str, ...]) -> list[Finding]:
    """All findings, those about single IRQs by number."""
    found = [
        *_not_as_planned(snapshot, plan),
        *_remote(snapshot),
        *_shared_cores(snapshot),
        *_beside_nvme(snapshot),
    ]
    found += [*_queue_counts(snapshot), *_on_isolated(snapshot)]
    found += [Finding("writer", text, "let one of the two do this work") for text in writers]
    return found


def _not_as_planned(snapshot: Snapshot, plan: Plan) -> Iterator[Finding]:
    for move in plan.moves:
        action = snapshot.irq_by_number[move.irq].action
        yield Finding(
            "mask",
            f"IRQ {move.irq} ({action}) is on {move.before}, planned is {move.after}: "
            f"{move.policy}: {move.reason}",
            "run `irqbal apply`, or the daemon",
            move.irq,
        )
    for setting in plan.steering:
        yield Finding(
            "steering",
            f"{setting.setting} of {setting.interface} queue {setting.queue} is "
            f"{setting.before or 'empty'}, "
            f"planned is {setting.after or 'empty'}",
            "run `irqbal apply`, or the daemon",
        )


def _or_explain(does: str, number: int) -> str:
    """Which policies are enabled is not known here, and one that is has its reasons."""
    return f"{does}: enable it, or ask `irqbal explain {number}` what speaks against that"


def _nic_irqs(snapshot: Snapshot) -> list[Irq]:
    return [
        irq
        for irq in snapshot.irqs
        if irq.queue is not None and irq.queue.kind != "io" and irq.queue.active
    ]


def _hot(irq: Irq) -> bool:
    return irq.rate >= HOT_RATE or irq.load >= HOT_LOAD


def _remote(snapshot: Snapshot) -> Iterator[Finding]:
    for irq in _nic_irqs(snapshot):
        local = snapshot.local_cpus(irq)
        if irq.effective and not irq.effective & local:
            yield Finding(
                "remote-queue",
                f"{irq.queue} (IRQ {irq.number}) is handled on CPU {irq.effective}, off its NIC's "
                "node "
                f"(CPUs {local})",
                _or_explain("pin_nic_queues keeps it there", irq.number),
                irq.number,
            )


def _shared_cores(snapshot: Snapshot) -> Iterator[Finding]:
    on_core: dict[tuple[int, int], dict[tuple[str, int], Irq]] = {}
    for irq in _nic_irqs(snapshot):
        if irq.queue is None or not _hot(irq) or len(irq.effective) != 1:
            continue
        cpu = snapshot.cpu_by_number.get(irq.effective.first)
        if cpu is not None:
            on_core.setdefault((cpu.package, cpu.core), {}).setdefault(
                (irq.queue.name, irq.queue.index), irq
            )
    for (_, core), queues in sorted(on_core.items()):
        if len(queues) > 1:
            names = ", ".join(f"{name} queue {index}" for name, index in sorted(queues))
            some = next(iter(queues.values())).number
            advice = _or_explain("spread_by_rate parts them where that pays", some)
            yield Finding(
                "shared-core", f"hot queues share the core of CPU {core}: {names}", advice
            )


def _beside_nvme(snapshot: Snapshot) -> Iterator[Finding]:
    disks: dict[int, Irq] = {}
    for irq in snapshot.irqs:
        if (
            irq.queue is not None
            and irq.queue.kind == "io"
            and _hot(irq)
            and len(irq.effective) == 1
        ):
            disks[irq.effective.first] = irq
    for irq in _nic_irqs(snapshot):
        if _hot(irq) and len(irq.effective) == 1 and irq.effective.first in disks:
            disk = disks[irq.effective.first]
            yield Finding(
                "beside-disk",
                f"{irq.queue} (IRQ {irq.number}) shares CPU {irq.effective} with the hot "
                f"{disk.action}",
                _or_explain(
                    "spread_by_rate counts the disk's load and moves the queue where that pays",
                    irq.number,
                ),
                irq.number,
            )


def _queue_counts(snapshot: Snapshot) -> Iterator[Finding]:
    for interface in snapshot.interfaces:
        queues = {
            irq.queue.index
            for irq in _nic_irqs(snapshot)
            if irq.queue and irq.queue.name == interface.name
        }
        device = (
            None if interface.device is None else snapshot.device_by_address.get(interface.device)
        )
        if not queues or device is None or not interface.up:
            continue
        some = next(
            irq for irq in _nic_irqs(snapshot) if irq.queue and irq.queue.name == interface.name
        )
        room = snapshot.local_cpus(some) - snapshot.isolated
        if room and len(queues) != len(room):
            word = "more" if len(queues) > len(room) else "fewer"
            yield Finding(
                "queue-count",
                f"{interface.name} has {len(queues)} queues for {len(room)} usable CPUs of its "
                f"node ({room}): {word}",
                f"ethtool -L {interface.name} combined {len(room)}, if the NIC can",
            )


def _on_isolated(snapshot: Snapshot) -> Iterator[Finding]:
    isolated: CpuSet = snapshot.isolated
    if not isolated:
        return
    for irq in snapshot.irqs:
        there = irq.effective & isolated
        if there and irq.rate > 0:
            why = f": {irq.unmovable}" if irq.unmovable else ""
            boot = f"boot with isolcpus=managed_irq,{isolated}"
            advice = (
                boot if irq.unmovable else _or_explain("isolate_cores moves it away", irq.number)
            )
            yield Finding(
                "isolated",
                f"IRQ {irq.number} ({irq.action}) fires on isolated CPU {there}{why}",
                advice,
                irq.number,
            )
    for thread in snapshot.threads:
        if thread.cpu in isolated:
            yield Finding(
                "isolated-thread",
                f"the thread {thread.name} (pid {thread.pid}) last ran on isolated CPU "
                f"{thread.cpu}",
                f"taskset -pc {snapshot.online - isolated} {thread.pid}",
                thread.irq,
            )
