"""What disturbed isolated CPUs in a window: the difference of two readings, with what tracing tells
of who caused it, and what was allowed. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.findings.disturbance_causes import (
    BOUND,
    FLUSHES,
    HELPS,
    SOFTIRQ_HELP,
    SOFTIRQ_TRACES,
    TRACED,
    DisturbanceCause,
    DisturbanceKind,
    causes_of,
    causes_text,
)
from irqbal.findings.finding import Finding, FindingCode, Subject
from irqbal.model.disturbances import InterruptCounts, Traced

ALL = "all"
"""In a budget: every row, softirq and IRQ that has none of its own."""
_WRAP = 1 << 32
"""Counts are u32."""

_CODES: dict[DisturbanceKind, FindingCode] = {
    "irq": "disturbed-irq",
    "timer": "disturbed-timer",
    "call": "disturbed-call",
    "tlb": "disturbed-tlb",
    "reschedule": "disturbed-reschedule",
    "row": "disturbed-row",
    "softirq": "disturbed-softirq",
    "thread": "disturbed-thread",
    "task": "disturbed-task",
}
_ROWS: tuple[tuple[str, DisturbanceKind], ...] = (
    ("local timer interrupt", "timer"),
    ("function call interrupt", "call"),
    ("tlb shootdown", "tlb"),
    ("rescheduling interrupt", "reschedule"),
)
"""What a row's text begins with -> its kind; architectures name the rows themselves differently."""


