"""When another plan is worth what it costs."""

from __future__ import annotations

import pytest

from irqbal.cpuset import CpuSet
from irqbal.load.ewma import SETTLED
from irqbal.load.replan_trigger import (
    CHANGED_SHARE,
    CPU_FLOOR,
    FALLEN_WAIT,
    LEAST,
    LONGEST_WAIT,
    OVERHAUL,
    RISE,
    SHIFTED_FLOOR,
    WAIT,
    BusiestCpu,
    ReplanTrigger,
)

COSTS = [1e-5, 1e-5, 2e-5, 1e-5]
RATES = [20_000.0, 10_000.0, 5_000.0, 10_000.0]
"""0.2, 0.1, 0.1 and 0.1 of a CPU."""
PLACES = [CpuSet.of(0), CpuSet.of(1), CpuSet.of(1), CpuSet.of(2)]
"""The busiest CPUs have 0.2 each, and so has the hottest IRQ: no placement is better."""
TIMES = {0: (0.1, 0.1), 1: (0.1, 0.1), 2: (0.1, 0.0), 3: (0.0, 0.0)}


class TriggeredHost:
    """A trigger, and the rates, places and times that it is given in each interval."""

    def __init__(self, moved: bool = True) -> None:
        """A plan was made once enough was known, and has moves, or none."""
        self.trigger = ReplanTrigger()
        self.rates, self.places, self.times = list(RATES), list(PLACES), dict(TIMES)
        for _ in range(SETTLED):
            self.trigger.update(self.times, 10.0)
        self.plan(moved)

    def plan(self, moved: bool) -> None:
        self.trigger.plan_started(self.rates, COSTS)
        self.trigger.plan_finished(moved, self.trigger.busiest(self.rates, self.places))

    def reason(self) -> str:
        return self.trigger.reason(self.rates, self.places)

    def pass_by(self, intervals: int = 1) -> str:
        """The reason in the last of so many intervals."""
        found = ""
        for _ in range(intervals):
            self.trigger.update(self.times, 10.0)
            found = self.reason()
        return found


def test_nothing_new_asks_for_nothing() -> None:
    host = TriggeredHost()
    assert not host.reason() and not host.pass_by(3)


def test_before_the_first_plan_one_is_due() -> None:
    assert ReplanTrigger().reason(RATES, PLACES)


def test_another_number_of_irqs_asks_for_a_plan() -> None:
    host = TriggeredHost()
    assert host.trigger.reason(RATES[1:], PLACES[1:])


@pytest.mark.parametrize(("factor", "wanted"), [(0.9, False), (1.2, True)])
def test_a_busiest_cpu_that_rose_over_the_bound_asks_for_a_plan(
    factor: float, wanted: bool
) -> None:
    host = TriggeredHost()
    assert not host.pass_by()
    host.rates[1] += RISE * factor * 0.2 / COSTS[1]
    assert bool(host.pass_by()) is wanted


def test_a_hottest_irq_that_rises_alone_raises_the_bound_and_asks_for_nothing() -> None:
    host = TriggeredHost()
    assert not host.pass_by()
    host.rates[0] *= 1.3
    assert not host.pass_by()


def test_what_nobody_notices_asks_for_nothing() -> None:
    host = TriggeredHost()
    host.rates = [rate * LEAST / 2 for rate in RATES]
    host.times = dict.fromkeys(TIMES, (0.0, 0.0))
    host.plan(True)
    assert not host.pass_by(40)
    host.rates[1] *= 2
    assert not host.pass_by()


def test_a_cpu_whose_own_time_rose_counts_as_busiest() -> None:
    """A packet may cost more than before at the same rate; only the CPU's time shows it."""
    host = TriggeredHost()
    assert not host.pass_by()
    host.times[1] = (0.2, 0.2)
    assert host.pass_by(30)


