"""Two readings become rates, and the CPUs' time becomes each IRQ's load."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.cpuset import CpuSet
from irqbal.load.estimator import NOMINAL_COST, Interval, LoadEstimator
from irqbal.load.irq_rates import WRAP, was_reset
from irqbal.model.readings import CpuTime, Pulse
from load_bench import Bench, TrueIrq, near

# Counters


@pytest.mark.parametrize(
    ("before", "after", "seconds", "reset"),
    [
        (5, 5, 10, False),
        (5, 6, 10, False),
        (WRAP - 10, 5, 10, False),
        (WRAP - 1000, 100_000, 1, False),
        (1_000_000, 0, 10, True),
        (1_000_000, 999_999, 10, True),
        (WRAP - 1, WRAP - 2, 10, True),
        (3, 2, 0, True),
        (WRAP - 10, 5, 0, False),
    ],
)
def test_wrap_is_told_from_reset(before: int, after: int, seconds: float, reset: bool) -> None:
    assert was_reset(before, after, seconds) is reset


def test_rate_goes_on_over_the_wrap() -> None:
    bench = Bench({1: TrueIrq(1000, 0, "0")})
    bench.lines[1].total = WRAP - 15_000
    bench.pass_by(1)
    bench = Bench({1: TrueIrq(1000, 0, "0")})
    bench.lines[1].total = WRAP - 15_000
    bench._pulse = bench._reading()
    bench.pass_by(3)
    assert bench.lines[1].total > WRAP
    assert bench.meter.rate(1) == near(1000, 0.001)


def test_reset_is_no_interval() -> None:
    bench = Bench({1: TrueIrq(1000, 0, "0")}).pass_by(5)
    bench.lines[1].total = 0
    bench.pass_by(1)
    assert bench.meter.rate(1) == near(1000, 0.001)


def test_new_generation_begins_anew() -> None:
    bench = Bench({1: TrueIrq(1000, 0, "0")}).pass_by(5)
    bench.lines[1].generation = 2
    bench.lines[1].rate = 10
    bench.pass_by(1)
    assert bench.meter.rate(1) == near(10, 0.01)


def test_irq_that_went_away_is_forgotten() -> None:
    bench = Bench({1: TrueIrq(1000, 1e-5, "0"), 2: TrueIrq(10, 0, "1")}).pass_by(5)
    del bench.lines[1]
    bench.pass_by(2)
    assert bench.meter.rate(1) == 0.0
    assert bench.meter.load(1) == (0.0, 0.0)


def test_clock_that_stands_still_is_no_interval() -> None:
    bench = Bench({1: TrueIrq(1000, 0, "0")}).pass_by(3)
    pulse = bench._reading()
    bench.meter.update(Interval(before=pulse, after=pulse, start={}, keys=bench.keys()))
    assert bench.meter.rate(1) == near(1000, 0.001)


def test_readings_at_nearly_the_same_moment_are_no_interval() -> None:
    bench = Bench({1: TrueIrq(1000, 1e-5, "0")}).pass_by(3)
    bench.lines[1].rate = 1e7
    bench.pass_by(1, seconds=1e-5)
    assert bench.meter.rate(1) == near(1000, 0.001)


# Smoothing


def test_noise_of_ten_per_cent_is_smoothed() -> None:
    bench = Bench({1: TrueIrq(1000, 1e-5, "0")}, noise=0.1).pass_by(60)
    assert bench.meter.rate(1) == near(1000, 0.05)
    load, noise = bench.meter.load(1)
    assert 0 < noise < 0.05 * load


def test_steady_rate_has_no_noise() -> None:
    assert Bench({1: TrueIrq(1000, 1e-5, "0")}).pass_by(30).meter.load(1)[1] == pytest.approx(
        0, abs=1e-9
    )


@pytest.mark.parametrize(("before", "after"), [(1000, 5000), (5000, 1000), (1000, 0), (0, 1000)])
def test_change_of_level_is_followed_within_two_readings(before: float, after: float) -> None:
    bench = Bench({1: TrueIrq(before, 0, "0")}, noise=0.05).pass_by(20)
    bench.lines[1].rate = after
    bench.pass_by(2)
    assert bench.meter.rate(1) == pytest.approx(after, rel=0.1, abs=1)


def test_single_burst_is_not_followed() -> None:
    bench = Bench({1: TrueIrq(1000, 0, "0")}, noise=0.05).pass_by(20)
    bench.lines[1].rate = 50_000
    bench.pass_by(1)
    bench.lines[1].rate = 1000
    bench.pass_by(1)
    assert bench.meter.rate(1) == near(1000, 0.1)


# Time


def test_time_that_is_invisible_makes_all_interrupts_cost_the_same() -> None:
    bench = Bench(
        {1: TrueIrq(1000, 1e-5, "0"), 2: TrueIrq(3000, 1e-4, "1")}, visible=False
    ).pass_by(20)
    assert not bench.meter.time_visible
    assert bench.load(1) == near(1000 * NOMINAL_COST, 0.001)
    assert bench.load(2) == near(3 * bench.load(1), 0.001)


def test_one_irq_a_cpu_costs_what_its_cpu_spent() -> None:
    bench = Bench({1: TrueIrq(1000, 2e-5, "0"), 2: TrueIrq(1000, 2e-4, "1")}).pass_by(20)
    assert bench.meter.time_visible
    assert bench.load(1) == near(bench.true(1))
    assert bench.load(2) == near(bench.true(2))
    assert bench.meter.cpu_times[1][1] == near(0.2, 0.02)


def test_tenfold_costs_on_one_cpu_are_found_after_placements_change() -> None:
    """At the same rate on the same CPU nothing tells two IRQs apart; one move does, and it is
    remembered.
    """
    bench = Bench({1: TrueIrq(1000, 2e-5, "0"), 2: TrueIrq(1000, 2e-4, "0")}).pass_by(10)
    assert bench.load(1) == near(bench.load(2), 0.3)
    assert bench.load(1) + bench.load(2) == near(0.22)
    bench.lines[2].cpus = "1"
    bench.pass_by(10, moved=(2,))
    assert bench.load(1) == near(bench.true(1), 0.25)
    assert bench.load(2) == near(bench.true(2))
    bench.lines[2].cpus = "0"
    bench.pass_by(5, moved=(2,))
    assert bench.load(2) > 6 * bench.load(1)


def test_a_cost_far_above_its_groups_is_found_in_short_intervals_too() -> None:
    """Each observation of that CPU is a surprise until the cost is known, and drops the one before:
    what is known must not wait for a long one.
    """
    lines = {number: TrueIrq(1000, 6e-5, str(number)) for number in range(8)}
    lines[0].cost = 9e-4
    bench = Bench(lines, cpus=8)
    for _ in range(20):
        bench.pass_by(1, seconds=1.0)
        bench.meter.plan_started()
    assert bench.load(0) == near(bench.true(0), 0.05)
    assert bench.load(1) == near(bench.true(1), 0.1)


def test_irqs_that_stay_keep_their_place_when_another_moves() -> None:
    """The CPU's time before and during the move belongs to those that were there then."""
    bench = Bench(
        {
            1: TrueIrq(1000, 1e-4, "0", "a"),
            2: TrueIrq(1000, 2e-5, "1", "b"),
            3: TrueIrq(200, 2e-5, "2", "c"),
        }
    ).pass_by(3)
    for cpu in ("2", "1", "2", "1", "2"):
        bench.pass_by(5)
        bench.lines[2].cpus = cpu
        bench.pass_by(1, moved=(2,))
    for number in bench.lines:
        assert bench.load(number) == near(bench.true(number), 0.1)


