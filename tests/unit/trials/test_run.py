"""The order of a trial, its windows, its guard, and what is concluded."""

from __future__ import annotations

import asyncio
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Kept, Move, Plan, SteeringMove
from irqbal.model.readings import DEFAULT, Counts, Original, Scheduling
from irqbal.model.view import Cpu, Interface, Irq, Snapshot, TxQueue
from irqbal.render.trial_texts import summary
from irqbal.trials.layout import (
    differing,
    present_layout,
    with_originals,
    with_plan,
    writes_of,
)
from irqbal.trials.measures import TrialReading, log_ratio, measured
from irqbal.trials.record import Side, TrialPlan, TrialWindow
from irqbal.trials.result import conclude
from irqbal.trials.run import GUARD_EVERY, MOST_GUARDED, TrialEnded, TrialRun


class PlayedTrial:
    """Sides whose CPUs are as busy as the test says; see TrialSides."""

    def __init__(self, busy: dict[Side, float], drops: dict[Side, float] | None = None) -> None:
        self._busy, self._drops = busy, drops or {"a": 0.0, "b": 0.0}
        self.now = self.dropped = 0.0
        self.spent = {0: 0.0, 1: 0.0}
        self.side: Side = "a"
        self.puts: list[Side] = []
        self.numbers: dict[int, float] = {}

    async def put(self, side: Side) -> None:
        self.side = side
        self.puts.append(side)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.spent[0] += seconds * self._busy[self.side]
        self.spent[1] += seconds * 0.1
        self.dropped += seconds * self._drops[self.side]

    async def read(self, whole: bool = True) -> TrialReading:
        counts = Counts(
            time=self.now,
            cpus=frozenset({0, 1}),
            irqs={},
            rows={"RES": {0: int(7 * self.now), 1: 0}} if whole else {},
            softirqs={},
            softnet={
                "processed": {0: int(1000 * self.now)},
                "dropped": {0: int(self.dropped)},
                "time_squeeze": {0: 0},
            },
            times={"softirq": {cpu: round(1e6 * spent) for cpu, spent in self.spent.items()}},
        )
        scheduling = Scheduling(switches=50 * self.now, stalled=self.now / 4)
        return TrialReading(counts, scheduling)

    async def number(self, window: int) -> float | None:
        return self.numbers.get(window)


def run(sides: PlayedTrial, **options: object) -> TrialRun:
    plan = TrialPlan(**{"window": 20.0, "windows": 16, "settle": 2.0, **options})  # type: ignore[arg-type]
    made = TrialRun(plan, sides, lambda progress: None, sides.sleep)
    asyncio.run(made.run())
    return made


@given(st.integers(1, 60), st.integers(0, 1 << 32))
def test_each_pair_has_both_sides_next_to_each_other(pairs: int, seed: int) -> None:
    order = TrialPlan(windows=2 * pairs, seed=seed).order()
    assert [pair for pair, _ in order] == [pair for pair in range(pairs) for _ in "ab"]
    assert Counter(side for _, side in order) == {"a": pairs, "b": pairs}


def test_the_order_is_drawn() -> None:
    firsts = Counter(TrialPlan(windows=2, seed=seed).order()[0][1] for seed in range(400))
    # Half of them; five standard deviations are 50.
    assert 150 <= firsts["a"] <= 250


def test_a_window_measures_what_the_kernel_counts_after_the_settling_time() -> None:
    made = run(PlayedTrial({"a": 0.5, "b": 0.4}))
    assert len(made.windows) == 16 and not made.guarded
    for window in made.windows:
        assert window.seconds == pytest.approx(20)
        busiest = 0.5 if window.side == "a" else 0.4
        assert window.values == pytest.approx(
            {
                "busiest": busiest,
                "mean": (busiest + 0.1) / 2,
                "per-packet": (busiest + 0.1) / 1000,
                "squeezes": 0.0,
                "drops": 0.0,
                "rescheduling": 7.0,
                "switches": 50.0,
                "stalled": 0.25,
            },
            rel=0.03,
        )


