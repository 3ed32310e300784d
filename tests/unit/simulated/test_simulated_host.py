"""The made-up host: what a text makes of it, how packets become interrupts and time, its truth, and
its files.
"""

from __future__ import annotations

import itertools
import math
import statistics
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqbal.cpuset import CpuSet
from irqbal.errors import ConfigError, HostError
from irqbal.kernel.host import KernelHost
from irqbal.model.plan import DefaultMove, SteeringMove
from irqbal.planner.ledger import Ledger
from irqbal.simulated.drivers import NIC_DRIVERS
from irqbal.simulated.ground_truth import GroundTruth
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.napi import TCP, UDP, interrupts
from irqbal.simulated.score import CycleScore, SimulationRun
from irqbal.simulated.shapes import BURST_BEATS, DAY_BEATS
from irqbal.simulated.spec import EXAMPLE, Drives, HostSpec, Nics, parse_spec
from irqbal.simulated.traffic import EVENTS, SHAPES, UNPLUG_BEATS, Source, Traffic
from irqbal.simulated.tree import write_tree
from irqbal.tracking.tracker import HostTracker
from made import SMALL, made, move, readings, write

# A host from a text

NICS = st.builds(Nics, st.integers(1, 9), st.integers(1, 2), st.sampled_from(list(NIC_DRIVERS)))
SPECS = st.builds(
    HostSpec,
    sockets=st.sampled_from([1, 2]),
    cores=st.sampled_from([8, 16]),
    threads=st.sampled_from([1, 2]),
    nodes=st.sampled_from([1, 2, 4]),
    l3=st.sampled_from([0, 3, 8]),
    nics=st.lists(NICS, min_size=1, max_size=3).map(tuple),
    drives=st.lists(st.builds(Drives, st.integers(1, 40), st.integers(1, 2)), max_size=2).map(
        tuple
    ),
    traffic=st.tuples(st.sampled_from(list(SHAPES)), st.sets(st.sampled_from(list(EVENTS)))).map(
        lambda pair: (pair[0], *sorted(pair[1]))
    ),
    seed=st.integers(0, 1000),
    busy=st.integers(1, 100).map(lambda percent: percent / 100),
    vectors=st.integers(150, 300),
    exact=st.booleans(),
)


@given(SPECS)
def test_a_specification_reads_back_from_its_own_text(spec: HostSpec) -> None:
    assert parse_spec(str(spec)) == spec