def test_packets_that_cannot_be_read_for_a_while_teach_no_other_cost() -> None:
    """Without them the CPU's time would be the other IRQs', or the packets' before and after."""
    bench = Bench(
        {
            1: TrueIrq(1000, 1e-4, "0", "nic", packets=10),
            2: TrueIrq(1000, 2e-5, "0", "disk"),
            3: TrueIrq(1000, 2e-5, "1", "disk"),
            4: TrueIrq(1000, 1e-4, "2", "nic", packets=10),
        }
    ).pass_by(20)
    before = [bench.load(number) for number in bench.lines]
    assert before[0] == near(bench.true(1))
    bench.unreadable = {1}
    bench.pass_by(4)
    bench.unreadable = set()
    bench.pass_by(2)
    assert [bench.load(number) for number in bench.lines] == [near(load, 0.05) for load in before]


def test_cost_that_changes_is_learnt_anew() -> None:
    bench = Bench({1: TrueIrq(1000, 2e-5, "0")}).pass_by(20)
    bench.lines[1].cost = 2e-4
    bench.pass_by(3)
    assert bench.load(1) == near(bench.true(1), 0.3)


def test_irq_of_a_known_kind_starts_with_its_kinds_cost() -> None:
    bench = Bench({1: TrueIrq(1000, 2e-4, "0"), 2: TrueIrq(1000, 2e-4, "1")}).pass_by(20)
    bench.lines[3] = TrueIrq(1000, 2e-4, "2-3")
    bench.pass_by(2)
    assert bench.load(3) == near(0.2, 0.3)


def _clean() -> Bench:
    """IRQs with known costs, each on a CPU of its own."""
    lines = {
        1: TrueIrq(1000, 2e-5, "0"),
        2: TrueIrq(1000, 2e-4, "1", "other"),
        3: TrueIrq(5000, 0, "3", "third"),
    }
    return Bench(lines).pass_by(20)


