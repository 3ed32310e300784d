"""Recorded traffic replayed: what it cost is found again, it happens where a policy puts it, and
the command tells it all.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from irqbal.cpuset import CpuSet
from irqbal.history.recorder import Recorder
from irqbal.history.samples import Decision, Sample
from irqbal.history.sqlite.store import FILE, SqliteHistory
from irqbal.model.plan import Move
from irqbal.model.view import Cpu, Device
from irqbal.planner.ledger import Ledger
from irqbal.simulated.cost_split import Frame
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.recording import Recording
from irqbal.simulated.replay_host import RecordedHost, RecordedIrq, ReplayHost
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.tree import write_tree
from irqbal.tracking.tracker import HostTracker
from machine import daemon, irqbal, wait_for

SPEC = "1x8,nodes=2,nic=6x2,nvme=4x1,traffic=skewed"
SECONDS = 40
NOW = 1_800_000_000.0


def record(path: Path, spec: str = SPEC, seconds: int = SECONDS) -> list[float]:
    """A history of a made-up host that nobody balances, a sample a second; returns the true ratio
    of each interval.
    """
    host = SimulatedHost(parse_spec(spec), beat=10.0)
    watch, recorder, store = HostTracker(host, 1.0), Recorder(), SqliteHistory(path)
    ratios = []
    recorder.take(host.counts(), watch.look(Ledger()), NOW)
    for second in range(1, seconds + 1):
        host.advance(1.0)
        ratios.append(host.truth().ratio)
        taken = recorder.take(host.counts(), watch.look(Ledger()), NOW + second)
        assert taken is not None
        store.add_sample(
            Sample(
                store.next_sequence(), "boot", taken.wall, taken.seconds, taken.values, taken.states
            )
        )
    store.close()
    return ratios


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history, a tree of the host that recorded it, and three configurations."""
    folder = tmp_path_factory.mktemp("replay")
    write_tree(SimulatedHost(parse_spec(SPEC)), folder / "tree")
    (folder / "some.yaml").write_text("interval: 2s\n")
    (folder / "none.yaml").write_text("interval: 2s\npolicies: []\n")
    (folder / "slow.yaml").write_text("interval: 10m\n")
    return folder


@pytest.fixture(scope="module")
def ratios(folder: Path) -> Iterator[list[float]]:
    """The history's true ratios, while it lies in the folder."""
    yield record(folder / FILE)
    (folder / FILE).unlink()


def window(folder: Path, *more: str, root: str = "tree") -> tuple[str, ...]:
    """The command's words for all of the history."""
    begin, end = (time.strftime("%Y%m%d-%H%M%S", time.gmtime(NOW + at)) for at in (0, SECONDS + 1))
    return (
        "simulate",
        "--history",
        str(folder / FILE),
        "--root",
        str(folder / root),
        "--start",
        begin,
        "--end",
        end,
        *more,
    )


def test_two_configurations_beside_what_was_done(folder: Path, ratios: list[float]) -> None:
    words = window(folder, "-c", str(folder / "none.yaml"), "-c", str(folder / "some.yaml"))
    done = irqbal(*words, "--json")
    was, none, some = json.loads(done.stdout)
    assert was["config"] == "(as recorded)" and was["cycles"] == some["cycles"] == SECONDS // 2 - 1
    # So short a window, in which nothing moved, leaves some doubt.
    assert (
        done.stderr.startswith(
            "what single IRQs cost is known roughly: the window's halves disagree about "
        )
        and len(done.stderr) < 200
    )
    for name in ("start", "mean", "final", "locality", "poor"):
        assert was[name] == pytest.approx(none[name]), (
            "without a policy everything stays where it was"
        )
    assert was["mean"] == pytest.approx(sum(ratios[3:]) / len(ratios[3:]), rel=0.15), (
        "costs are found again"
    )
    assert some["moves"] > 8 and some["failures"] == [] and some["moves_at_rest"] == 0
    assert some["final"] < was["final"] - 0.1 and some["final"] < 1.2 and some["locality"] == 1.0
    table = irqbal(*words, "--cycles", "5").stdout.splitlines()
    assert table[0].startswith(
        f"{SECONDS} samples, {SECONDS} s between 2027-01-15T08:00:00Z and "
    ) and table[0].endswith(", 5 cycles")
    assert table[1].split() == [
        "(as",
        "recorded)",
        str(folder / "none.yaml"),
        str(folder / "some.yaml"),
    ]
    assert next(line for line in table if line.startswith("ms a cycle")).split()[3] == "-"
    assert (
        "known roughly"
        in table[table.index(next(line for line in table if line.startswith("ms a cycle"))) + 1]
    )


