"""What disturbed a CPU, from two readings and what tracing told; budgets; and the words for it."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.cpuset import CpuSet
from irqbal.findings.disturbance_causes import causes_text
from irqbal.findings.disturbances import (
    Disturbance,
    IrqLabel,
    blind_spots,
    disturbances,
    findings_of,
    kind_of_row,
    parse_budget,
    unknown_budgets,
)
from irqbal.model.disturbances import InterruptCounts, TraceCount, Traced, TraceKind
from irqbal.model.unmovable import MANAGED
from irqbal.render.disturbance_texts import DISTURBANCE_TEXTS
from irqbal.render.finding_texts import describe

TEXTS = {
    "LOC": "Local timer interrupts",
    "CAL": "Function call interrupts",
    "TLB": "TLB shootdowns",
    "RES": "Rescheduling interrupts",
    "IWI": "IRQ work interrupts",
}
"""What x86 prints after the counts."""
NVME = IrqLabel("nvme0q8", MANAGED, ("nvme0q8",))


def counts(time: float = 0.0, cpu: int = 7, **named: int) -> InterruptCounts:
    """A reading: `LOC=3`, `irq47=2`, `TIMER=1`."""
    return InterruptCounts(
        time=time,
        irqs={int(name[3:]): {cpu: n} for name, n in named.items() if name.startswith("irq")},
        rows={name: {cpu: n} for name, n in named.items() if name in TEXTS},
        softirqs={
            name: {cpu: n}
            for name, n in named.items()
            if name not in TEXTS and not name.startswith("irq")
        },
        texts=TEXTS,
    )


def traced(*rows: TraceCount, kinds: str = "call sent hrtimer timer tick ran work") -> Traced:
    known = [kind for kind in get_args(TraceKind) if kind in kinds.split()]
    return Traced(kinds=frozenset(known), counts=rows, kernel_threads=frozenset({21}))


def row(kind: TraceKind, count: int, **fields: str | int) -> TraceCount:
    return TraceCount(kind=kind, cpu=7, count=count, **fields)  # type: ignore[arg-type]


def found(
    before: InterruptCounts, after: InterruptCounts, seen: Traced | None = None, **budgets: int
) -> dict[str, Disturbance]:
    allowed = {name.lower(): count for name, count in budgets.items()}
    items = disturbances(before, after, seen, {47: NVME}, allowed)
    return {item.name: item for item in items}


def test_the_difference_of_two_readings_is_what_came() -> None:
    seen = found(
        counts(LOC=100, CAL=7, irq47=3, TIMER=5), counts(LOC=152, CAL=7, irq47=5, TIMER=6, RES=1)
    )
    assert {name: (item.kind, item.count) for name, item in seen.items()} == {
        "LOC": ("timer", 52),
        "47": ("irq", 2),
        "TIMER": ("softirq", 1),
        "RES": ("reschedule", 1),
    }
    assert seen["47"].label == "nvme0q8"


def test_a_count_that_wraps_goes_on_and_one_that_was_reset_begins_anew() -> None:
    seen = found(counts(LOC=(1 << 32) - 10, irq47=5_000), counts(LOC=20, irq47=3))
    assert (seen["LOC"].count, seen["47"].count) == (30, 3)


@given(
    start=st.integers(0, (1 << 32) - 1),
    passed=st.integers(1, 1 << 31),
)
def test_any_difference_below_half_the_range_is_found(start: int, passed: int) -> None:
    after = (start + passed) % (1 << 32)
    assert found(counts(LOC=start), counts(LOC=after))["LOC"].count == passed


def test_rows_have_the_same_kind_on_every_architecture() -> None:
    assert kind_of_row("IPI1", "Function call interrupts") == "call", "arm64"
    assert kind_of_row("IPI0", "Rescheduling interrupts") == "reschedule"
    assert kind_of_row("LOC", "Local timer interrupts for timer event device") == "timer", "ppc"
    assert kind_of_row("TRM", "Thermal event interrupts") == "row"


def test_function_calls_name_who_sent_them_and_what_helps() -> None:
    seen = traced(
        row("call", 40, function="ipi_mb", task="app", pid=312),
        row("call", 12, function="flush_tlb_func", task="app", pid=312),
        row("sent", 3, task="migration/0", pid=21),
        row("interrupted", 52, task="app", pid=313),
    )
    items = found(counts(CAL=0, TLB=0, RES=0), counts(CAL=52, TLB=12, RES=3), seen)
    assert items["CAL"].help == "membarrier"
    assert causes_text(items["CAL"].causes) == (
        "ipi_mb, sent by app (pid 312): 40; flush_tlb_func, sent by app (pid 312): 12"
    )
    assert [cause.function for cause in items["TLB"].causes] == ["flush_tlb_func"]
    assert causes_text(items["RES"].causes) == "sent by migration/0 (pid 21): 3"


def test_an_older_kernel_names_whom_it_interrupted() -> None:
    seen = traced(
        row("interrupted", 52, task="app", pid=313),
        TraceCount(kind="flush", cpu=None, count=12, task="app", pid=312),
        row("waking", 3, task="bash", pid=9, other="app"),
        kinds="interrupted flush waking",
    )
    items = found(counts(CAL=0, TLB=0, RES=0), counts(CAL=52, TLB=12, RES=3), seen)
    assert items["CAL"].help == "interrupted"
    assert causes_text(items["CAL"].causes) == "interrupted app (pid 313): 52"
    assert "TLB flushes to some CPUs, sent by app (pid 312): 12" in causes_text(items["TLB"].causes)
    assert causes_text(items["RES"].causes) == "bash (pid 9) woke app: 3"
    idle = traced(row("interrupted", 1, task="<idle>", pid=0), kinds="interrupted")
    assert found(counts(CAL=0), counts(CAL=1), idle)["CAL"].help == "unknown"


@pytest.mark.parametrize(
    ("function", "dependency", "helps"),
    [
        ("tick_sched_timer", "4", "tick-tasks"),
        ("tick_nohz_handler", "8", "tick-clock"),
        ("tick_nohz_handler", "", "tick"),
        ("hrtimer_wakeup", "4", "sleep"),
        ("watchdog_timer_fn", "", "timer-other"),
    ],
)
def test_the_timers_function_says_what_helps(function: str, dependency: str, helps: str) -> None:
    ticks = [row("tick", 9, function=dependency)] if dependency else []
    seen = traced(row("hrtimer", 50, function=function), *ticks)
    assert found(counts(LOC=0), counts(LOC=50), seen)["LOC"].help == helps
    assert found(counts(LOC=0), counts(LOC=50))["LOC"].help == "timer-unknown"


def test_kernel_threads_are_told_from_tasks() -> None:
    seen = traced(
        row("ran", 3, task="kworker/7:1", pid=148),
        row("ran", 2, task="khugepaged", pid=21),
        row("ran", 9, task="app", pid=312),
        row("work", 3, function="vmstat_update"),
    )
    items = found(counts(), counts(), seen)
    assert [(item.kind, item.help) for item in items.values()] == [
        ("task", ""),
        ("thread", "kworker"),
        ("thread", "free"),
    ]
    assert causes_text(items["148"].causes) == "vmstat_update: 3"
    assert not items["21"].causes


def test_budgets_hold_for_rows_softirqs_and_irqs_by_number_and_name() -> None:
    before, after = counts(LOC=0, TIMER=0, irq47=0), counts(LOC=11, TIMER=3, irq47=2)
    assert not any(item.is_over for item in found(before, after).values())
    seen = found(before, after, LOC=10, TIMER=3, nvme0q8=1)
    assert {name for name, item in seen.items() if item.is_over} == {"LOC", "47"}
    items = disturbances(before, after, None, {47: NVME}, {"loc": 11, "all": 0, "47": 2})
    assert {item.name for item in items if item.is_over} == {"TIMER"}
    assert unknown_budgets({"loc": 1, "timer": 1, "all": 0, "nvme0q8": 1}, after, {47: NVME}) == []
    assert unknown_budgets({"47": 1, "lco": 1}, after, {47: NVME}) == ["lco"]


@given(
    name=st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs"]), min_size=1, max_size=20),
    count=st.integers(0, 1 << 40),
)
def test_a_budget_is_read_whatever_the_name(name: str, count: int) -> None:
    assert parse_budget(f"{name}={count}") == (name.strip().lower(), count)


@pytest.mark.parametrize("text", ["LOC", "=3", "LOC=", "LOC=-1", "LOC=x", "LOC=1.5", "", "LOC=²"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no budget"):
        parse_budget(text)


# In words


def test_every_disturbance_has_a_whole_sentence_and_advice() -> None:
    seen = traced(
        row("call", 40, function="ipi_mb", task="{cpu} {nothing}", pid=312),
        row("hrtimer", 9, function="tick_sched_timer"),
        row("ran", 9, task="app", pid=312),
        row("ran", 2, task="khugepaged", pid=21),
    )
    named = {"CAL": 40, "LOC": 9, "RES": 1, "TLB": 1, "IWI": 1, "TIMER": 1, "irq47": 2}
    items = disturbances(
        counts(**dict.fromkeys(named, 0)), counts(**named), seen, {47: NVME}, {"loc": 3}
    )
    words = [describe(one) for one in findings_of(items, 10.0, CpuSet.of(7), CpuSet.parse("0-6"))]
    assert [one.code for one in words][:2] == ["over-budget", "disturbed-call"]
    assert {one.code for one in words} == DISTURBANCE_TEXTS.keys() - {"not-visible"}
    for one in words:
        assert one.text and one.advice, one
        assert not re.search("[{}]", one.advice + one.text.replace("{cpu} {nothing}", "")), one
    texts = {one.code: one for one in words}
    assert texts["over-budget"].text == "CPU 7: LOC came 9 times in 10 s, and 3 are allowed"
    assert texts["over-budget"].severity == "warning"
    assert (
        texts["disturbed-irq"].text == f"CPU 7: IRQ 47 (nvme0q8) fired 2 times in 10 s: {MANAGED}"
    )
    assert "isolcpus=managed_irq,7" in texts["disturbed-irq"].advice
    assert texts["disturbed-call"].text.endswith("(ipi_mb, sent by {cpu} {nothing} (pid 312): 40)")
    assert "taskset -pc 0-6 21" in texts["disturbed-thread"].advice
    assert "came once in" in texts["disturbed-reschedule"].text


def test_what_could_not_be_seen_is_said() -> None:
    def said(seen: Traced | None, reason: str) -> list[str]:
        return [describe(one).text for one in blind_spots(seen, reason, CpuSet.of(7))]

    assert said(traced(), "") == []
    assert "not told without tracing" in said(None, "")[0]
    assert said(None, "there is no tracefs")[0].endswith("is not told: there is no tracefs")
    assert "does not tell who sends" in said(traced(kinds="interrupted"), "")[0]
    assert said(traced(), "it could not be removed") == ["it could not be removed"]
    lost = Traced(kinds=frozenset({"call", "sent"}), counts=(), dropped=4)
    assert said(lost, "")[0].startswith("4 events did not fit")


def test_every_help_that_can_come_has_an_advice() -> None:
    """The table's ways are what the comparison chooses from."""
    from irqbal.findings import disturbance_causes as module

    ways = {code: set(text.ways) for code, text in DISTURBANCE_TEXTS.items()}
    assert ways["disturbed-call"] == {*module.CALLS, "interrupted", "other", "unknown"}
    assert ways["disturbed-row"] == {*module.ROW_HELP, "other"}
    assert ways["disturbed-softirq"] == {*module.SOFTIRQ_HELP, "other"}
    assert set(module.TICK_HELP.values()) <= ways["disturbed-timer"]
    bound = re.findall(r"\w+", module.BOUND.pattern.partition(")")[0])
    assert ways["disturbed-thread"] == {*bound, "free"}
