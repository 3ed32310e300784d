"""Who caused what disturbed a CPU, as far as tracing tells, and which advice helps against it.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from irqbal.model.disturbances import TraceCount, Traced, TraceKind

DisturbanceKind = Literal[
    "irq", "timer", "call", "tlb", "reschedule", "row", "softirq", "thread", "task"
]
"""`irq`: a numbered IRQ. `timer`, `call`, `tlb`, `reschedule`: named rows of `/proc/interrupts`;
`row`: another of them. `thread`: a kernel thread that ran there; `task`: another task.
"""
MOST_CAUSES = 3
"""Causes that a sentence names."""
TRACED: dict[DisturbanceKind, tuple[TraceKind, ...]] = {
    "timer": ("hrtimer",),
    "call": ("call", "interrupted"),
    "tlb": ("call", "flush"),
    "reschedule": ("sent", "waking"),
}
"""The histograms that tell who caused a row, the best first: the first that is there is used."""
SOFTIRQ_TRACES: dict[str, TraceKind] = {
    "TIMER": "timer",
    "HRTIMER": "hrtimer",
    "NET_RX": "poll",
    "TASKLET": "tasklet",
    "HI": "tasklet",
}
TICKS = ("tick_sched_timer", "tick_nohz_handler")
"""The timer functions of the kernel's tick."""
FLUSHES = ("flush_tlb_func", "do_flush_tlb_all", "do_kernel_range_flush")
CALLS = {
    "membarrier": ("ipi_mb", "ipi_sync_core", "ipi_rseq", "ipi_sync_rq_state"),
    "flush": (*FLUSHES, "tlb_remove_table_smp_sync"),
    "code": ("do_sync_core",),
    "wakeup": ("sched_ttwu_pending", "nohz_full_kick_func", "__hrtimer_reprogram"),
}
"""Help for a function call -> the kernel's functions of it."""
TICK_HELP = {1: "tick-posix", 2: "tick-perf", 4: "tick-tasks", 8: "tick-clock", 16: "tick-rcu"}
"""Bits of `timer:tick_stop`'s dependency (include/linux/tick.h)."""
ROW_HELP = {"IWI", "PMI", "NMI", "TRM", "THR", "MCE", "MCP"}
SOFTIRQ_HELP = {"TIMER", "HRTIMER", "NET_RX", "NET_TX", "BLOCK", "TASKLET", "SCHED", "RCU"}
BOUND = re.compile(r"(kworker|migration|cpuhp|ksoftirqd|idle_inject|rcuc|irq_work)/(\d+)")
"""Names of kernel threads that each CPU has."""


class DisturbanceCause(msgspec.Struct, frozen=True, kw_only=True):
    """Who or what caused it, as tracing counts it. `via`: the histogram that tells."""

    via: TraceKind
    count: int
    function: str = ""
    task: str = ""
    pid: int | None = None
    other: str = ""


def causes_of(
    traced: Traced | None, cpu: int, kinds: Sequence[TraceKind]
) -> list[DisturbanceCause]:
    """What the first of these histograms that this kernel has tells of a CPU."""
    kind = next((kind for kind in kinds if traced and kind in traced.kinds), None)
    return [_cause(row) for row in _rows_of(traced, kind, cpu)]


def _rows_of(traced: Traced | None, kind: TraceKind | None, cpu: int) -> list[TraceCount]:
    rows = [
        row
        for row in (traced.counts if traced else ())
        if row.kind == kind and row.cpu in (None, cpu)
    ]
    return sorted(rows, key=lambda row: -row.count)


def _cause(row: TraceCount) -> DisturbanceCause:
    return DisturbanceCause(
        via=row.kind,
        count=row.count,
        function=row.function,
        task=row.task,
        pid=row.pid,
        other=row.other,
    )


def _timer_help(
    name: str, causes: Sequence[DisturbanceCause], traced: Traced | None, cpu: int
) -> str:
    if not causes:
        return "timer-unknown"
    top = causes[0].function
    if top in TICKS:
        bits = [row.function for row in _rows_of(traced, "tick", cpu)]
        return next((TICK_HELP[int(bit)] for bit in bits if int(bit) in TICK_HELP), "tick")
    return {"hrtimer_wakeup": "sleep", "hrtick": "tick-tasks"}.get(top, "timer-other")


def _call_help(
    name: str, causes: Sequence[DisturbanceCause], traced: Traced | None, cpu: int
) -> str:
    if not causes:
        return "unknown"
    if causes[0].via == "interrupted":
        return "interrupted" if causes[0].pid else "unknown"
    by_help: dict[str, int] = {}
    for cause in causes:
        chosen = next((way for way, names in CALLS.items() if cause.function in names), "other")
        by_help[chosen] = by_help.get(chosen, 0) + cause.count
    return max(by_help, key=lambda way: by_help[way])


def _row_help(
    name: str, causes: Sequence[DisturbanceCause], traced: Traced | None, cpu: int
) -> str:
    return name if name in ROW_HELP else "other"


HELPS: dict[
    DisturbanceKind,
    Callable[[str, Sequence[DisturbanceCause], Traced | None, int], str],
] = {"timer": _timer_help, "call": _call_help, "row": _row_help}


def cause_text(cause: DisturbanceCause) -> str:
    """A cause as a value of a sentence: `ipi_mb, sent by app (pid 312): 40`."""
    by = cause.task + (f" (pid {cause.pid})" if cause.pid else "")
    text = {
        "call": f"{cause.function}, sent by {by}",
        "sent": f"sent by {by}",
        "flush": f"TLB flushes to some CPUs, sent by {by}",
        "waking": f"{by} woke {cause.other}",
        "interrupted": f"interrupted {by}",
    }.get(cause.via, cause.function)
    return f"{text}: {cause.count}"


def causes_text(causes: Sequence[DisturbanceCause]) -> str:
    """The most frequent causes; empty if none is known."""
    rest = len(causes) - MOST_CAUSES
    named = "; ".join(map(cause_text, causes[:MOST_CAUSES]))
    return named + (f"; and {rest} more" if rest > 0 else "")