def test_the_verdict_is_of_the_busiest_cpu_and_the_others_are_corrected() -> None:
    made = run(PlayedTrial({"a": 0.5, "b": 0.4}), windows=16)
    result = conclude(made.windows, "busiest")
    assert result.verdict == "better" and result.pairs == 8
    first = result.compared[0]
    assert first.measure == "busiest" and first.effect == pytest.approx(-0.2, abs=0.002)
    assert first.chance == 2 / 256
    beside = {item.measure: item for item in result.compared[1:]}
    # Seven measures besides: 2/256 counts seven times.
    assert beside["mean"].chance == pytest.approx(7 * 2 / 256) and not beside["mean"].differs
    assert conclude(made.windows, "busiest", more_is_better=True).verdict == "worse"
    assert "20% lower" in summary(result, "old", "new")


def test_a_users_number_is_what_the_verdict_is_about() -> None:
    sides = PlayedTrial({"a": 0.5, "b": 0.5})
    plan = TrialPlan(windows=16, seed=3)
    sides.numbers = {
        at: 1000.0 + at % 3 + (80 if side == "b" else 0)
        for at, (_, side) in enumerate(plan.order())
        if at != 5
    }
    made = run(sides, command=True, seed=3)
    result = conclude(made.windows, "command", more_is_better=True)
    # The window without a number leaves its pair out.
    assert (result.verdict, result.pairs) == ("better", 7)
    assert result.compared[0].measure == "command"


def test_sides_that_are_alike_say_what_could_have_been_seen() -> None:
    windows = [
        TrialWindow(
            pair=at // 2,
            side="a" if at % 2 else "b",
            seconds=60,
            values={"busiest": 0.5 * math.exp(0.1 * math.sin(at * at))},
        )
        for at in range(40)
    ]
    result = conclude(windows, "busiest")
    assert result.verdict == "no-difference"
    assert result.visible is not None and 0.02 < result.visible < 0.3
    assert result.needed["0.05"] > result.needed["0.1"] > result.needed["0.2"] >= 14
    text = summary(result, "a", "b")
    assert "40 windows could show" in text and "would have been found" in text


def test_few_windows_have_no_verdict() -> None:
    made = run(PlayedTrial({"a": 0.9, "b": 0.1}), windows=4)
    result = conclude(made.windows, "busiest")
    assert result.verdict == "too-few" and result.compared[0].low is None
    assert "14 are needed" in summary(result, "a", "b")


def test_a_side_that_is_far_worse_is_ended_within_its_window_and_then_for_good() -> None:
    made = run(PlayedTrial({"a": 0.3, "b": 0.95}), windows=40)
    ended = [window for window in made.windows if window.guarded]
    assert len(ended) == MOST_GUARDED and {window.side for window in ended} == {"b"}
    assert all(window.seconds == pytest.approx(GUARD_EVERY) for window in ended)
    assert "95%" in made.guarded
    assert conclude(made.windows, "busiest", guarded=made.guarded).verdict == "guarded"


def test_packets_that_only_one_side_drops_end_its_windows() -> None:
    made = run(PlayedTrial({"a": 0.3, "b": 0.3}, {"a": 2.0, "b": 500.0}), windows=40)
    assert "500 packets a second" in made.guarded


def test_a_busy_host_whose_sides_are_alike_is_not_guarded() -> None:
    assert not run(PlayedTrial({"a": 0.99, "b": 0.98})).guarded


def test_a_side_that_cannot_be_written_ends_the_trial() -> None:
    class Refusing(PlayedTrial):
        async def put(self, side: Side) -> None:
            if len(self.puts) == 3:
                raise TrialEnded("side B could not be written: EBUSY")
            await super().put(side)

    sides = Refusing({"a": 0.5, "b": 0.4})
    plan = TrialPlan(windows=16)
    made = TrialRun(plan, sides, lambda progress: None, sides.sleep)
    with pytest.raises(TrialEnded, match="EBUSY"):
        asyncio.run(made.run())
    result = conclude(made.windows, "busiest", ended="EBUSY")
    assert result.verdict == "ended" and len(made.windows) == 3