def test_the_short_forms_mean_what_they_say() -> None:
    spec = parse_spec(EXAMPLE)
    assert (spec.sockets, spec.cores, spec.threads, spec.nodes, spec.cpus) == (2, 32, 2, 2, 128)
    assert (
        spec.nics == (Nics(63, 2),)
        and spec.drives == (Drives(64, 4),)
        and spec.traffic == ("skewed",)
        and spec.seed == 1
    )
    assert parse_spec("1x4").nics == (Nics(4),), (
        "without any device there is a NIC with a queue a core"
    )
    assert parse_spec("2x64").nics == (Nics(64),)
    assert parse_spec("1x8x2, nic=4, nic=8x3:mlx5_core, busy=12.5%, exact") == HostSpec(
        1, 8, 2, nics=(Nics(4), Nics(8, 3, "mlx5_core")), busy=0.125, exact=True
    )
    assert parse_spec("1x4,traffic=unplug+skewed").traffic == ("skewed", "unplug")
    assert parse_spec("1x4,traffic=reset").traffic == ("steady", "reset")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "'' is not sockets x cores x threads; for example 2x32x2"),
        ("128", "'128' is not sockets x cores x threads; for example 2x32x2"),
        ("0x4", "0x4 has 0 CPUs"),
        ("64x64x2", "64x64x2 has 8192 CPUs"),
        ("1x4,nodes", "'nodes' is not known in a made-up host"),
        ("1x4,node=2", "'node=2' is not known in a made-up host: there are nodes=…"),
        ("1x4,exact=yes", "'exact=yes' is not known in a made-up host"),
        ("1x4,nodes=x", "nodes=x is not a number from 1 to 64; for example nodes=2"),
        ("1x4,seed=-1", "seed=-1 is not a number"),
        ("1x4,nodes=1,nodes=2", "nodes is given twice in a made-up host; for example nodes=1"),
        ("1x3,nodes=2", "3 cores cannot be split evenly over 2 nodes; for example 1x3,nodes=1"),
        ("2x4,l3=5", "l3=5 is more than the 4 cores of a socket; for example l3=4"),
        ("1x4,nic=0x2", "nic=0x2 is not queues x devices (up to 2048 x 64); for example nic=63x2"),
        ("1x4,nic=4x1:e1000", "nic=4x1:e1000 names a driver that is not among ice, i40e,"),
        (
            "1x4,nvme=4x1:ice",
            "nvme=4x1:ice names a driver, and drives have none to choose; for example nvme=64x4",
        ),
        (
            "1x4,traffic=slow",
            "traffic=slow is not one of steady, even, skewed, diurnal, bursts, hopping, toggling, "
            "noisy, churning, with or without reset and unplug",
        ),
        ("1x4,traffic=even+skewed", "traffic=even+skewed is not one of"),
        ("1x4,traffic=even+even", "traffic=even+even is not one of"),
        (
            "1x4,busy=30",
            "busy=30 is not a percentage above 0% and up to 100%; for example busy=30%",
        ),
        ("1x4,busy=0%", "busy=0% is not a percentage"),
        (
            "1x2,nic=500",
            "the devices need 502 interrupt vectors, and 2 CPUs have 400 (200 each); for example "
            "fewer queues, or vectors=251",
        ),
    ],
)
def test_a_wrong_specification_is_one_sentence_with_an_example(text: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_spec(text)
    (problem,) = caught.value.problems
    assert problem.startswith(wrong) and "; for example " in problem and "\n" not in problem


@given(st.text(alphabet="0123456789x=,+%:noedsicvmtraf ", max_size=40))
def test_any_text_is_a_host_or_a_sentence(text: str) -> None:
    try:
        parse_spec(text)
    except ConfigError as error:
        assert len(error.problems) == 1


def test_the_parts_stand_where_the_specification_puts_them() -> None:
    topology = made().topology()
    assert [
        (cpu.node, cpu.package, cpu.core, cpu.l3, str(cpu.siblings)) for cpu in topology.cpus[:4]
    ] == [(0, 0, 0, 0, "0,4"), (0, 0, 1, 0, "1,5"), (1, 0, 2, 2, "2,6"), (1, 0, 3, 2, "3,7")]
    assert [
        (device.driver, device.node, str(device.local_cpus)) for device in topology.devices
    ] == [("ice", 0, "0-1,4-5"), ("ice", 1, "2-3,6-7"), ("nvme", 0, "0-1,4-5")]
    assert [interface.name for interface in topology.interfaces] == ["eth0", "eth1"]


@pytest.mark.parametrize("driver", NIC_DRIVERS)
def test_every_driver_has_queues_that_irqbal_knows(driver: str) -> None:
    host = made(f"1x4,nic=3x1:{driver}")
    host.advance(1)
    snapshot = HostTracker(host, 10.0).look(Ledger())
    queues = sorted(
        irq.queue.index
        for irq in snapshot.irqs
        if irq.queue is not None and irq.queue.name == "eth0"
    )
    per_queue = len(NIC_DRIVERS[driver].patterns)
    assert queues == sorted([0, 1, 2] * per_queue)


# Packets, interrupts, time

PACKETS = st.floats(0, 1e7)
LEVELS = st.floats(TCP, UDP)


@given(PACKETS, PACKETS, LEVELS)
def test_more_packets_raise_more_interrupts_but_never_more_than_packets(
    one: float, other: float, level: float
) -> None:
    low, high = sorted((one, other))
    assert 0 <= interrupts(low, level) <= interrupts(high, level) + 1e-9
    assert interrupts(high, level) <= high


@pytest.mark.parametrize(
    ("packets", "level", "seen"),
    [(626, UDP, 622), (12_512, UDP, 1_207), (62_575, UDP, 1_333), (5_855, TCP, 184)],
)
def test_interrupts_level_off_as_they_were_seen_to(
    packets: float, level: float, seen: float
) -> None:
    assert interrupts(packets, level) == pytest.approx(seen, rel=0.15)


def test_costs_differ_tenfold_and_the_interrupt_rate_does_not_tell_them() -> None:
    host = made("2x32,nic=64x2,traffic=even,exact")
    host.advance(10)
    loads = [
        load
        for irq, load in host.truth().usual.items()
        if host.state.lines[irq].source.kind == "net"
    ]
    assert 7 < max(loads) / min(loads) <= 10.5


@settings(max_examples=30, deadline=None)
@given(SPECS, st.lists(st.floats(0.01, 25), min_size=1, max_size=4))
def test_what_fires_is_counted_once_and_no_cpu_spends_more_than_there_is(
    spec: HostSpec, steps: list[float]
) -> None:
    spec = msgspec.structs.replace(spec, exact=True, traffic=(spec.traffic[0], "unplug"))
    host = SimulatedHost(spec)
    host.census()
    for seconds in steps:
        host.advance(seconds)
        truth = host.truth()
        assert sum(truth.loads.values()) == pytest.approx(sum(truth.usual.values()))
        assert truth.busiest >= truth.bound - 1e-9 or spec.cpus > len(truth.online)
        assert 0 <= truth.locality <= 1 and 0 <= truth.dropped < 1
    counted = {line.number: sum(line.counts.values()) for line in host.state.lines.values()}
    assert host.pulse().totals == counted
    net = sum(
        counted[line.number] for line in host.state.lines.values() if line.source.kind == "net"
    )
    assert (
        sum(host.counts().softirqs["NET_RX"].values())
        == net
        <= sum(host.counters.packets(host.state.possible).values()) + len(counted)
    )
    spent = host.pulse().cpu_times.values()
    assert all(0 <= time.irq + time.softirq <= (10 + sum(steps)) * (1 + 1e-9) for time in spent)


def test_a_cpu_that_is_asked_for_too_much_drops_the_rest_and_shows_a_second_a_second() -> None:
    host = made("1x8,nic=8x1,busy=60%,traffic=even,exact")
    host.apply([move(host, f"ice-eth0-TxRx-{index}", "3") for index in range(8)], (), None, False)
    before = host.pulse().cpu_times[3]
    host.advance(10)
    truth = host.truth()
    assert truth.loads[3] > 2 and truth.ratio > 2 and truth.dropped > 0.5
    after = host.pulse().cpu_times[3]
    assert after.irq + after.softirq - before.irq - before.softirq == pytest.approx(10.0, rel=1e-6)


def test_time_comes_in_jiffies_unless_it_is_to_be_exact() -> None:
    rough, exact = made(), made(f"{SMALL},exact")
    rough.advance(7)
    exact.advance(7)
    pairs = list(
        zip(rough.pulse().cpu_times.values(), exact.pulse().cpu_times.values(), strict=True)
    )
    assert all(seen.softirq == math.floor(true.softirq * 100 + 1e-9) / 100 for seen, true in pairs)
    assert any(seen.softirq != true.softirq for seen, true in pairs)


# Determinism, and time


def test_the_same_text_gives_the_same_host_and_another_seed_another() -> None:
    def run(text: str) -> bytes:
        host = made(text)
        for _ in range(30):
            host.advance(10)
        return readings(host)

    text = f"{SMALL},traffic=hopping+reset+unplug"
    assert run(text) == run(text)
    assert run(f"{text},seed=1") != run(f"{text},seed=2")


def test_traffic_does_not_depend_on_when_it_is_looked_at() -> None:
    often, seldom = made(f"{SMALL},traffic=bursts"), made(f"{SMALL},traffic=bursts")
    for _ in range(60):
        often.advance(1.5)
        often.pulse()
    seldom.advance(90)
    one, other = often.pulse().totals, seldom.pulse().totals
    assert all(abs(one[irq] - other[irq]) <= 1 for irq in one)


def test_a_live_host_moves_with_its_clock_and_every_start_is_a_boot() -> None:
    now = [5000.0]
    host = SimulatedHost(parse_spec(SMALL), clock=lambda: now[0])
    host.census()
    before = host.pulse()
    assert before.time == 5000.0 and host.pulse().totals == before.totals
    now[0] += 4
    after = host.pulse()
    assert after.time == 5004.0 and sum(after.totals.values()) > sum(before.totals.values()) > 0
    assert (
        SimulatedHost.live(parse_spec(SMALL)).boot_id
        != SimulatedHost.live(parse_spec(SMALL)).boot_id
    )
    assert SimulatedHost(parse_spec(SMALL)).boot_id == SimulatedHost(parse_spec(SMALL)).boot_id


# Shapes


def beats(shape: str, count: int, queues: int = 64) -> list[list[float]]:
    """Usual seconds a second of each of one NIC's queues, beat by beat."""
    traffic = Traffic([Source("net", "eth0")] * queues, shape=shape, seed=3, load=64 * 0.3)
    return [[flow.usual for flow in traffic.beat(number)] for number in range(count)]


def test_shapes_are_what_they_say() -> None:
    steady = beats("steady", 3)
    assert (
        steady[0] == steady[1]
        and max(steady[0]) == pytest.approx(0.8, rel=0.02)
        and sum(steady[0]) < 0.3 * 64
    )
    assert sum(beats("steady", 1, queues=512)[0]) == pytest.approx(0.3 * 64, rel=0.05), (
        "as busy as asked for, where one queue allows it"
    )
    skewed = sorted(beats("skewed", 1)[0])
    assert skewed[-1] > 0.7 and sum(skewed[-8:]) > sum(skewed[:-8]), "the hottest are most of it"
    tide = [sum(loads) for loads in beats("diurnal", DAY_BEATS)]
    assert max(tide) > 4 * min(tide)
    bursts = beats("bursts", 30)
    assert any(loads != bursts[0] for loads in bursts) and bursts[0] == bursts[2]
    hopping = beats("hopping", 40)
    elephants = [
        frozenset(sorted(range(64), key=loads.__getitem__)[-4:]) for loads in hopping[::10]
    ]
    assert hopping[0] == hopping[9] and len(set(elephants)) > 1
    wandering = [math.log(loads[0]) for loads in beats("noisy", 2000)]
    center = statistics.mean(wandering)
    assert statistics.stdev(wandering) == pytest.approx(0.3, rel=0.15)
    products = [(a - center) * (b - center) for a, b in itertools.pairwise(wandering)]
    assert statistics.mean(products) / statistics.variance(wandering) == pytest.approx(0.8, abs=0.1)
    toggling = beats("toggling", 60)
    assert toggling[0] == toggling[2]
    changed = [
        sum(a != b for a, b in zip(*pair, strict=True))
        for pair in itertools.pairwise(toggling[::BURST_BEATS])
    ]
    assert 3 < statistics.mean(changed) < 10, "a tenth of 64"
    ratios = {
        round(a / b, 1) for loads in toggling for a, b in zip(loads, toggling[0], strict=True)
    }
    assert {0.3, 1.0, 3.0} <= ratios <= {0.3, 0.4, 1.0, 2.9, 3.0}
    churning = [loads[0] for loads in beats("churning", 2000)]
    assert 0.2 < statistics.stdev(churning) / statistics.mean(churning) < 0.5
    assert beats("churning", 5) == beats("churning", 9)[:5], "whatever was asked for before"
    noisy = Traffic([Source("net", "eth0")], shape="even", seed=1, load=0.3)
    packets = [noisy.beat(number)[0].packets for number in range(300)]
    mean = sum(packets) / 300
    assert 0.08 < (sum((value - mean) ** 2 for value in packets) / 300) ** 0.5 / mean < 0.12


@pytest.mark.parametrize("shape", SHAPES)
def test_the_hottest_queue_never_wants_more_than_a_cpu(shape: str) -> None:
    assert max(itertools.chain(*beats(shape, 130, queues=16))) < 0.85


# The truth, and what becomes of it


def test_locality_is_the_share_of_interrupts_on_the_devices_own_node() -> None:
    host = made("1x8,nodes=2,nic=4x1,traffic=even")
    host.advance(10)
    assert host.truth().locality == 1.0
    host.apply([move(host, f"ice-eth0-TxRx-{index}", "7") for index in range(4)], (), None, False)
    host.advance(10)
    assert host.truth().locality < 0.01


def test_the_bound_is_the_mean_or_the_hottest_irq() -> None:
    loads = {1: 0.4, 2: 0.1, 3: 0.1}
    truth = GroundTruth(loads, loads, {0: 0.5, 1: 0.1}, CpuSet.parse("0-1"))
    assert truth.bound == 0.4 and truth.ratio == pytest.approx(1.25)
    truth = GroundTruth(loads, {1: 0.2, 2: 0.2, 3: 0.2}, {0: 0.4, 1: 0.2}, CpuSet.parse("0-1"))
    assert truth.bound == pytest.approx(0.3)


def test_a_trial_tells_when_it_came_to_rest_and_what_moved_then() -> None:
    def truth(load: float) -> GroundTruth:
        return GroundTruth(
            {}, {1: 0.5, 2: 0.5}, {0: load, 1: 1 - load}, CpuSet.parse("0-1"), locality=0.5
        )

    trial = SimulationRun("x.yaml")
    for load, moves in [(1.0, 0), (0.5, 11), (0.5, 0), (0.7, 0), (0.5, 0), (0.5, 4)]:
        trial.passed(truth(load))
        trial.cycle(CycleScore(moves=moves, settings=1, seconds=0.01, failures=("p: broke",)))
    trial.passed(truth(0.55))
    result = trial.result()
    assert (result.start, result.early, result.poor) == (
        2.0,
        1.4,
        1,
    ) and result.final == pytest.approx(1.1)
    assert (result.converged, result.moves, result.moves_at_rest) == (3, 15, 4)
    assert (
        result.mean == pytest.approx((1.4 + 1 + 1 + 1.1) / 4)
        and result.locality == 0.5
        and result.failures == ("p: broke",)
    )


# As files


@pytest.mark.parametrize(
    "text",
    [
        "2x4x2,nodes=2,l3=2,nic=6x2,nic=2x1:virtio_net,nic=1x1:mlx5_core,nvme=8x2,traffic=unplug",
        "1x2",
    ],
)
def test_a_tree_reads_back_as_the_same_host(text: str, tmp_path: Path) -> None:
    host = made(text)
    host.advance(10 * UNPLUG_BEATS if "unplug" in text else 15)
    write(host, "ice-eth0-TxRx-0", "1")
    host.apply(
        (),
        [SteeringMove("eth0", "xps", 1, "", "0-1", "test", "")],
        DefaultMove(CpuSet(), CpuSet.parse("0-1"), "test", ""),
        False,
    )
    write_tree(host, tmp_path / "tree")
    read = KernelHost(tmp_path / "tree")
    ours, theirs = host.topology(), read.topology()
    if len(host.state.online) < host.spec.cpus:
        # A kernel tells nothing of a CPU that is offline.
        gone = (host.state.possible - host.state.online).first
        assert list((tmp_path / f"tree/sys/devices/system/cpu/cpu{gone}").iterdir()) == []
        assert [cpu.number for cpu in theirs.cpus if not cpu.online] == list(
            host.state.possible - host.state.online
        )
        assert [cpu.number for cpu in ours.cpus if not cpu.online] == [
            cpu.number for cpu in theirs.cpus if not cpu.online
        ]
    assert [cpu for cpu in ours.cpus if cpu.online] == [
        msgspec.structs.replace(cpu, siblings=host.state.machine.cpus[cpu.number].siblings)
        for cpu in theirs.cpus
        if cpu.online
    ]
    assert (ours.devices, ours.interfaces, ours.threads, ours.rfs_entries) == (
        theirs.devices,
        theirs.interfaces,
        theirs.threads,
        theirs.rfs_entries,
    )
    one, other = host.census(), read.census()
    without = [
        [msgspec.structs.replace(facts, inode=0) for facts in census.irqs]
        for census in (one, other)
    ]
    assert without[0] == without[1]
    assert (
        one.default_affinity == other.default_affinity == CpuSet.parse("0-1")
        and other.skipped_rows == 0
    )
    assert (
        host.pulse().totals == read.pulse().totals
        and host.pulse().cpu_times == read.pulse().cpu_times
    )
    first, second = host.counts(), read.counts()
    assert (
        first.irqs == second.irqs
        and first.rows == second.rows
        and first.softnet == second.softnet
        and first.times == second.times
    )
    assert second.softirqs["NET_RX"] == first.softirqs["NET_RX"] and host.boot_id == read.boot_id
    read.close()


def test_a_tree_goes_into_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(HostError, match="is not empty: name a new folder"):
        write_tree(made("1x2"), tmp_path)
