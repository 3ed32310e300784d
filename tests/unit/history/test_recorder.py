"""Samples from totals: differences without spikes, gaps that stay gaps, identities that do not
mix.
"""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from irqbal.cpuset import CpuSet
from irqbal.history.recorder import Recorder
from irqbal.history.samples import Series
from irqbal.model.readings import Counts, GrownRow
from irqbal.model.view import Cpu, Irq, Snapshot

WALL = 1_800_000_000.0


def counts(at: float, irqs: dict[int, dict[int, int]], **rest: dict[str, dict[int, int]]) -> Counts:
    cpus = frozenset(cpu for row in irqs.values() for cpu in row)
    return Counts(
        time=at,
        cpus=cpus,
        irqs=irqs,
        rows=rest.get("rows", {}),
        softirqs=rest.get("softirqs", {}),
        softnet=rest.get("softnet", {}),
        times=rest.get("times", {}),
    )


def host(*irqs: Irq) -> Snapshot:
    return Snapshot(cpus=(Cpu(0), Cpu(1)), irqs=irqs)


A = Irq(
    24, "0000:00:03.0/1/eth0-TxRx-0", "eth0-TxRx-0", affinity=CpuSet.of(0), effective=CpuSet.of(0)
)
B = Irq(24, "0000:00:04.0/1/nvme0q1", "nvme0q1", affinity=CpuSet.of(1), effective=CpuSet.of(1))
ON_0, ON_1 = Series("irq", A.identity, 0), Series("irq", A.identity, 1)


def test_the_first_reading_only_begins_an_interval() -> None:
    recorder = Recorder()
    assert recorder.take(counts(10.0, {24: {0: 1000}}), host(A), WALL) is None
    found = recorder.take(counts(70.0, {24: {0: 1500, 1: 0}}), host(A), WALL + 60)
    assert found is not None
    assert (found.wall, found.seconds) == (WALL + 60, 60.0)
    assert found.values == {ON_0: 500}
    assert [(state.identity, state.number, state.affinity) for state in found.states] == [
        (A.identity, 24, "0")
    ]


def test_a_wrap_at_2_to_the_32_counts_on() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 2**32 - 100}}), host(A), WALL)
    found = recorder.take(counts(60.0, {24: {0: 200}}), host(A), WALL)
    assert found is not None and found.values == {ON_0: 300}


def test_a_new_generation_counts_from_nothing_and_never_backwards() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 5_000_000}}), host(A), WALL)
    again = Irq(24, A.identity, A.action, generation=2)
    found = recorder.take(counts(60.0, {24: {0: 70}}), host(again), WALL)
    assert found is not None and found.values == {ON_0: 70}
    # A reset that no generation explains: what is there now is all that is known to have happened.
    found = recorder.take(counts(120.0, {24: {0: 20}}), host(again), WALL)
    assert found is not None and found.values == {ON_0: 20}


def test_a_reused_number_is_another_irq() -> None:
    recorder = Recorder()
    recorder.take(counts(-60.0, {24: {0: 900}}), host(A), WALL)
    recorder.take(counts(0.0, {24: {0: 1000}}), host(A), WALL)
    found = recorder.take(counts(60.0, {24: {1: 30}}), host(B), WALL)
    assert found is not None and found.values == {Series("irq", B.identity, 1): 30}
    assert {(state.identity, state.gone) for state in found.states} == {
        (A.identity, True),
        (B.identity, False),
    }
    found = recorder.take(counts(120.0, {24: {0: 5}}), host(A), WALL)
    assert found is not None and found.values == {ON_0: 5}, (
        "it came back as another life: its old total means nothing"
    )


def test_what_was_attributed_to_a_cpu_that_the_irq_had_left_is_not_counted_again() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 1000, 1: 10}}), host(A), WALL)
    wrong = recorder.take(counts(60.0, {24: {0: 1500, 1: 10}}), host(A), WALL)
    assert wrong is not None and wrong.values == {ON_0: 500}
    # 450 of them, and 40 more since, were really on CPU 1.
    right = recorder.take(counts(120.0, {24: {0: 1050, 1: 500}}), host(A), WALL)
    assert right is not None and right.values == {ON_1: 40}
    later = recorder.take(counts(180.0, {24: {0: 1060, 1: 500}}), host(A), WALL)
    assert later is not None and later.values == {ON_0: 10}


