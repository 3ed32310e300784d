"""Compare one snapshot with the plan made from it, and with what the topology allows. Pure.

Every check yields `Finding`s: codes and values, no sentences.
"""

from __future__ import annotations

from collections.abc import Iterator

from irqbal.findings.finding import Finding, FindingCode, Subject
from irqbal.model.plan import Plan
from irqbal.model.queues import queues_text
from irqbal.model.view import Irq, Snapshot

HOT_RATE = 100.0
"""Interrupts a second: from this rate on an IRQ is hot, where time is not visible …"""
HOT_LOAD = 0.05
"""… or from this load on, in seconds of CPU a second."""


def verify(snapshot: Snapshot, plan: Plan, writers: tuple[str, ...]) -> list[Finding]:
    """All findings, check by check. `writers` describes other programs that write masks, one
    sentence each.
    """
    return [
        *_unplanned_masks(plan, snapshot),
        *_unplanned_steering(plan),
        *_remote_queues(snapshot),
        *_shared_cores(snapshot),
        *_queues_beside_disks(snapshot),
        *_queue_counts(snapshot),
        *_irqs_on_isolated_cpus(snapshot),
        *_threads_on_isolated_cpus(snapshot),
        *(_other_writer(text) for text in writers),
    ]


def verify_snapshot(snapshot: Snapshot) -> list[Finding]:
    """Findings about the snapshot alone, for a daemon that has carried its plan out."""
    return verify(snapshot, Plan(), ())


def _about_irq(code: FindingCode, irq: Irq, **args: object) -> Finding:
    """`args` besides the IRQ's own number and action."""
    texts = {name: str(value) for name, value in args.items()}
    return Finding(
        code,
        Subject(kind="irq", name=str(irq.number), irq=irq.number),
        {"irq": str(irq.number), "action": irq.action, **texts},
    )


def _unplanned_masks(plan: Plan, snapshot: Snapshot) -> Iterator[Finding]:
    for move in plan.moves:
        yield _about_irq(
            "mask",
            snapshot.irq_by_number[move.irq],
            before=move.before,
            after=move.after,
            policy=move.policy,
            reason=move.reason,
        )


def _unplanned_steering(plan: Plan) -> Iterator[Finding]:
    for setting in plan.steering:
        yield Finding(
            "steering",
            Subject(kind="queue", name=setting.identity),
            {
                "setting": setting.setting,
                "interface": setting.interface,
                "queue": str(setting.queue),
                "before": setting.before or "empty",
                "after": setting.after or "empty",
            },
        )


def _active_nic_irqs(snapshot: Snapshot) -> list[Irq]:
    return [
        irq
        for irq in snapshot.irqs
        if any(queue.kind != "io" and queue.active for queue in irq.queues)
    ]


def _is_hot(irq: Irq) -> bool:
    return irq.rate >= HOT_RATE or irq.load >= HOT_LOAD


def _remote_queues(snapshot: Snapshot) -> Iterator[Finding]:
    for irq in _active_nic_irqs(snapshot):
        local = snapshot.local_cpus(irq)
        if irq.effective and not irq.effective & local:
            yield _about_irq(
                "remote-queue",
                irq,
                queue=queues_text(irq.queues),
                effective=irq.effective,
                local=local,
            )


def _shared_cores(snapshot: Snapshot) -> Iterator[Finding]:
    on_core: dict[tuple[int, int], dict[tuple[str, int], Irq]] = {}
    for irq in _active_nic_irqs(snapshot):
        if not _is_hot(irq) or len(irq.effective) != 1:
            continue
        cpu = snapshot.cpu_by_number.get(irq.effective.first)
        if cpu is not None:
            queues = on_core.setdefault((cpu.package, cpu.core), {})
            for queue in irq.queues:
                queues.setdefault((queue.name, queue.index), irq)
    for (_, core), queues in sorted(on_core.items()):
        if len(queues) > 1:
            example = next(iter(queues.values()))
            yield Finding(
                "shared-core",
                Subject(kind="core", name=str(core)),
                {
                    "core": str(core),
                    "queues": ", ".join(f"{name} queue {index}" for name, index in sorted(queues)),
                    "irq": str(example.number),
                },
            )


def _queues_beside_disks(snapshot: Snapshot) -> Iterator[Finding]:
    disk_on_cpu: dict[int, Irq] = {}
    for irq in snapshot.irqs:
        serves_disk = any(queue.kind == "io" for queue in irq.queues)
        if serves_disk and _is_hot(irq) and len(irq.effective) == 1:
            disk_on_cpu[irq.effective.first] = irq
    for irq in _active_nic_irqs(snapshot):
        if _is_hot(irq) and len(irq.effective) == 1 and irq.effective.first in disk_on_cpu:
            disk = disk_on_cpu[irq.effective.first]
            yield _about_irq(
                "beside-disk",
                irq,
                queue=queues_text(irq.queues),
                effective=irq.effective,
                disk=disk.action,
            )


def _queue_counts(snapshot: Snapshot) -> Iterator[Finding]:
    for interface in snapshot.interfaces:
        irqs = {
            queue.index: irq
            for irq in _active_nic_irqs(snapshot)
            for queue in irq.queues
            if queue.name == interface.name
        }
        if not irqs or not interface.up or interface.device not in snapshot.device_by_address:
            continue
        usable = snapshot.local_cpus(next(iter(irqs.values()))) - snapshot.isolated
        if usable and len(irqs) != len(usable):
            yield Finding(
                "queue-count",
                Subject(kind="interface", name=interface.name),
                {
                    "interface": interface.name,
                    "queues": str(len(irqs)),
                    "cpus": str(len(usable)),
                    "usable": str(usable),
                    "comparison": "more" if len(irqs) > len(usable) else "fewer",
                },
            )


def _irqs_on_isolated_cpus(snapshot: Snapshot) -> Iterator[Finding]:
    isolated = snapshot.isolated
    for irq in snapshot.irqs if isolated else ():
        fires_on = irq.effective & isolated
        if fires_on and irq.rate > 0:
            yield _about_irq(
                "isolated", irq, cpus=fires_on, unmovable=irq.unmovable, isolated=isolated
            )


def _threads_on_isolated_cpus(snapshot: Snapshot) -> Iterator[Finding]:
    for thread in snapshot.threads:
        if thread.cpu in snapshot.isolated:
            yield Finding(
                "isolated-thread",
                Subject(kind="thread", name=str(thread.pid), irq=thread.irq),
                {
                    "thread": thread.name,
                    "pid": str(thread.pid),
                    "cpu": str(thread.cpu),
                    "others": str(snapshot.online - snapshot.isolated),
                },
            )


def _other_writer(description: str) -> Finding:
    return Finding("writer", Subject(kind="program", name=description), {"program": description})