def test_several_effective_cpus_attribute_nothing() -> None:
    """Whose time it was cannot be told; and the CPUs' other IRQs must not be charged with it."""
    bench = _clean()
    before = bench.load(3)
    bench.lines[3].cpus, bench.lines[3].cost = "0-1", 2e-4
    bench.pass_by(10)
    assert bench.load(1) == near(bench.true(1), 0.2)
    assert bench.load(2) == near(bench.true(2), 0.2)
    assert bench.load(3) == pytest.approx(before, abs=1e-4)


def test_new_irq_attributes_nothing_in_its_first_interval() -> None:
    """How often it fired is not known, so its CPU's time is not the others' either. Found: the
    others were charged with it.
    """
    bench = _clean()
    before = bench.load(1)
    bench.lines[4] = TrueIrq(5000, 1e-4, "0", "fourth")
    bench.pass_by(1)
    assert bench.load(1) == near(before, 0.02)
    bench.pass_by(10)
    assert bench.load(1) + bench.load(4) == near(bench.true(1) + bench.true(4))


def test_reset_irq_attributes_nothing() -> None:
    bench = _clean()
    bench.lines[4] = TrueIrq(5000, 1e-5, "0", "fourth")
    bench.pass_by(10)
    assert bench.load(1) == near(bench.true(1), 0.25)
    bench.lines[4].total, bench.lines[4].rate = 0, 20_000
    bench.pass_by(1)
    assert bench.load(1) == near(bench.true(1), 0.25)


def test_interval_with_a_move_attributes_nothing_to_either_cpu() -> None:
    bench = _clean()
    before = [bench.load(number) for number in (1, 2, 3)]
    # It fired on CPU 3 for most of the interval and is on CPU 0 at its end; both spent half of it
    # on something.
    bench.lines[3].cpus = "0"
    bench.spent[0] += 5.0
    bench.spent[3] += 5.0
    bench.pass_by(1, moved=(3,))
    assert [bench.load(number) for number in (1, 2, 3)] == [
        pytest.approx(load, rel=0.02, abs=1e-4) for load in before
    ]


def test_interval_with_a_hotplug_attributes_nothing() -> None:
    bench = _clean()
    before = bench.load(1), bench.load(2)
    bench.spent[0] += 5.0
    bench.online = CpuSet.parse("0-2")
    bench.pass_by(1)
    assert (bench.load(1), bench.load(2)) == (near(before[0], 0.02), near(before[1], 0.02))
    # The next one is clean again.
    bench.lines[2].cost = 4e-4
    bench.pass_by(5)
    assert bench.load(2) == near(bench.true(2), 0.3)


def test_time_that_no_irq_explains_is_background() -> None:
    """Timers raise softirqs too; they are nobody's load."""
    bench = Bench({1: TrueIrq(1000, 2e-5, "0"), 2: TrueIrq(0, 0, "1")})
    for _ in range(40):
        for cpu in range(4):
            bench.spent[cpu] += 0.1
        bench.pass_by(1)
    assert bench.load(2) == 0.0
    assert bench.load(1) < 2 * bench.true(1)


counts = st.integers(0, WRAP - 1)
cpu_sets = st.sampled_from(["", "0", "1", "0-1", "2", "9"])


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.integers(0, 4), counts, max_size=5),
            st.dictionaries(st.integers(0, 4), cpu_sets, max_size=5),
            st.lists(st.floats(0, 1e6), min_size=6, max_size=6),
            st.floats(-1, 100),
            st.sampled_from(["0-2", "0-1", "0"]),
            st.integers(1, 2),
        ),
        min_size=2,
        max_size=12,
    )
)
def test_no_reading_gives_nonsense(
    readings: list[tuple[dict[int, int], dict[int, str], list[float], float, str, int]],
) -> None:
    meter, now, before = LoadEstimator(), 0.0, None
    for totals, places, times, seconds, online, generation in readings:
        now += seconds
        cpu_times = {cpu: CpuTime(times[2 * cpu], times[2 * cpu + 1]) for cpu in range(3)}
        effective = {number: CpuSet.parse(text) for number, text in places.items()}
        pulse = Pulse(
            time=now,
            totals=totals,
            cpu_times=cpu_times,
            online=CpuSet.parse(online),
            effective=effective,
        )
        if before is not None:
            keys = {number: (f"{number}#{generation}", "g") for number in totals}
            meter.update(Interval(before=before, after=pulse, start=before.effective, keys=keys))
        before = pulse
        for number in range(5):
            for value in (meter.rate(number), *meter.load(number)):
                assert math.isfinite(value)
                assert value >= 0