def test_what_is_gone_is_made_up_and_named(folder: Path, ratios: list[float]) -> None:
    write_tree(SimulatedHost(parse_spec("1x8,nodes=2,nic=4x2,traffic=skewed")), folder / "smaller")
    done = irqbal(*window(folder, "-c", str(folder / "some.yaml"), "--json", root="smaller"))
    was, some = json.loads(done.stdout)
    assert "not on this host now, and made up from the history: " in done.stderr
    assert "(ice-eth0-TxRx-4)" in done.stderr and "(ice-eth0-TxRx-3)" not in done.stderr
    assert "(nvme0q1, of no device)" in done.stderr, "the drive is gone with its interrupts"
    assert (
        was["start"] == pytest.approx(some["start"])
        and some["final"] < was["final"]
        and some["refused"] == 0
    )


def test_windows_and_hosts_that_do_not_fit_are_sentences(folder: Path, ratios: list[float]) -> None:
    write_tree(SimulatedHost(parse_spec("1x2,nic=2x1")), folder / "tiny")
    history, tree = ("--history", str(folder / FILE)), ("--root", str(folder / "tree"))
    for words, status, said in (
        (
            (*history, *tree, "--start", "20200101-000000", "--end", "20200102-000000"),
            3,
            "no samples between 2020-01-01T00:00:00Z and",
        ),
        (
            window(folder, root="tiny")[1:],
            3,
            "which this host does not have: --root names a tree of the host",
        ),
        (
            window(folder, "-c", str(folder / "slow.yaml"))[1:],
            3,
            "less than two intervals of 600 s",
        ),
        ((*history, "--nic", "4"), 2, "--history brings its own host and traffic: leave --nic out"),
        (("--start", "1h"), 2, "--start, --end and --recorded-by are for --history"),
    ):
        done = irqbal("simulate", *words, check=None)
        assert (done.returncode, done.stdout) == (status, ""), done
        assert said in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_what_was_decided_then_stands_in_the_first_column(
    folder: Path, ratios: list[float], tmp_path: Path
) -> None:
    copy = tmp_path / FILE
    record(copy, seconds=20)
    store = SqliteHistory(copy)
    moved = {"identity": "0000:01:00.0/1/ice-eth0-TxRx-0", "irq": 26, "result": "written"}
    for at, kind, result in (
        (2.5, "move", "written"),
        (3.5, "move", "wrote 1, the kernel kept 2"),
        (4.5, "steering", "written"),
    ):
        more: dict[str, Any] = moved | {"result": result}
        more |= {"kind": kind}
        store.add_decision(Decision(store.next_sequence(), "boot", NOW + at, 1, **more))
    refusal = "refused by the kernel: managed, per-CPU or no-balance (EIO)"
    refused: dict[str, Any] = moved | {"result": refusal}
    store.add_decision(Decision(store.next_sequence(), "boot", NOW + 5, 1, "move", **refused))
    store.close()
    words = list(window(folder, "-c", str(folder / "some.yaml"), "--json"))
    words[2] = str(copy)
    was, some = json.loads(irqbal(*words).stdout)
    assert (was["moves"], was["settings"], was["refused"]) == (2, 1, 1)
    assert some["moves"] > 8 and some["refused"] == 0, (
        "what the kernel refused then is not tried now"
    )


def test_a_daemons_own_history_can_be_replayed(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"interval: 250ms\nstate_dir: {tmp_path}\nhistory: {{every: 250ms}}\npolicies: []\n"
    )
    with daemon("-c", str(config), "--simulate", SPEC, log=tmp_path / "log"):
        wait_for((tmp_path / FILE).exists, 10, tmp_path / "log")
        time.sleep(2.5)
    words = (
        "simulate",
        "--history",
        "--root",
        str(folder / "tree"),
        "--start",
        "1m",
        "-c",
        str(config),
        "--json",
    )
    was, same = json.loads(irqbal(*words).stdout)
    assert (
        was["cycles"] >= 4
        and was["moves"] == 0
        and was["mean"] == pytest.approx(same["mean"])
        and was["mean"] > 1
    )


# The parts

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
