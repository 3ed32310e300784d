"""Compare one snapshot with the plan made from it, and with what the topology allows. Pure.

Every check yields `Finding`s: codes and values, no sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from irqbal.findings.finding import Finding, FindingCode, Subject, worst_first
from irqbal.model.plan import Plan
from irqbal.model.queues import queues_text
from irqbal.model.view import Irq, Snapshot

MOST_NAMED = 12
"""IRQs that a sentence names."""
HOT_RATE = 100.0
"""Interrupts a second: from this rate on an IRQ is hot, where time is not visible …"""
HOT_LOAD = 0.05
"""… or from this load on, in seconds of CPU a second."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What findings depend on besides the snapshot.

    `plan` was made from the snapshot. `writers` describes other programs that write masks, one
    sentence each; `drifted`: masks were changed lately. `enabled` are the names of the configured
    policies, None if they are not known.
    `siblings`: queues may share a core (`smt: use`).
    """

    plan: Plan = Plan()
    writers: tuple[str, ...] = ()
    drifted: bool = False
    enabled: frozenset[str] | None = None
    siblings: bool = False

    def is_enabled(self, policy: str) -> bool:
        """Whether the policy is known to be configured."""
        return self.enabled is not None and policy in self.enabled


def verify(snapshot: Snapshot, context: Context) -> list[Finding]:
    """All findings, the worst first. Of several findings with one cause there is only the cause: an
    IRQ that the plan would move is not told off for where it is, nor is one that a policy or a
    person keeps there.
    """
    pending = {move.irq for move in context.plan.moves}
    claimed = {kept.irq for kept in context.plan.kept}
    loose = [
        irq
        for irq in snapshot.irqs
        if irq.number not in pending and irq.number not in claimed and irq.placed is None
    ]
    settled = [irq for irq in snapshot.irqs if irq.number not in pending]
    found = [
        *_unplanned_masks(context.plan, snapshot),
        *_unplanned_steering(context.plan),
        *_unknown_queues(snapshot),
        *_remote_queues(snapshot, loose, context),
        *_irqs_on_isolated_cpus(snapshot, settled, context),
        *_threads_on_isolated_cpus(snapshot),
        *(_other_writer(text, context.drifted) for text in context.writers),
        *_shared_cores(snapshot, settled, context),
        *_queues_beside_disks(settled, context),
        *_queue_counts(snapshot, context),
    ]
    return worst_first(found)


def verify_snapshot(snapshot: Snapshot) -> list[Finding]:
    """Findings about the snapshot alone, for a daemon that has carried its plan out."""
    return verify(snapshot, Context())


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


def _serves_nic(irq: Irq) -> bool:
    return any(queue.kind != "io" and queue.active for queue in irq.queues)


def _is_hot(irq: Irq) -> bool:
    return irq.rate >= HOT_RATE or irq.load >= HOT_LOAD


def _unknown_queues(snapshot: Snapshot) -> Iterator[Finding]:
    for name, (missing, others) in snapshot.unrecognised.items():
        interface = snapshot.interface_by_name[name]
        device = snapshot.device_by_address[interface.device or ""]
        yield Finding(
            "unknown-queues",
            Subject(kind="interface", name=name),
            {
                "interface": name,
                "driver": device.driver or "an unknown driver",
                "queues": str(max(len(interface.tx), len(interface.rx))),
                "unknown": str(len(missing)),
                "irqs": ", ".join(f"{irq.number} ({irq.action})" for irq in others[:MOST_NAMED])
                + (f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else "")
                or "none",
            },
        )


def _remote_queues(snapshot: Snapshot, loose: Iterable[Irq], context: Context) -> Iterator[Finding]:
    for irq in loose:
        local = snapshot.local_cpus(irq)
        if _serves_nic(irq) and irq.movable and irq.effective and not irq.effective & local:
            yield _about_irq(
                "remote-queue",
                irq,
                queue=queues_text(irq.queues),
                effective=irq.effective,
                local=local,
                enabled="yes" if context.is_enabled("pin_nic_queues") else "",
            )


def _shared_cores(
    snapshot: Snapshot, settled: Iterable[Irq], context: Context
) -> Iterator[Finding]:
    if context.is_enabled("spread_by_rate"):
        # It has weighed them, and leaves them together where parting them does not pay.
        return
    on_core: dict[tuple[int, int], dict[tuple[str, int], Irq]] = {}
    for irq in settled:
        if not _serves_nic(irq) or not _is_hot(irq) or len(irq.effective) != 1:
            continue
        cpu = snapshot.cpu_by_number.get(irq.effective.first)
        if cpu is not None:
            queues = on_core.setdefault((cpu.package, cpu.core), {})
            queues.setdefault((irq.queues[0].name, irq.queues[0].index), irq)
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


def _queues_beside_disks(settled: Sequence[Irq], context: Context) -> Iterator[Finding]:
    if context.is_enabled("spread_by_rate"):
        return
    disk_on_cpu: dict[int, Irq] = {}
    for irq in settled:
        serves_disk = any(queue.kind == "io" for queue in irq.queues)
        if serves_disk and _is_hot(irq) and len(irq.effective) == 1:
            disk_on_cpu[irq.effective.first] = irq
    for irq in settled:
        hot = _serves_nic(irq) and _is_hot(irq) and len(irq.effective) == 1
        if hot and irq.effective.first in disk_on_cpu:
            disk = disk_on_cpu[irq.effective.first]
            yield _about_irq(
                "beside-disk",
                irq,
                queue=queues_text(irq.queues),
                effective=irq.effective,
                disk=disk.action,
            )


def _queue_counts(snapshot: Snapshot, context: Context) -> Iterator[Finding]:
    for interface in snapshot.interfaces:
        queues = {
            queue.index
            for irq in snapshot.irqs
            for queue in irq.queues
            if queue.name == interface.name and queue.active
        }
        irq = next(
            (irq for irq in snapshot.irqs if irq.queue and irq.queue.name == interface.name), None
        )
        # A NIC with one vector has what it can have.
        if irq is None or not interface.up or interface.device not in snapshot.device_by_address:
            continue
        cpus = snapshot.local_cpus(irq) - snapshot.isolated
        places = [snapshot.cpu_by_number[cpu] for cpu in cpus]
        cores = {(cpu.package, cpu.core) for cpu in places}
        wanted = len(cpus) if context.siblings else len(cores)
        if cpus and len(queues) != wanted:
            yield Finding(
                "queue-count",
                Subject(kind="interface", name=interface.name),
                {
                    "interface": interface.name,
                    "queues": str(len(queues)),
                    "cpus": str(wanted),
                    "usable": str(cpus),
                    "unit": "CPUs" if context.siblings else "cores",
                    "comparison": "more" if len(queues) > wanted else "fewer",
                },
            )


def _irqs_on_isolated_cpus(
    snapshot: Snapshot, settled: Iterable[Irq], context: Context
) -> Iterator[Finding]:
    isolated = snapshot.isolated
    for irq in settled if isolated else ():
        fires_on = irq.effective & isolated
        if not fires_on or irq.rate <= 0:
            continue
        if irq.movable and (context.is_enabled("isolate_cores") or irq.placed is not None):
            # The policy moves what it does not except; what is placed there was placed on purpose.
            continue
        yield _about_irq("isolated", irq, cpus=fires_on, unmovable=irq.unmovable, isolated=isolated)


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


def _other_writer(description: str, drifted: bool) -> Finding:
    """irqbalance always writes; of the others there is proof only once masks were changed."""
    certain = drifted or description.startswith("irqbalance ")
    return Finding(
        "writer" if certain else "possible-writer",
        Subject(kind="program", name=description),
        {"program": description},
    )