def test_counters_of_32_bits_wrap_within_a_window() -> None:
    def reading(at: float, dropped: int) -> TrialReading:
        counts = Counts(
            time=at,
            cpus=frozenset({0}),
            irqs={},
            rows={},
            softirqs={},
            softnet={"processed": {0: 0}, "dropped": {0: dropped}},
            times={},
        )
        return TrialReading(counts, Scheduling())

    assert measured(reading(0, 2**32 - 50), reading(10, 50)) == {"squeezes": 0.0, "drops": 10.0}
    assert measured(reading(10, 5), reading(10, 5)) == {}


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_ratio_turned_around_has_the_other_sign(a: float, b: float) -> None:
    assert log_ratio("busiest", a, b) == pytest.approx(-log_ratio("busiest", b, a))


@pytest.mark.parametrize(("low", "ratio"), [(5.0, True), (0.0, False), (-3.0, False)])
def test_a_users_number_is_a_ratio_only_where_it_has_a_logarithm(low: float, ratio: bool) -> None:
    windows = [
        TrialWindow(pair=at // 2, side="b" if at % 2 else "a", seconds=1, values={"command": value})
        for at, value in enumerate([low, 9.0] * 8)
    ]
    (found,) = conclude(windows, "command").compared
    assert found.ratio == ratio and found.effect == pytest.approx(
        9.0 / low - 1 if ratio else 9.0 - low
    )


# Layouts

IRQS = (
    Irq(24, "nic/0", "eth0-0", affinity=CpuSet.of(1)),
    Irq(25, "nic/1", "eth0-1", affinity=CpuSet.of(2)),
    Irq(26, "disk", "nvme0q1", unmovable="managed", affinity=CpuSet.of(3)),
)
HOST = Snapshot(
    cpus=(Cpu(0), Cpu(1), Cpu(2), Cpu(3)),
    irqs=IRQS,
    interfaces=(Interface("eth0", tx=(TxQueue(CpuSet.of(1)), TxQueue(None))),),
    default_affinity=CpuSet.parse("0-3"),
)


def test_a_layout_is_all_that_may_be_written() -> None:
    assert present_layout(HOST) == {
        "nic/0": "1",
        "nic/1": "2",
        "xps:eth0/0": "1",
        DEFAULT: "0-3",
    }


def test_originals_and_plans_change_what_they_are_about() -> None:
    here = present_layout(HOST)
    originals = {
        "nic/0": Original("nic/0", 24, "0-3"),
        "nic/1": Original("nic/1", 25, "0-3"),
        "gone": Original("gone", 99, "0"),
        "xps:eth0/0": Original("xps:eth0/0", None, ""),
    }
    before = with_originals(here, originals)
    assert before == {**here, "nic/0": "0-3", "nic/1": "0-3", "xps:eth0/0": ""}
    plan = Plan(
        moves=(Move(24, "nic/0", 1, CpuSet.of(1), CpuSet.of(3), "p", "why"),),
        steering=(SteeringMove("eth0", "xps", 0, "1", "2", "p", "why"),),
        kept=(Kept(25, "p", CpuSet.of(2), "right"),),
    )
    planned = with_plan(before, plan, HOST)
    assert planned == {**here, "nic/0": "3", "xps:eth0/0": "2"}
    assert set(differing((before, planned))) == {"nic/0", "nic/1", "xps:eth0/0"}


def test_writes_have_present_numbers_and_the_default_mask_last() -> None:
    layout = {DEFAULT: "0", "nic/0": "1", "xps:eth0/0": "2", "nic/1": "3"}
    writes = writes_of(layout, layout, {"nic/0": 77})
    assert [(original.identity, number) for original, number in writes] == [
        ("nic/0", 77),
        ("xps:eth0/0", None),
        (DEFAULT, None),
    ]
