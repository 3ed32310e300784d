"""What a cycle logs: what is new, and not more than somebody reads."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from msgspec.structs import replace

from builders import cpus, host, lone, s
from irqbal.history.decisions import DecisionMaker
from irqbal.model.plan import Move, Outcome, Plan, Record, Refusal
from irqbal.service.cycle_log import MOST_LINES, CycleLog
from irqbal.service.cycle_result import CycleResult

HOST = host(cpus(4), lone("a", "b"))


def result(plan: Plan, cycle: int = 1, **fields: Any) -> CycleResult:
    record = replace(Record(cycle, 1.8e9 + cycle, 0.0, "tick", False, plan), **fields)
    return CycleResult(
        record=record,
        planned_on=HOST,
        after=HOST,
        fresh=True,
        totals={},
        trigger="",
        overrides=(),
        paused=False,
    )


def move(reason: str) -> Move:
    irq = HOST.irqs[0]
    return Move(irq.number, irq.identity, 1, irq.affinity, s("2"), "p", reason)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG]
    caplog.clear()
    return lines


@pytest.mark.parametrize(
    ("dry_run", "outcome", "says"),
    [(True, "", "would move IRQ"), (False, "refused", "not moved: IRQ")],
)
def test_what_is_not_done_is_logged_when_it_changes_whatever_the_load(
    caplog: pytest.LogCaptureFixture, dry_run: bool, outcome: str, says: str
) -> None:
    """A dry run, or a /proc/irq that is read-only."""
    log = CycleLog()
    with caplog.at_level(logging.INFO):
        for cycle in range(1, 6):
            one = move(f"{cycle}1.25 % of a CPU, on CPU 2")
            outcomes = (Outcome(one.identity, "refused", one.irq, detail="read-only"),)
            fields: dict[str, Any] = {"dry_run": dry_run, "outcomes": outcomes if outcome else ()}
            log.log(result(Plan(moves=(one,)), cycle, **fields))
        lines = logged(caplog)
        assert len(lines) == 1 and says in lines[0] and "11.25 % of a CPU" in lines[0]
        elsewhere = replace(move("x"), after=s("3"))
        log.log(result(Plan(moves=(elsewhere,)), 6, dry_run=True))
        assert len(logged(caplog)) == 1


def test_a_cycle_logs_a_bounded_number_of_lines_and_says_where_the_rest_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = tuple(Refusal(number, "p", "unmovable", f"IRQ {number}") for number in range(900))
    with caplog.at_level(logging.INFO):
        CycleLog().log(result(Plan(refused=refused)))
    lines = logged(caplog)
    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == f"and {900 - MOST_LINES} lines more (irqbal decisions)"


def test_many_refusals_take_time_in_proportion_to_their_number() -> None:
    """Not to its square: 40,000 take some ten times as long as 4,000."""

    def seconds(count: int) -> float:
        refused = tuple(Refusal(n, "p", "unmovable", f"IRQ {n}") for n in range(count))
        one, log, maker = result(Plan(refused=refused)), CycleLog(), DecisionMaker("boot")
        begin = time.process_time()
        log.log(one)
        assert len(maker.of(one.record, HOST)) == count
        return time.process_time() - begin

    few = min(seconds(4_000) for _ in range(3))
    assert seconds(40_000) < 100 * few
