"""When another plan is worth what it costs."""

from __future__ import annotations

import re

import pytest

from irqbal.load.ewma import SETTLED
from irqbal.load.replan_trigger import CPU_FLOOR, MOVED_FLOOR, MOVED_SHARE, PATIENCE, ReplanTrigger

COSTS = [1e-5, 1e-5, 2e-5]
RATES = [20_000.0, 10_000.0, 5_000.0]
"""0.2, 0.1 and 0.1 of a CPU."""
TIMES = {0: (0.1, 0.1), 1: (0.05, 0.05), 2: (0.1, 0.0), 3: (0.0, 0.0)}
WORTH = MOVED_SHARE * 0.4 + MOVED_FLOOR
"""Of a CPU: what must shift for another plan."""


def rested(anything: bool = True) -> ReplanTrigger:
    """Long enough the same, and a plan made of it that found something, or nothing."""
    made = ReplanTrigger()
    for _ in range(SETTLED):
        made.update(TIMES, 10.0)
    made.plan_started(RATES, COSTS)
    made.plan_finished(anything)
    return made


def test_nothing_new_asks_for_nothing() -> None:
    made = rested()
    assert not made.reason(RATES)
    made.update(TIMES, 10.0)
    assert not made.reason(RATES)


def test_before_the_first_plan_and_before_enough_was_seen_a_plan_is_wanted() -> None:
    made = ReplanTrigger()
    assert made.reason(RATES)
    made.update(TIMES, 10.0)
    made.plan_started(RATES, COSTS)
    assert made.reason(RATES), "nothing is known of any CPU yet"


@pytest.mark.parametrize("fruitless", [False, True])
def test_load_that_went_from_one_irq_to_another_counts_by_its_cost(fruitless: bool) -> None:
    made = rested(not fruitless)
    worth = WORTH * (PATIENCE if fruitless else 1)
    for share, wanted in ((0.9, False), (1.1, True)):
        # Half of it left the first, half came to the third, whose interrupts cost twice as much.
        went = worth * share / 2
        assert (
            bool(made.reason([RATES[0] - went / COSTS[0], RATES[1], RATES[2] + went / COSTS[2]]))
            is wanted
        )


def test_one_cpu_that_gets_busier_is_enough() -> None:
    made = rested()
    for _ in range(60):
        made.update({**TIMES, 1: (0.08, 0.08)}, 10.0)
    assert made.reason(RATES)


def test_a_cpu_s_time_that_wavers_by_less_than_anybody_notices_is_not() -> None:
    made = rested()
    for _ in range(60):
        made.update({**TIMES, 3: (CPU_FLOOR / 2, 0.0)}, 10.0)
    assert not made.reason(RATES)


@pytest.mark.parametrize(("spent", "wanted"), [(0.2, True), (CPU_FLOOR / 2, False)])
def test_where_something_moved_a_plan_is_wanted_once_enough_was_seen_if_there_is_anything_to_see(
    spent: float, wanted: bool
) -> None:
    made = rested()
    made.moved([1])
    made.plan_started(RATES, COSTS)
    times = {**TIMES, 1: (spent, 0.0)}
    for _ in range(SETTLED - 1):
        made.update(times, 10.0)
        assert not made.reason(RATES)
    made.update(times, 10.0)
    assert bool(made.reason(RATES)) is wanted


def test_the_reason_names_what_changed() -> None:
    made = rested()
    for _ in range(60):
        made.update({**TIMES, 1: (0.08, 0.08)}, 10.0)
    assert re.fullmatch(
        r"CPU 1 went from 10\.0% to 1\d\.\d% since the last plan", made.reason(RATES)
    )
    shifted = rested().reason([0.0, RATES[1], RATES[2]])
    assert shifted == "20.0% of a CPU shifted between IRQs since the last plan"


def test_other_irqs_or_costs_that_no_longer_hold_ask_for_a_plan() -> None:
    made = rested()
    assert made.reason(RATES[:2])
    made.forget_plan()
    assert made.reason(RATES)
