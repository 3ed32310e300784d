"""A cycle that finds nothing new rests on the last plan; whatever is new ends the rest. And what
was learnt of costs outlives a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from irqbal.config.reader import parse
from irqbal.cpuset import CpuSet
from irqbal.kernel.host import KernelHost
from irqbal.load.estimator import Interval, LearnedCosts, LoadEstimator
from irqbal.model.plan import Record
from irqbal.model.view import Override, Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.service.assembly import bind, settings
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer, Stored
from irqbal.service.cycle_result import CycleResult
from irqbal.service.kernel_requests import RequestQueue, SetOverride
from irqbal.service.learned_state import LearnedState
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.tree import write_tree
from irqbal.state.costs_file import COSTS, load_costs, save_costs
from irqbal.state.folders import Folders
from irqbal.tracking.census_schedule import CENSUS_SECONDS, ISOLATION_SECONDS
from irqbal.tracking.mask_scan import SWEEP_AT_ONCE, SWEEP_SECONDS
from irqbal.tracking.tracker import LEARNING_CYCLES, HostTracker
from pulses import pulse

FEW = "1x4x2,nic=8x1,traffic=even"
MANY = "2x32x2,nodes=2,nic=63x2,nvme=64x4,traffic=even"
INTERVAL = 10.0


class Run:
    """A balancer with the default policies on a made-up host, an interval at a time."""

    def __init__(self, spec: str) -> None:
        self.host = SimulatedHost(parse_spec(spec), lambda originals: None, INTERVAL)
        config = parse("", "(defaults)")
        policies = bind(config, "(defaults)")
        self.requests = RequestQueue()
        self.balancer = Balancer(
            self.host,
            policies,
            settings(config, COOLDOWN_INTERVALS),
            INTERVAL,
            dry_run=False,
            requests=self.requests,
        )
        self.balancer.first_look()
        self.last: CycleResult

    def cycle(self, cause: str = "tick") -> Record:
        if cause == "tick":
            self.host.advance(INTERVAL)
        self.last = self.balancer.run_cycle(cause)
        return self.last.record

    @property
    def rests(self) -> bool:
        """Whether the last cycle reused the plan: its snapshot is then of a cycle before."""
        return not self.last.fresh

    def until_rest(self) -> Record:
        for _ in range(60):
            record = self.cycle()
            if self.rests:
                return record
        raise AssertionError("never at rest")

    def a_moved_irq(self) -> int:
        return next(
            irq.number for irq in self.last.after.irqs if irq.placed is not None and irq.movable
        )

    def tamper(self, number: int) -> CpuSet:
        """Somebody else puts an IRQ on another CPU. Returns where it was."""
        line = self.host.state.lines[number]
        before = line.mask
        line.mask = line.effective = CpuSet.of((before.first + 1) % 8)
        return before


Running = Callable[[str], Run]


@pytest.fixture
def running() -> Iterator[Running]:
    made: list[Run] = []

    def start(spec: str) -> Run:
        made.append(Run(spec))
        return made[-1]

    yield start
    for run in made:
        run.balancer.policies.close()


def test_a_steady_host_is_planned_for_a_while_and_then_not_at_all(running: Running) -> None:
    run = running(FEW)
    made = [cycle for cycle in range(1, 21) if run.cycle().cycle and not run.rests]
    assert set(LEARNING_CYCLES) <= set(made), "more than these only if a plan can pay"
    assert len(made) <= len(LEARNING_CYCLES) + 3
    first = run.until_rest()
    later, planned = [], 0
    for _ in range(40):
        later.append(run.cycle())
        planned += not run.rests
    assert planned <= 3, "chance"
    assert [record.cycle for record in later] == list(range(first.cycle + 1, first.cycle + 41))
    assert all(record.plan.kept and not record.plan.moves for record in [first, *later])


def test_plans_of_the_learning_cycles_are_made_without_a_budget(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = running(FEW)
    free = []
    ask = run.balancer.policies.plan

    def asked(snapshot: Snapshot, ledger: Ledger, settings: Settings) -> Any:
        free.append((snapshot.cycle, settings.learning))
        return ask(snapshot, ledger, settings)

    monkeypatch.setattr(run.balancer.policies, "plan", asked)
    for _ in range(20):
        run.cycle()
    # The first cycle counts as the first after the start.
    assert {cycle - 1 for cycle, learning in free if learning} == set(LEARNING_CYCLES)


def test_a_census_that_only_its_time_asked_for_ends_the_rest_if_something_is_new(
    running: Running,
) -> None:
    run = running(FEW)
    run.until_rest()

    def until_census() -> bool:
        """Whether that cycle rested."""
        for _ in range(round(CENSUS_SECONDS / INTERVAL) + 1):
            if run.cycle().census:
                return run.rests
        raise AssertionError("no census")

    found = [until_census() for _ in range(3)]
    assert any(found), "chance may have asked for a plan in one of these cycles, not in all"
    # Nothing but a census tells where a device lies.
    run.host.state.lines[run.a_moved_irq()].node += 1
    assert not until_census()


def test_what_is_shown_after_a_rest_has_the_rates_of_now(running: Running) -> None:
    run = running(FEW)
    run.until_rest()
    before = run.last.after
    run.cycle()
    assert run.rests and run.last.after is before
    assert run.balancer.current_snapshot().now > before.now


@pytest.mark.parametrize("spec", [FEW, MANY], ids=["few IRQs", "many IRQs"])
def test_a_mask_that_somebody_else_changes_is_put_back_from_rest(
    running: Running, spec: str
) -> None:
    """Where there are few at once, where there are many within a round of looking at all."""
    run = running(spec)
    run.until_rest()
    number = run.a_moved_irq()
    many = len(run.host.state.lines) > SWEEP_AT_ONCE
    assert many == (spec is MANY)
    before = run.tamper(number)
    for _ in range(round(SWEEP_SECONDS / INTERVAL) + 1 if many else 1):
        record = run.cycle()
        if record.plan.drifted:
            break
    assert record.plan.drifted == (number,)
    assert run.host.state.lines[number].mask == before


def test_a_question_between_two_cycles_does_not_hide_a_change(running: Running) -> None:
    """Who asks why an IRQ is where it is has all masks read; what was found then is still news for
    the next cycle.
    """
    run = running(FEW)
    run.until_rest()
    number = run.a_moved_irq()
    line = run.host.state.lines[number]
    before = line.mask
    # It goes on firing where it did, so that nothing but the mask tells.
    line.mask = before | CpuSet.of((before.first + 1) % 8)
    run.balancer.preview()
    assert run.cycle().plan.drifted == (number,)
    assert line.mask == before


def test_a_request_an_override_and_its_end_are_planned_from_rest(running: Running) -> None:
    run = running(FEW)
    run.until_rest()
    run.cycle("request")
    assert not run.rests
    run.until_rest()
    irq = next(irq for irq in run.last.after.irqs if irq.number == run.a_moved_irq())
    elsewhere = CpuSet.of((irq.affinity.first + 1) % 8)
    run.requests.put(SetOverride(Override(irq.identity, elsewhere, expires=None)))
    run.cycle("override")
    assert run.host.state.lines[irq.number].mask == elsewhere and not run.rests
    run.until_rest()
    assert run.host.state.lines[irq.number].mask == elsewhere
    run.balancer.overrides.put(Override(irq.identity, elsewhere, expires=1.0))
    run.cycle()
    assert not run.rests and [item.identity for item in run.last.expired] == [irq.identity]
    assert run.last.overrides == ()


def test_traffic_that_goes_elsewhere_ends_the_rest(running: Running) -> None:
    run = running("2x8,nodes=2,nic=32x2,traffic=hopping")
    rested = woken = 0
    run.cycle()
    for _ in range(80):
        before = run.rests
        run.cycle()
        rested += run.rests
        woken += before and not run.rests
    assert rested >= 10 and woken >= 2


def test_a_cpu_that_becomes_isolated_is_seen_within_a_minute_without_an_event(
    tmp_path: Path,
) -> None:
    """cgroup partitions come and go unannounced."""
    write_tree(SimulatedHost(parse_spec(FEW)), tmp_path / "tree")
    now = [1000.0]
    watch = HostTracker(KernelHost(tmp_path / "tree", clock=lambda: now[0]), INTERVAL)
    for _ in range(8):
        now[0] += INTERVAL
        sampled = watch.sample()
    assert not watch.snapshot(Ledger(), ()).isolated and not sampled.census
    (tmp_path / "tree/sys/devices/system/cpu/isolated").write_text("5\n")
    seen = []
    for _ in range(round(ISOLATION_SECONDS / INTERVAL)):
        now[0] += INTERVAL
        seen.append(str(watch.look(Ledger()).isolated))
    assert seen[-1] == "5"


# Costs over a restart

COSTLY, CHEAP = 40e-6, 4e-6


def taught() -> LoadEstimator:
    """A meter that has seen a costly and a cheap IRQ of one kind, each on a CPU of its own, and an
    idle CPU beside them.
    """
    meter, keys = LoadEstimator(), {1: ("a/0/a#1", "g"), 2: ("b/0/b#1", "g")}
    start = {1: CpuSet.of(0), 2: CpuSet.of(1)}
    before = pulse(0.0, {1: 0, 2: 0}, {0: 0, 1: 0, 2: 0}, start)
    for at in range(1, 30):
        count = at * 10_000
        spent = {0: count * COSTLY, 1: count * CHEAP, 2: 0.0}
        after = pulse(at * 10.0, {1: count, 2: count}, spent, start)
        meter.update(Interval(before=before, after=after, start=start, keys=keys))
        meter.load(1)
        before = after
    return meter


def test_costs_are_known_again_after_a_restart(tmp_path: Path) -> None:
    meter = taught()
    assert meter.load(1)[0] / meter.load(2)[0] == pytest.approx(COSTLY / CHEAP, rel=0.3)
    save_costs(tmp_path, meter.learned_costs())
    learnt = load_costs(tmp_path)
    assert learnt == meter.learned_costs()
    fresh = LoadEstimator()
    fresh.start_costs(learnt)
    # Both on one CPU now: nothing but what was kept can tell them apart.
    keys, start = {1: ("a/0/a#7", "g"), 2: ("b/0/b#7", "g")}, {1: CpuSet.of(0), 2: CpuSet.of(0)}
    before = pulse(0.0, {1: 0, 2: 0}, {0: 0}, start)
    after = pulse(10.0, {1: 10_000, 2: 10_000}, {0: 10_000 * (COSTLY + CHEAP)}, start)
    fresh.update(Interval(before=before, after=after, start=start, keys=keys))
    assert fresh.load(1)[0] / fresh.load(2)[0] == pytest.approx(COSTLY / CHEAP, rel=0.4)


@pytest.mark.parametrize("text", [b"", b"{", b'{"hard": 3}', b"\xff"], ids=repr)
def test_costs_that_cannot_be_read_are_learnt_again(tmp_path: Path, text: bytes) -> None:
    assert load_costs(tmp_path) == LearnedCosts()
    (tmp_path / COSTS).write_bytes(text)
    assert load_costs(tmp_path) == LearnedCosts()


def test_a_balancer_keeps_its_costs_in_the_state_folder_unless_it_runs_dry(tmp_path: Path) -> None:
    for dry_run in (True, False):
        config = parse("", "(defaults)")
        policies = bind(config, "(defaults)")
        host = SimulatedHost(parse_spec(FEW), lambda originals: None, INTERVAL)
        places = Folders(tmp_path / "state", tmp_path / "run")
        balancer = Balancer(
            host,
            policies,
            settings(config, COOLDOWN_INTERVALS),
            INTERVAL,
            dry_run=dry_run,
            stored=Stored(learned=LearnedState(places, host.boot_id, read_only=dry_run)),
        )
        try:
            balancer.first_look()
            for _ in range(4):
                host.advance(INTERVAL)
                balancer.run_cycle("tick")
            balancer.close()
        finally:
            policies.close()
        assert (tmp_path / "state" / COSTS).exists() == (not dry_run)
    assert msgspec.structs.asdict(load_costs(tmp_path / "state"))["soft"]
