"""What a person should know or do about a host besides its topology: what irqbal's own state says,
and CPUs near saturation. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Protocol, get_args

import msgspec

from irqbal.findings.finding import Finding, Subject
from irqbal.model.plan import Note, Refusal
from irqbal.model.view import Cpu, Irq, Snapshot

NEAR_SATURATION = 0.8
"""Seconds a second in interrupt context from which on a CPU is near saturation: softirqs then run
out of budget, and what runs there hardly gets on."""
PART = 0.1
"""Share of a CPU's load from which on an IRQ is named as its cause."""
SOON = 900.0
"""Seconds before its end in which an override is worth a word."""

Verdict = Literal["well", "look", "act"]
"""well: nothing to do; look: something could be better, or was meant to be different; act: the host
does not do what it should."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class EndingOverride(msgspec.Struct, frozen=True):
    """An override that ends: the IRQ's number and name, and the seconds left."""

    irq: int | None
    name: str
    seconds: float


class HostState(msgspec.Struct, frozen=True, kw_only=True):
    """What irqbal knows of itself on a host.

    `moves` and `settings` are those that a dry run does not make. `trial` is the id of the trial
    for which balancing is paused, or empty. `failed` is policy -> reason. `drifted` counts masks
    that others changed in the last 24 hours. `outbox` are records that wait for MongoDB,
    `outbox_grows` whether they become more. `no_history` says why nothing is recorded, `problem`
    why there is no plan. `refused` and `notes` (policy, note) are the plan's, `spreading` is
    whether spread_by_rate is enabled.
    """

    dry_run: bool = False
    moves: int = 0
    settings: int = 0
    paused: bool = False
    trial: str = ""
    problem: str = ""
    failed: Mapping[str, str] = {}
    ending: tuple[EndingOverride, ...] = ()
    drifted: int = 0
    spreading: bool = False
    refused: tuple[Refusal, ...] = ()
    notes: tuple[tuple[str, Note], ...] = ()
    outbox: int = 0
    outbox_grows: bool = False
    no_history: str = ""


def look_at(snapshot: Snapshot, state: HostState) -> list[Finding]:
    """The findings, in no order."""
    return [*_saturated(snapshot, state), *_unplaced(snapshot, state), *_state(state)]


class JudgedFinding(Protocol):
    """What a verdict depends on: a finding, or its description."""

    @property
    def code(self) -> str:
        """Its code."""

    @property
    def severity(self) -> str:
        """How much it matters."""


def verdict_of(findings: Iterable[JudgedFinding]) -> Verdict:
    """The host in a word. That a NIC could have more or fewer queues is no reason to look."""
    severities = {finding.severity for finding in findings if finding.code != "queue-count"}
    return "act" if "warning" in severities else "look" if severities else "well"


def _saturated(snapshot: Snapshot, state: HostState) -> Iterator[Finding]:
    """CPUs near saturation, the busiest first, each with its heaviest IRQs and what would help."""
    by_cpu: dict[int, list[Irq]] = {}
    for irq in snapshot.irqs:
        if irq.load > 0 and len(irq.effective) == 1:
            by_cpu.setdefault(irq.effective.first, []).append(irq)
    for cpu in sorted(snapshot.cpus, key=lambda cpu: -cpu.load):
        if cpu.online and cpu.load >= NEAR_SATURATION:
            irqs = sorted(by_cpu.get(cpu.number, ()), key=lambda irq: -irq.load)
            yield Finding(
                "saturated",
                Subject(kind="cpu", name=str(cpu.number), irq=irqs[0].number if irqs else None),
                {
                    "cpu": str(cpu.number),
                    "load": f"{min(1.0, cpu.load) * 100:.0f}",
                    "irqs": _heaviest(cpu, irqs),
                    **_help(snapshot, cpu, irqs, state),
                },
            )


def _heaviest(cpu: Cpu, irqs: list[Irq]) -> str:
    """The IRQs that take a good part of a CPU's load, at most three; none where all are small."""
    found = [f"{irq.number} ({irq.action})" for irq in irqs[:3] if irq.load >= cpu.load * PART]
    return ", ".join(found) or "none"