def test_a_cpu_on_which_the_irq_never_was_loses_what_was_attributed_to_it() -> None:
    recorder = Recorder()
    both = {25: {0: 1, 1: 1}}
    recorder.take(counts(0.0, {24: {0: 1000}} | both), host(A), WALL)
    recorder.take(counts(60.0, {24: {0: 1000, 1: 500}} | both), host(A), WALL)
    right = recorder.take(counts(120.0, {24: {0: 1600}} | both), host(A), WALL)
    assert right is not None and right.values == {ON_0: 100}
    later = recorder.take(counts(180.0, {24: {0: 1600, 1: 7}} | both), host(A), WALL)
    assert later is not None and later.values == {ON_1: 7}


def test_an_offline_cpu_is_no_correction() -> None:
    recorder = Recorder()
    both, one = {25: {0: 1, 1: 1}}, {25: {0: 1}}
    recorder.take(counts(0.0, {24: {0: 1000, 1: 50}} | both), host(A), WALL)
    away = recorder.take(counts(60.0, {24: {0: 1200}} | one), host(A), WALL)
    assert away is not None and away.values == {ON_0: 200}


def test_a_cpu_that_was_offline_between_two_samples_gives_neither_a_spike_nor_a_loss() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 1000, 1: 400_000}}), host(A), WALL)
    without = recorder.take(counts(60.0, {24: {0: 1100}}), host(A), WALL)
    assert without is not None and without.values == {ON_0: 100}
    back = recorder.take(counts(120.0, {24: {0: 1200, 1: 400_007}}), host(A), WALL)
    assert back is not None and back.values == {ON_0: 100, ON_1: 7}


def test_the_load_of_an_irq_is_the_time_that_its_interrupts_took() -> None:
    recorder = Recorder()
    seconds = {24: 4e-6, 25: 0.0, 26: 1e-9}
    disk, slow = Irq(25, B.identity, B.action), Irq(26, "0000:00:05.0/1/x", "x")
    here = host(A, disk, slow)
    before = {number: {0: 0, 1: 0} for number in seconds}
    recorder.take(counts(0.0, before), here, WALL, seconds)
    later = counts(60.0, {24: {0: 1_000_000, 1: 7}, 25: {1: 50}, 26: {0: 100}})
    found = recorder.take(later, here, WALL, seconds)
    assert found is not None
    # 4 microseconds each; unknown for the disk, and too little to say for the last one.
    assert {series: value for series, value in found.values.items() if series.kind == "load"} == {
        Series("load", A.identity, 0): 4_000_000,
        Series("load", A.identity, 1): 28,
    }
    # What it takes changes; what was counted before stays as it was.
    seconds[24] = 5e-6
    found = recorder.take(counts(120.0, {24: {0: 1_000_002, 1: 7}}), here, WALL, seconds)
    assert found is not None and found.values == {
        ON_0: 2,
        Series("load", A.identity, 0): 10,
    }


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 900), st.booleans(), st.integers(1, 2)),
        max_size=8,
    )
)
def test_a_row_that_grew_on_one_cpu_is_recorded_as_any_other(
    steps: list[tuple[int, int, bool, int]],
) -> None:
    grown, plain = Recorder(), Recorder()
    row: dict[int, int] = {0: 10, 1: 2**32 - 500}
    for at, (cpu, more, whole, generation) in enumerate(steps):
        here = host(msgspec.structs.replace(A, generation=generation))
        count = (row.get(cpu, 0) + more) % 2**32
        row = {**row, cpu: count} if whole else GrownRow(row, cpu, count)
        taken = [
            recorder.take(counts(60.0 * at, {24: seen}), here, WALL + 60 * at, {24: 1e-6})
            for recorder, seen in ((grown, row), (plain, dict(row)))
        ]
        assert taken[0] == taken[1]
        assert grown.totals_of(A.identity) == plain.totals_of(A.identity)


def test_rows_softirqs_softnet_and_times_are_recorded_by_cpu() -> None:
    recorder = Recorder()
    tables = {
        "rows": {"LOC": {0: 10, 1: 20}, "ERR": {-1: 0}},
        "softirqs": {"NET_RX": {0: 5}},
        "softnet": {"dropped": {1: 2}},
    }
    recorder.take(counts(0.0, {}, **tables, times={"softirq": {0: 1000}}), host(), WALL)
    later = {
        "rows": {"LOC": {0: 15, 1: 20}, "ERR": {-1: 1}},
        "softirqs": {"NET_RX": {0: 9}},
        "softnet": {"dropped": {1: 3}},
    }
    found = recorder.take(counts(60.0, {}, **later, times={"softirq": {0: 31000}}), host(), WALL)
    assert found is not None and found.values == {
        Series("row", "LOC", 0): 5,
        Series("row", "ERR", -1): 1,
        Series("softirq", "NET_RX", 0): 4,
        Series("softnet", "dropped", 1): 1,
        Series("time", "softirq", 0): 30000,
    }