def _busier(host: TriggeredHost) -> None:
    """A level that asks for a plan; no other load may make up for it."""
    host.rates[1] += 0.05 / COSTS[1]
    host.rates[3] -= 0.04 / COSTS[3]


def test_after_a_plan_without_moves_the_next_waits_longer_each_time() -> None:
    host = TriggeredHost()
    assert not host.pass_by()
    _busier(host)
    assert host.pass_by()
    waited = []
    for _ in range(8):
        host.plan(False)
        intervals = 1
        while not host.pass_by():
            intervals += 1
            assert intervals < 400
        waited.append(intervals)
    assert waited == [WAIT * 2**at for at in range(6)][:5] + [LONGEST_WAIT] * 3


def test_a_level_that_fell_back_and_rises_again_need_not_wait_long() -> None:
    host = TriggeredHost()
    assert not host.pass_by()
    level = list(host.rates)
    _busier(host)
    busy = list(host.rates)
    for _ in range(6):
        host.plan(False)
    host.rates = level
    assert not host.pass_by(FALLEN_WAIT - 2)
    host.rates = busy
    assert not host.pass_by()
    assert host.pass_by()


def test_a_further_rise_ends_the_wait() -> None:
    host = TriggeredHost(moved=False)
    assert not host.pass_by()
    host.rates[1] += 2 * RISE * 0.2 / COSTS[1]
    assert host.pass_by()


def test_a_plan_that_moved_something_ends_the_wait() -> None:
    host = TriggeredHost(moved=False)
    host.plan(False)
    host.plan(True)
    assert not host.pass_by()
    host.rates[1] += 2 * RISE * 0.2 / COSTS[1]
    assert host.pass_by()


def test_load_that_went_elsewhere_altogether_asks_for_a_plan_whatever_the_busiest_has() -> None:
    host = TriggeredHost()
    assert not host.pass_by()
    shifted = (OVERHAUL * 0.5 + SHIFTED_FLOOR) * 1.1
    host.rates = [rate + shifted / 4 / cost for rate, cost in zip(RATES, COSTS, strict=True)]
    host.places = [CpuSet.of(cpu) for cpu in range(4)]
    assert "shifted between IRQs" in host.pass_by()


def test_what_has_several_cpus_or_none_is_nobodys_load() -> None:
    host = TriggeredHost()
    host.places[0], host.places[3] = CpuSet(), CpuSet.of(1, 2)
    host.times = {}
    host.trigger.update(host.times, 10.0)
    found = host.trigger.busiest(host.rates, host.places)
    assert found.load == pytest.approx(0.2), "CPU 1 alone"


def test_a_host_without_load_is_level() -> None:
    assert BusiestCpu(0.0, 0.0, 0.0).level == 1.0


def test_forgotten_costs_ask_for_a_plan() -> None:
    host = TriggeredHost()
    host.trigger.forget_plan()
    assert host.reason()


@pytest.mark.parametrize(("factor", "wanted"), [(0.9, False), (1.1, True)])
def test_an_observation_ends_when_the_load_is_another(factor: float, wanted: bool) -> None:
    host = TriggeredHost()
    host.trigger.observation_started()
    assert not host.trigger.is_another_load(host.rates), "it begins"
    went = (CHANGED_SHARE * 0.5 + SHIFTED_FLOOR) * factor / 2
    host.rates[0] -= went / COSTS[0]
    host.rates[2] += went / COSTS[2]
    assert host.trigger.is_another_load(host.rates) is wanted


def test_a_cpu_s_time_that_is_another_ends_an_observation() -> None:
    host = TriggeredHost()
    host.trigger.observation_started()
    assert not host.trigger.is_another_load(host.rates)
    host.times[3] = (CPU_FLOOR / 2, 0.0)
    host.trigger.update(host.times, 10.0)
    assert not host.trigger.is_another_load(host.rates)
    for _ in range(60):
        host.trigger.update({**host.times, 1: (0.2, 0.2)}, 10.0)
    assert host.trigger.is_another_load(host.rates)