def _help(snapshot: Snapshot, cpu: Cpu, irqs: list[Irq], state: HostState) -> dict[str, str]:
    """What would take load off this CPU: `help` names the way, the other texts what it needs."""
    if not irqs or irqs[0].load < cpu.load / 2:
        way = "many" if state.spreading else "spread"
        return {"help": way, "interface": "", "queues": "", "cpus": ""}
    irq = irqs[0]
    interface = irq.queues[0].name if irq.queues and irq.queues[0].kind != "io" else ""
    if not interface:
        return {"help": "device", "interface": "", "queues": "", "cpus": ""}
    numbers = {
        queue.index
        for other in snapshot.irqs
        for queue in other.queues
        if queue.name == interface and queue.active
    }
    local = snapshot.local_cpus(irq) - snapshot.isolated
    places = (snapshot.cpu_by_number[number] for number in local)
    cores = {(place.package, place.core) for place in places}
    way = "queues" if len(numbers) < len(cores) else "flows"
    if way == "queues" and _rps_is_off(snapshot, interface) and len(numbers) == 1:
        way = "rps"
    return {
        "help": way,
        "interface": interface,
        "queues": str(len(numbers)),
        "cpus": str(len(cores)),
    }


def _rps_is_off(snapshot: Snapshot, name: str) -> bool:
    interface = snapshot.interface_by_name.get(name)
    return interface is not None and not any(queue.rps for queue in interface.rx)


PASSING = frozenset({"budget", "cooldown", "warning"})
"""Refusals that end by themselves, or only go with what was done."""


def _unplaced(snapshot: Snapshot, state: HostState) -> Iterator[Finding]:
    """What policies remark, and the IRQs that are not where a policy or a person wants them."""
    told = set()
    for policy, note in state.notes:
        told.add(note.irq)
        yield Finding(
            "policy-note",
            Subject(kind="policy", name=policy, irq=note.irq),
            {"policy": policy, "text": note.text, "advice": note.advice or "see the policy"},
        )
    refused = [item for item in state.refused if item.code not in PASSING and item.irq not in told]
    if refused:
        numbers = {item.irq for item in refused}
        first = refused[0]
        irq = None if first.irq is None else snapshot.irq_by_number.get(first.irq)
        yield Finding(
            "refused",
            Subject(kind="host", name="refused", irq=first.irq if len(numbers) == 1 else None),
            {
                "irqs": _count(len(numbers), "IRQ"),
                "is": "is" if len(numbers) == 1 else "are",
                "example": first.policy if irq is None else f"{irq.number} ({irq.action})",
                "reason": first.reason,
            },
        )


def _state(state: HostState) -> Iterator[Finding]:
    if state.problem and not state.paused:
        yield Finding("no-plan", Subject(kind="host", name="plan"), {"problem": state.problem})
    for policy, reason in state.failed.items():
        yield Finding(
            "policy-failed",
            Subject(kind="policy", name=policy),
            {"policy": policy, "reason": reason},
        )
    if state.dry_run and (state.moves or state.settings):
        yield Finding(
            "dry-run",
            Subject(kind="host", name="dry run"),
            {"moves": _count(state.moves, "move"), "settings": _count(state.settings, "setting")},
        )
    if state.trial:
        yield Finding("trial", Subject(kind="host", name="trial"), {"trial": state.trial})
    elif state.paused:
        yield Finding("paused", Subject(kind="host", name="pause"), {})
    for item in state.ending:
        if item.seconds <= SOON:
            number = "" if item.irq is None else str(item.irq)
            yield Finding(
                "override-ends",
                Subject(kind="irq", name=item.name, irq=item.irq),
                {
                    "irq": number or item.name,
                    "name": item.name,
                    "minutes": _count(max(1, round(item.seconds / 60)), "minute"),
                },
            )
    if state.drifted:
        yield Finding(
            "drift", Subject(kind="host", name="drift"), {"masks": _count(state.drifted, "mask")}
        )
    if state.outbox_grows:
        yield Finding(
            "outbox",
            Subject(kind="host", name="outbox"),
            {"records": _count(state.outbox, "record")},
        )
    if state.no_history:
        yield Finding(
            "no-history", Subject(kind="host", name="history"), {"problem": state.no_history}
        )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