def test_a_clock_step_changes_the_date_not_the_length() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 0}}), host(A), WALL)
    for at, wall in ((60.0, WALL + 3660), (120.0, WALL + 120)):
        found = recorder.take(counts(at, {24: {0: int(at)}}), host(A), wall)
        assert found is not None and (found.seconds, found.values) == (60.0, {ON_0: 60})


def test_states_are_recorded_when_they_change_only() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 0}}), host(A), WALL)
    first = recorder.take(counts(60.0, {24: {0: 1}}), host(A), WALL)
    second = recorder.take(counts(120.0, {24: {0: 2}}), host(A), WALL)
    moved = Irq(24, A.identity, A.action, affinity=CpuSet.of(1), effective=CpuSet.of(0))
    third = recorder.take(counts(180.0, {24: {0: 3}}), host(moved), WALL)
    assert first is not None and second is not None and third is not None
    assert (
        len(first.states) == 1
        and second.states == ()
        and [state.affinity for state in third.states] == ["1"]
    )


def test_a_cell_that_was_nothing_counts_from_nothing_unless_its_cpu_is_new() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 1000, 1: 0}}), host(A), WALL)
    found = recorder.take(counts(60.0, {24: {0: 1000, 1: 30}}), host(A), WALL)
    assert found is not None and found.values == {ON_1: 30}
    found = recorder.take(counts(120.0, {24: {0: 1000, 1: 30, 2: 7}}), host(A), WALL)
    assert found is not None and found.values == {}, (
        "what CPU 2 had counted before it was seen is not of this interval"
    )


def test_cells_of_an_earlier_life_are_forgotten_though_the_new_one_has_none_there() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 1000, 1: 1000}}), host(A), WALL)
    again = Irq(24, A.identity, A.action, generation=2)
    found = recorder.take(counts(60.0, {24: {0: 5, 1: 0}}), host(again), WALL)
    assert found is not None and found.values == {ON_0: 5}
    assert recorder.totals_of(A.identity) == {0: 5, 1: 0}
    found = recorder.take(counts(120.0, {24: {0: 5, 1: 1500}}), host(again), WALL)
    assert found is not None and found.values == {ON_1: 1500}


def test_totals_have_every_column_of_the_last_reading_and_nothing_of_what_is_gone() -> None:
    recorder = Recorder()
    recorder.take(counts(0.0, {24: {0: 10, 1: 0}}), host(A), WALL)
    assert recorder.totals_of(A.identity) == {0: 10, 1: 0}
    assert recorder.totals_of("no such IRQ") == {}
    recorder.take(counts(60.0, {}), host(), WALL)
    assert recorder.totals_of(A.identity) == {}


ROWS = st.lists(
    st.tuples(
        st.booleans(),
        st.integers(1, 3),
        st.dictionaries(st.integers(0, 1), st.sampled_from([0, 5, 900, 2**32 - 1])),
    ),
    max_size=8,
)


@given(ROWS)
def test_a_row_that_is_the_same_object_is_one_that_says_the_same(
    readings: list[tuple[bool, int, dict[int, int]]],
) -> None:
    by_object, by_value = Recorder(), Recorder()
    row: dict[int, int] = {}
    for at, (same, generation, fresh) in enumerate(readings):
        row = row if same else fresh
        irqs = host(Irq(24, A.identity, A.action, generation=generation))
        found = by_object.take(counts(60.0 * at, {24: row}), irqs, WALL)
        assert found == by_value.take(counts(60.0 * at, {24: dict(row)}), irqs, WALL)
        assert by_object.totals_of(A.identity) == by_value.totals_of(A.identity)


def test_a_snapshot_that_is_still_the_last_one_has_no_new_states() -> None:
    recorder, same = Recorder(), host(A)
    found = [recorder.take(counts(60.0 * at, {24: {0: at}}), same, WALL) for at in range(4)]
    assert [None if one is None else len(one.states) for one in found] == [None, 1, 0, 0]