class Disturbance(msgspec.Struct, frozen=True, kw_only=True):
    """What interrupted a CPU, how often in the window, and by whom, the most frequent cause first.
    `name` is a row, a softirq, an IRQ's number or a task's pid; `label` says it in words. `allowed`
    is its budget, None if it has none. `help` chooses the advice.
    """

    cpu: int
    kind: DisturbanceKind
    name: str
    label: str
    count: int
    allowed: int | None = None
    help: str = ""
    causes: tuple[DisturbanceCause, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether it is over its budget."""
        return self.allowed is not None and self.count > self.allowed


class IrqLabel(msgspec.Struct, frozen=True):
    """An IRQ in words: its action with its queues, and why it cannot be moved (or empty)."""

    text: str
    unmovable: str = ""
    names: tuple[str, ...] = ()


Budgets = Mapping[str, int]
"""Name of a row, softirq or IRQ, in lower case, or `all` -> how often it may come to one CPU in the
window.
"""


def parse_budget(text: str) -> tuple[str, int]:
    """`LOC=10`: the name in lower case, and the count. Raises ValueError."""
    name, equals, count = text.rpartition("=")
    if not equals or not name.strip() or not (count.isascii() and count.isdigit()):
        raise ValueError(f"{text!r} is no budget: NAME=COUNT, such as LOC=10")
    return name.strip().lower(), int(count)


def unknown_budgets(
    budgets: Budgets, counts: InterruptCounts, irqs: Mapping[int, IrqLabel]
) -> list[str]:
    """Names in budgets that this host does not have."""
    known = {ALL, *(name.lower() for name in (*counts.rows, *counts.softirqs))}
    for number in counts.irqs:
        known.update(_irq_names(number, irqs.get(number)))
    return sorted(set(budgets) - known)


def _irq_names(number: int, label: IrqLabel | None) -> list[str]:
    return [str(number), *(name.lower() for name in (label.names if label else ()))]


def disturbances(
    before: InterruptCounts,
    after: InterruptCounts,
    traced: Traced | None,
    irqs: Mapping[int, IrqLabel],
    budgets: Budgets,
) -> list[Disturbance]:
    """Everything that came to these CPUs in the window, by CPU, the most frequent first."""
    found = [
        *_of_irqs(before, after, irqs, budgets),
        *_of_rows(before, after, traced, budgets),
        *_of_softirqs(before, after, traced, budgets),
        *_of_tasks(traced),
    ]
    order = list(_CODES)
    return sorted(found, key=lambda one: (one.cpu, order.index(one.kind) > 6, -one.count, one.name))


def _difference(
    before: Mapping[int, int] | None, after: Mapping[int, int]
) -> Iterator[tuple[int, int]]:
    """CPU and count, where it is not 0. A count that fell was reset, unless it wrapped."""
    for cpu, count in after.items():
        start = (before or {}).get(cpu, 0)
        passed = (count - start) % _WRAP
        if passed > _WRAP // 2:
            passed = count
        if passed:
            yield cpu, passed


def _allowed(budgets: Budgets, names: Iterable[str]) -> int | None:
    for name in (*names, ALL):
        if name.lower() in budgets:
            return budgets[name.lower()]
    return None


def _of_irqs(
    before: InterruptCounts,
    after: InterruptCounts,
    irqs: Mapping[int, IrqLabel],
    budgets: Budgets,
) -> Iterator[Disturbance]:
    for number, counts in after.irqs.items():
        label = irqs.get(number)
        for cpu, count in _difference(before.irqs.get(number), counts):
            yield Disturbance(
                cpu=cpu,
                kind="irq",
                name=str(number),
                label=label.text if label else "",
                count=count,
                allowed=_allowed(budgets, _irq_names(number, label)),
                help=label.unmovable if label else "",
            )


def kind_of_row(name: str, text: str) -> DisturbanceKind:
    """The kind of a named row, by the words that the kernel prints after its counts."""
    return next((kind for begin, kind in _ROWS if text.lower().startswith(begin)), "row")


def _of_rows(
    before: InterruptCounts, after: InterruptCounts, traced: Traced | None, budgets: Budgets
) -> Iterator[Disturbance]:
    for name, counts in after.rows.items():
        text = after.texts.get(name, "")
        kind = kind_of_row(name, text)
        for cpu, count in _difference(before.rows.get(name), counts):
            causes = causes_of(traced, cpu, TRACED.get(kind, ()))
            if kind == "tlb":
                causes = [one for one in causes if one.via != "call" or one.function in FLUSHES]
            yield Disturbance(
                cpu=cpu,
                kind=kind,
                name=name,
                label=text,
                count=count,
                allowed=_allowed(budgets, [name]),
                help=HELPS[kind](name, causes, traced, cpu) if kind in HELPS else "",
                causes=tuple(causes),
            )


def _of_softirqs(
    before: InterruptCounts, after: InterruptCounts, traced: Traced | None, budgets: Budgets
) -> Iterator[Disturbance]:
    for name, counts in after.softirqs.items():
        traces = (SOFTIRQ_TRACES[name],) if name in SOFTIRQ_TRACES else ()
        for cpu, count in _difference(before.softirqs.get(name), counts):
            yield Disturbance(
                cpu=cpu,
                kind="softirq",
                name=name,
                label=f"{name} softirq",
                count=count,
                allowed=_allowed(budgets, [name]),
                help=name if name in SOFTIRQ_HELP else "other",
                causes=tuple(causes_of(traced, cpu, traces)),
            )


def _of_tasks(traced: Traced | None) -> Iterator[Disturbance]:
    for row in traced.counts if traced else ():
        if row.kind != "ran" or row.cpu is None or traced is None:
            continue
        bound = BOUND.match(row.task)
        is_kernel = row.pid in traced.kernel_threads or bound is not None
        works = row.task.startswith("kworker/")
        yield Disturbance(
            cpu=row.cpu,
            kind="thread" if is_kernel else "task",
            name=str(row.pid),
            label=row.task,
            count=row.count,
            help=("" if not is_kernel else f"{bound[1]}" if bound else "free"),
            causes=tuple(causes_of(traced, row.cpu, ("work",))) if is_kernel and works else (),
        )


def findings_of(
    found: Sequence[Disturbance], seconds: float, isolated: CpuSet, others: CpuSet
) -> list[Finding]:
    """A finding for each: what is over its budget first, then CPU by CPU."""
    made = [_finding(one, seconds, isolated, others) for one in found]
    over = [
        Finding("over-budget", item.subject, item.args)
        for one, item in zip(found, made, strict=True)
        if one.is_over
    ]
    return [*over, *made]


def _finding(one: Disturbance, seconds: float, isolated: CpuSet, others: CpuSet) -> Finding:
    irq = int(one.name) if one.kind == "irq" else None
    subject = (
        Subject(kind="irq", name=one.name, irq=irq)
        if irq is not None
        else Subject(kind="cpu", name=str(one.cpu))
    )
    return Finding(
        _CODES[one.kind],
        subject,
        {
            "cpu": str(one.cpu),
            "name": f"IRQ {one.name}" if irq is not None else one.name,
            "label": one.label,
            "count": str(one.count),
            "times": "once" if one.count == 1 else f"{one.count} times",
            "seconds": f"{seconds:g}",
            "budget": "" if one.allowed is None else str(one.allowed),
            "who": causes_text(one.causes),
            "help": one.help,
            "unmovable": one.help if one.kind == "irq" else "",
            "isolated": str(isolated),
            "others": str(others),
            "pid": one.name,
        },
    )


def cpus_text(cpus: CpuSet) -> str:
    """`CPU 7`, `CPUs 4-7`."""
    return f"CPU{'' if len(cpus) == 1 else 's'} {cpus}"


def blind_spots(traced: Traced | None, reason: str, cpus: CpuSet) -> list[Finding]:
    """What this window could not show, and why."""
    ways = []
    if traced is None:
        ways.append("tracing" if reason else "asked")
    elif not {"call", "sent"} <= traced.kinds:
        ways.append("senders")
    if traced is not None and reason:
        ways.append("left")
    if traced is not None and traced.dropped:
        ways.append("dropped")
    dropped = str(traced.dropped if traced else 0)
    return [
        Finding(
            "not-visible",
            Subject(kind="host", name=f"tracing-{way}"),
            {"help": way, "reason": reason, "cpus": cpus_text(cpus), "dropped": dropped},
        )
        for way in ways
    ]
