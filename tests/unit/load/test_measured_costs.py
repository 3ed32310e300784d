"""What the kernel measured becomes costs; and threads that handle interrupts are load."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.kernel.files import OpenFiles
from irqbal.kernel.threads import ThreadTimes
from irqbal.load.estimator import IrqPlace
from irqbal.load.measured_costs import LEAST_RUNS, MeasuredIrq, costs_of
from irqbal.load.thread_load import ThreadLoad
from irqbal.model.plan import imbalance
from irqbal.model.readings import Measured, ThreadTime
from irqbal.model.view import Cpu, Snapshot, Thread
from irqbal.planner.draft import DraftBuilder, Settings
from irqbal.planner.ledger import Ledger
from load_bench import Bench, TrueIrq, near

WINDOW = Measured(
    seconds=1.0,
    handlers={1: 0.05, 2: 0.02, 3: 0.01},
    hits={1: 1000, 2: 1000, 3: 10},
    softirqs={"NET_RX": {0: 0.3, 1: 0.1}, "BLOCK": {0: 0.2}},
)


def test_handlers_are_an_irqs_own_and_softirqs_are_shared_by_kind_and_belief() -> None:
    costs = costs_of(
        WINDOW,
        [
            MeasuredIrq(1, 1, 0, "net", 4.0, 3e-6),
            MeasuredIrq(2, 2, 0, "net", 1.0, 4e-6),
            MeasuredIrq(3, 1, 0, "block", 1.0, 1e-6),
        ],
    )
    assert costs.hard == {1: pytest.approx(5e-5), 2: pytest.approx(4e-5)}, (
        "2 is shared by two handlers; 3 ran too seldom"
    )
    # 1000 interrupts of 4 packets at 3 µs, and 500 interrupts at 4 µs: 12 to 2 of 0.3 s.
    assert costs.soft == {
        1: pytest.approx(0.3 * 12 / 14 / 4000),
        2: pytest.approx(0.3 * 2 / 14 / 500),
    }


@given(
    spent=st.floats(0, 0.9),
    irqs=st.lists(
        st.tuples(st.integers(LEAST_RUNS, 10**6), st.floats(0.01, 100), st.floats(0, 1e-3)),
        min_size=1,
        max_size=8,
    ),
)
def test_what_is_shared_out_is_what_was_spent(
    spent: float, irqs: list[tuple[int, float, float]]
) -> None:
    window = Measured(
        seconds=1.0,
        handlers={},
        hits={at: runs for at, (runs, _, _) in enumerate(irqs)},
        softirqs={"NET_TX": {5: spent}},
    )
    soft = costs_of(
        window,
        [
            MeasuredIrq(at, 1, 5, "net", units, believed)
            for at, (_, units, believed) in enumerate(irqs)
        ],
    ).soft
    shared = sum(soft[at] * runs * units for at, (runs, units, _) in enumerate(irqs))
    assert shared == pytest.approx(
        spent, rel=1e-6, abs=1e-9 * sum(runs * units for runs, units, _ in irqs) * 1.1
    )


def test_where_no_time_is_visible_measured_costs_are_the_load() -> None:
    bench = Bench(
        {1: TrueIrq(1000, 1e-9, "0"), 2: TrueIrq(1000, 1e-9, "1"), 3: TrueIrq(10, 1e-9, "2")},
        visible=False,
    )
    meter = bench.pass_by(5).meter
    assert bench.load(1) == near(bench.load(2)) and not meter.time_visible
    assert (
        meter.set_measured(
            WINDOW, [IrqPlace(1, 1, 0, "net"), IrqPlace(2, 1, 1, "net"), IrqPlace(3, 1, 2, "")]
        )
        == 2
    )
    assert meter.time_visible
    assert bench.load(1) == near(0.35) and bench.load(2) == near(0.12)
    # Intervals in which nothing is seen change nothing of it.
    assert bench.pass_by(20).load(1) == near(0.35)


def test_measured_costs_leave_the_rest_of_the_time_to_others() -> None:
    """Two IRQs of a kind on one CPU: without measuring nobody could tell which is the expensive
    one.
    """
    bench = Bench({1: TrueIrq(1000, 3.5e-4, "0"), 2: TrueIrq(1000, 5e-5, "0", "h")}, cpus=1)
    window = Measured(
        seconds=1.0, handlers={1: 0.0}, hits={1: 1000}, softirqs={"NET_RX": {0: 0.35}}
    )
    bench.pass_by(3)
    bench.meter.set_measured(window, [IrqPlace(1, 1, 0, "net")])
    bench.pass_by(30)
    assert bench.load(1) == near(0.35) and bench.load(2) == near(0.05)
    bench.meter.clear_measured()
    assert bench.pass_by(5).load(1) == near(0.35) and bench.load(2) == near(0.05), (
        "it goes on from there"
    )


def test_a_difference_that_is_noise_moves_nothing_and_a_new_life_is_learnt_anew() -> None:
    bench = Bench({1: TrueIrq(1000, 1e-4, "0")}, cpus=1)
    meter = bench.pass_by(20).meter
    meter.set_measured(
        Measured(seconds=1.0, handlers={1: 0.1}, hits={1: 1000}, softirqs={}),
        [IrqPlace(1, 1, 0, "")],
    )
    before = bench.load(1)
    meter.set_measured(
        Measured(seconds=1.0, handlers={1: 0.11}, hits={1: 1000}, softirqs={}),
        [IrqPlace(1, 1, 0, "")],
    )
    assert bench.load(1) == before
    meter.set_measured(
        Measured(seconds=1.0, handlers={1: 0.2}, hits={1: 1000}, softirqs={}),
        [IrqPlace(1, 1, 0, "")],
    )
    assert bench.load(1) == near(0.2)
    bench.lines[1].generation = 2
    assert bench.pass_by(10).load(1) == near(0.1)


# Threads


def test_an_irqs_thread_is_the_irqs_load_and_threaded_napi_the_cpus() -> None:
    loads = ThreadLoad()
    before: dict[int, ThreadTime] = {}
    for beat in range(30):
        after = {70: ThreadTime(5, 0, beat * 2.0), 71: ThreadTime(None, 3, beat * 4.0)}
        loads.update(before, after, 10.0)
        before = after
    assert loads.of_irq == {5: near(0.2)} and loads.of_cpu == {3: near(0.4)}
    # An IRQ that fires now and then: where its thread was not looked at before, nothing is known,
    # which is not nothing.
    held = dict(loads.of_irq)
    loads.update({}, {70: ThreadTime(5, 0, 60.0)}, 10.0)
    assert loads.of_irq == {5: pytest.approx(held[5])}
    # Its successor begins at 0, and with it what is known.
    loads.update(before, {71: ThreadTime(None, 3, 0.1)}, 10.0)
    assert all(value > 0 for value in loads.of_cpu.values())
    for _ in range(200):
        loads.update({}, {}, 10.0)
    assert not loads.of_irq and not loads.of_cpu


def test_a_cpu_of_threaded_napi_counts_in_plans_and_in_the_imbalance() -> None:
    snapshot = Snapshot(cpus=(Cpu(0), Cpu(1, threads=0.5)))
    assert imbalance(snapshot) == (1.0, 0.5)
    assert DraftBuilder(snapshot, Ledger(), Settings()).view().load(1) == 0.5


def test_threads_are_read_from_their_stat(tmp_path: Path) -> None:
    def write(pid: int, name: str, ticks: int, cpu: int) -> None:
        folder = tmp_path / f"proc/{pid}"
        folder.mkdir(parents=True, exist_ok=True)
        fields = ["S", "2", *["0"] * 9, str(ticks), "50", *["0"] * 23, str(cpu), "0", "0"]
        (folder / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")

    write(70, "irq/5-a) b", 100, 2)
    write(71, "napi/eth0-8", 250, 3)
    times = ThreadTimes(tmp_path, OpenFiles())
    times.know([Thread(70, "irq/5-a) b", 5), Thread(71, "napi/eth0-8", None, "eth0")])
    assert times.read({5: 1}, {5: 2}) == {70: ThreadTime(5, 2, 1.5), 71: ThreadTime(None, 3, 3.0)}
    assert set(times.read({5: 2}, {5: 2})) == {71}, (
        "an IRQ that did not fire has no thread that ran"
    )
    (tmp_path / "proc/71/stat").write_text("torn")
    assert set(times.read({5: 1}, {5: 2})) == {70}
    times.know([])
    assert times.read({}, {5: 2}) == {}
