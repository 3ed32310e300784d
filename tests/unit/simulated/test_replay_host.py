"""Recorded traffic replayed: what it cost is found again, and it happens where a policy puts it."""

from __future__ import annotations

import random

import pytest

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Move
from irqbal.model.view import Cpu, Device
from irqbal.simulated.cost_split import Frame
from irqbal.simulated.recording import Recording
from irqbal.simulated.replay_host import RecordedHost, RecordedIrq, ReplayHost

# The parts

NOW = 1_800_000_000.0
COSTS = {"a": 2e-6, "b": 20e-6, "c": 5e-6}


def played(frames: int, moving: bool = True) -> Recording:
    """Three IRQs on two CPUs, that change places now and then; each CPU has a background of 1 ms a
    second.
    """
    dice, recording = random.Random(1), Recording()
    for at in range(frames):
        fired, hard = {}, {0: 1e-3, 1: 1e-3}
        for index, (name, cost) in enumerate(COSTS.items()):
            cpu = (index + (at // 7 if moving else 0)) % 2
            fired[name, cpu] = count = dice.randrange(500, 5000)
            hard[cpu] += count * cost
        spent = {cpu: (seconds, 2 * seconds) for cpu, seconds in hard.items()}
        recording.add(Frame(NOW + at + 1, 1.0, spent), fired)
    return recording


def test_costs_are_recovered_from_the_cpus_times() -> None:
    recording = played(200)
    hard, soft = recording.share_out()
    for name, cost in COSTS.items():
        assert hard[name] == pytest.approx(cost, rel=0.1) and soft[name] == pytest.approx(
            2 * cost, rel=0.1
        )
    for frame in recording.frames:
        for cpu, (spent, _) in frame.spent.items():
            shared = sum(
                value for value, where in zip(frame.hard, frame.cpus, strict=True) if where == cpu
            )
            assert shared + frame.rest[cpu][0] == pytest.approx(spent), (
                "what was measured is divided, no more and no less"
            )


def test_what_the_times_do_not_tell_is_doubted() -> None:
    """Two IRQs that fire alike on the same CPU all the time: nobody can know which of them costs
    how much.
    """
    assert played(200).doubt() < 0.05 and played(1).doubt() == 1.0
    twins = Recording()
    for at in range(100):
        count = 1000 + 50 * (at % 7)
        spent = {0: (12e-6 * count, 24e-6 * count)}
        twins.add(Frame(NOW + at + 1, 1.0, spent), {("a", 0): count, ("b", 0): count})
    assert twins.doubt() > 0.25
    without = Recording()
    without.add(Frame(NOW, 1.0, {}), {("a", 0): 10})
    assert without.doubt() == 0.0, "there is nothing to be found out"


def test_without_times_every_interrupt_counts_alike() -> None:
    recording = Recording()
    recording.add(Frame(NOW, 1.0, {}), {("a", 0): 10, ("b", 1): 30})
    recording.share_out()
    assert not recording.timed and list(recording.frames[0].hard) == pytest.approx([10e-6, 30e-6])


def recorded_host(unmovable: str = "") -> RecordedHost:
    """Two CPUs on a node each; `a` and `b` are of one card on node 1."""
    cpus = tuple(
        Cpu(number, node=number, core=number, l3=number, siblings=CpuSet.of(number))
        for number in (0, 1)
    )
    both = CpuSet.of(0, 1)
    irqs = tuple(
        RecordedIrq(
            identity=name,
            number=30 + at,
            action=name,
            chip="PCI-MSIX",
            vector=at,
            address="0000:01:00.0" if name != "c" else "",
            node=-1,
            unmovable=unmovable,
            affinity=both,
            effective=CpuSet.of(at % 2),
        )
        for at, name in enumerate(COSTS)
    )
    return RecordedHost(
        cpus=cpus,
        devices=(Device("0000:01:00.0", "ice", 1, CpuSet.of(1), irqs=(30, 31)),),
        interfaces=(),
        threads=(),
        irqs=irqs,
        online=both,
        default=both,
    )


def test_time_goes_where_the_irq_is_put_and_the_record_stays() -> None:
    recording = played(20, moving=False)
    recording.share_out()
    host = ReplayHost(recorded_host(), recording)
    host.census()
    host.advance(4.5)
    before, recorded = host.truth(), host.recorded()
    assert before.loads == pytest.approx(recorded.loads) and host.wall == pytest.approx(NOW + 4.5)
    assert before.locality == recorded.locality < 1
    (outcome,) = host.apply(
        [Move(30, "a", 1, CpuSet.of(0, 1), CpuSet.of(1), "test", "because")], (), None, False
    )
    assert outcome.result == "written"
    host.advance(5.5)
    after, recorded = host.truth(), host.recorded()
    assert after.loads[0] < recorded.loads[0] and sum(after.loads.values()) == pytest.approx(
        sum(recorded.loads.values())
    )
    assert after.locality == 1.0 > recorded.locality
    pulse = host.pulse()
    assert pulse.totals[30] == int(
        sum(sum(f.counts[i] for i in range(3) if f.lines[i] == 0) for f in recording.frames[:10])
    )
    spent = sum(sum(times) for frame in recording.frames[:10] for times in frame.spent.values())
    assert sum(time.irq + time.softirq for time in pulse.cpu_times.values()) == pytest.approx(spent)
    host.advance(100)
    assert host.pulse().time == pytest.approx(1020.0), "there is no more than was recorded"


def test_what_nobody_can_move_fires_where_it_did() -> None:
    recording = played(21)
    recording.share_out()
    host = ReplayHost(recorded_host(unmovable="managed"), recording)
    host.census()
    (outcome,) = host.apply(
        [Move(30, "a", 1, CpuSet.of(0, 1), CpuSet.of(1), "test", "because")], (), None, False
    )
    assert outcome.code == "managed"
    host.advance(21.0)
    assert host.truth().loads == pytest.approx(host.recorded().loads)
    assert set(host.counts().irqs[30]) == {0, 1}
