"""The made-up host: what its kernel does with what is written, and with resets and hotplugs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError, StateFileError
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove
from irqbal.model.readings import DEFAULT, Original
from irqbal.planner.ledger import Ledger
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.traffic import RESET_BEATS as RESET
from irqbal.simulated.traffic import UNPLUG_BEATS, UNPLUGGED_BEATS, unplugged_in
from irqbal.tracking.tracker import HostTracker
from made import SMALL, made, move, number, write

# Writing


def test_a_mask_takes_effect_at_once_on_the_emptiest_cpu_of_it() -> None:
    saved: list[Original] = []
    host = made(saved=saved)
    assert write(host, "ice-eth0-TxRx-0", "3") == Outcome(
        "ice-eth0-TxRx-0", "written", number(host, "ice-eth0-TxRx-0"), found="3"
    )
    assert host.state.lines[number(host, "ice-eth0-TxRx-0")].effective == CpuSet.of(3)
    assert saved == [Original("ice-eth0-TxRx-0", number(host, "ice-eth0-TxRx-0"), "0-7")]
    line = host.state.lines[number(host, "ice-eth1-TxRx-0")]
    emptiest = min(CpuSet.parse("0-1") - line.effective, key=host.state.used_vectors)
    line.effective, before = CpuSet.of(7), line.effective
    host.state._vectors.reserve(CpuSet.of(7))
    host.state._vectors.give(before)
    write(host, "ice-eth1-TxRx-0", "0-1")
    assert (
        line.effective.first in (0, 1)
        and host.state.used_vectors(line.effective.first) <= host.state.used_vectors(emptiest) + 1
    )
    at = line.effective
    write(host, "ice-eth1-TxRx-0", "0-5")
    assert line.effective == at, "who is within the mask stays"


def test_a_dry_run_and_a_mask_that_is_right_write_nothing() -> None:
    saved: list[Original] = []
    host = made(saved=saved)
    assert write(host, "ice-eth0-TxRx-0", "3", dry_run=True).result == "dry run"
    assert write(host, "ice-eth0-TxRx-0", "0-7").result == "unchanged"
    assert saved == [] and host.state.lines[number(host, "ice-eth0-TxRx-0")].mask == CpuSet.parse(
        "0-7"
    )


def test_what_a_kernel_refuses_is_refused_in_the_same_words() -> None:
    host = made("1x4,nic=4x1,nvme=4x1,vectors=4")
    managed = write(host, "nvme0q1", "2")
    assert (managed.result, managed.code) == ("refused", "managed") and managed.detail.endswith(
        "(EPERM)"
    )
    assert write(host, "nvme0q0", "2").result in ("written", "unchanged"), (
        "the admin queue may be moved"
    )
    beyond = write(host, "ice-eth0-TxRx-0", "9")
    assert (beyond.result, beyond.code) == ("refused", "beyond")
    host.state.unplug(3)
    offline = write(host, "ice-eth0-TxRx-0", "3")
    assert (offline.result, offline.code) == ("refused", "no-cpu") and offline.detail.endswith(
        "(EINVAL)"
    )
    full = [write(host, f"ice-eth0-TxRx-{index}", "2") for index in range(4)]
    assert [outcome.code for outcome in full].count("no-vector") >= 1
    assert host.state.used_vectors(2) == 4


@pytest.mark.parametrize(("kernel", "name"), [("6.1", "EIO"), ("6.12", "EPERM")])
def test_a_managed_irq_is_refused_as_this_version_does(kernel: str, name: str) -> None:
    host = made(f"1x4,nvme=4x1,kernel={kernel}")
    shown = {facts.action for facts in host.census().irqs if facts.unmovable}
    assert shown == (set() if name == "EIO" else {f"nvme0q{queue}" for queue in range(1, 5)})
    refused = write(host, "nvme0q1", "2")
    assert (refused.result, refused.code) == ("refused", "managed")
    assert refused.detail.endswith(f"({name})")


def test_originals_that_cannot_be_saved_stop_the_write() -> None:
    def save(originals: object) -> None:
        raise StateFileError("no room")

    host = made()
    host.save = save
    assert write(host, "ice-eth0-TxRx-0", "3").result == "unsaved"
    assert host.state.lines[number(host, "ice-eth0-TxRx-0")].mask == CpuSet.parse("0-7")
    host.save = None
    with pytest.raises(HostError, match="without a journal"):
        write(host, "ice-eth0-TxRx-0", "3")


def test_steering_and_the_default_are_written_and_restored() -> None:
    saved: list[Original] = []
    host = made(saved=saved)
    host.state.unplug(7)
    steering = [
        SteeringMove("eth0", "xps", 1, "", "0-3", "test", ""),
        SteeringMove("eth0", "rps", 1, "", "6-7", "test", ""),
        SteeringMove("eth0", "flows", 1, "0", "1024", "test", ""),
        SteeringMove("eth0", "xps", 9, "", "0", "test", ""),
    ]
    outcomes = host.apply(
        [move(host, "ice-eth0-TxRx-1", "2")],
        steering,
        DefaultMove(CpuSet(), CpuSet.parse("0-3"), "test", ""),
        False,
    )
    assert {outcome.identity: outcome.result for outcome in outcomes} == {
        "ice-eth0-TxRx-1": "written",
        "xps:eth0/1": "written",
        "rps:eth0/1": "differs",
        "flows:eth0/1": "written",
        "xps:eth0/9": "gone",
        DEFAULT: "written",
    }
    assert next(outcome.found for outcome in outcomes if outcome.result == "differs") == "6", (
        "RPS drops offline CPUs"
    )
    before = SimulatedHost(host.spec).topology().interfaces
    assert host.topology().interfaces != before
    restored = host.restore([(original, original.number) for original in saved])
    assert {outcome.result for outcome in restored} == {"written"}
    assert host.topology().interfaces == before and host.census().default_affinity == CpuSet.parse(
        "0-7"
    )


# What happens


def test_a_reset_begins_a_new_generation_and_stale_plans_write_nothing() -> None:
    host = made(f"{SMALL},traffic=steady+reset")
    watch = HostTracker(host, 10.0)
    watch.look(Ledger())
    for _ in range(RESET - 2):
        host.advance(10)
        watch.look(Ledger())
    write(host, "ice-eth0-TxRx-0", "3")
    write(host, "ice-eth1-TxRx-0", "3")
    host.apply(
        (),
        [SteeringMove(name, "xps", 0, "", "1", "test", "") for name in ("eth0", "eth1")],
        None,
        False,
    )
    host.advance(10)
    late = [write(host, f"ice-{name}-TxRx-0", "2").result for name in ("eth0", "eth1")]
    assert sorted(late) == ["unchanged", "written"] or sorted(late) == ["written", "written"], (
        "the reset comes with the next beat"
    )
    host.advance(10)
    pulse = host.pulse()
    assert {host.state.lines[irq].interface for irq in pulse.stale} == {
        host.state.lines[min(pulse.stale)].interface
    }
    assert len(pulse.stale) >= 4 and not pulse.stale & pulse.effective.keys()
    assert all(pulse.totals[irq] < 40_000 for irq in pulse.stale), "counts begin at 0"
    stale = {name: write(host, f"ice-{name}-TxRx-0", "1").result for name in ("eth0", "eth1")}
    assert sorted(stale.values()) == ["gone", "written"]
    snapshot = watch.look(Ledger())
    concerned = next(name for name, result in stale.items() if result == "gone")
    for irq in snapshot.irqs:
        renewed = irq.queue is not None and irq.queue.name == concerned
        assert irq.generation == (
            2 if renewed or irq.action == f"ice-{_address(host, concerned)}:misc" else 1
        ), irq.action
        if renewed:
            assert irq.affinity == CpuSet.parse("0-7")
    assert host.state.interfaces[concerned].tx[0].xps == CpuSet()


def _address(host: SimulatedHost, interface: str) -> str | None:
    return next(item.device for item in host.topology().interfaces if item.name == interface)


def test_a_cpu_goes_offline_and_comes_back() -> None:
    host = made(f"{SMALL},traffic=steady+unplug")
    gone = unplugged_in(UNPLUG_BEATS, 1, 8)
    assert gone is not None and unplugged_in(UNPLUG_BEATS - 1, 1, 8) is None
    assert unplugged_in(UNPLUG_BEATS + UNPLUGGED_BEATS, 1, 8) is None
    write(host, "ice-eth0-TxRx-0", str(gone))
    write(host, "ice-eth0-TxRx-1", f"{gone},0")
    single, double = (host.state.lines[number(host, f"ice-eth0-TxRx-{index}")] for index in (0, 1))
    host.advance(10 * UNPLUG_BEATS)
    pulse = host.pulse()
    everyone = CpuSet.parse("0-7")
    assert pulse.online == everyone - CpuSet.of(gone) and gone not in pulse.cpu_times
    assert gone not in single.effective and single.mask == pulse.online, (
        "a mask without a CPU left is broken"
    )
    assert double.effective == CpuSet.of(0) and double.mask == CpuSet.of(gone, 0)
    assert not host.topology().cpus[gone].online
    queue = next(
        line for line in host.state.lines.values() if line.managed and line.mask == CpuSet.of(gone)
    )
    fired = sum(queue.counts.values())
    host.advance(10)
    assert sum(queue.counts.values()) == fired, "a managed IRQ without any CPU is shut down"
    host.advance(10 * UNPLUGGED_BEATS)
    assert host.pulse().online == everyone and single.mask == everyone - CpuSet.of(gone), (
        "nothing moves back"
    )
    assert sum(queue.counts.values()) > fired


def test_a_managed_irq_waits_for_any_of_its_cpus() -> None:
    host = made("1x4,nvme=2x1")
    queue = host.state.lines[number(host, "nvme0q1")]
    assert queue.mask == CpuSet.parse("0-1") and queue.effective == CpuSet.of(0)
    host.state.unplug(0)
    assert queue.effective == CpuSet.of(1)
    host.state.unplug(1)
    host.state.plug(0)
    assert queue.effective == CpuSet.of(0) and queue.mask == CpuSet.parse("0-1")


def test_virtio_loses_its_masks_at_any_hotplug() -> None:
    host = made("1x4,nic=2x1:virtio_net,nic=2x1")
    for action in ("virtio0-input.0", "ice-eth1-TxRx-0"):
        write(host, action, "1")
    host.apply((), [SteeringMove("eth0", "xps", 0, "", "1", "test", "")], None, False)
    host.state.unplug(3)
    masks = {line.action: str(line.mask) for line in host.state.lines.values()}
    assert masks["virtio0-input.0"] == "0-3" and masks["ice-eth1-TxRx-0"] == "1"
    assert host.state.interfaces["eth0"].tx[0].xps == CpuSet()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["plug", "unplug", "write", "reset"]),
            st.integers(0, 7),
            st.integers(1, 255),
        ),
        max_size=30,
    )
)
def test_vectors_are_neither_lost_nor_made_whatever_happens(
    events: list[tuple[str, int, int]],
) -> None:
    host = made(f"{SMALL},vectors=6")
    state = host.state
    for what, cpu, bits in events:
        if what == "plug" and cpu not in state.online:
            state.plug(cpu)
        elif what == "unplug" and cpu in state.online and len(state.online) > 1:
            state.unplug(cpu)
        elif what == "reset":
            state.reset(f"eth{cpu % 2}")
            host.census()
        elif what == "write":
            host.apply(
                [Move(24 + cpu, "x", 1, CpuSet(), CpuSet.from_bits(bits), "test", "")],
                (),
                None,
                False,
            )
    assert all(
        len(line.effective) == 1 and (line.managed or line.effective <= state.online)
        for line in state.lines.values()
    )
    for cpu in state.possible:
        held = sum(
            cpu in (line.mask if line.managed else line.effective) for line in state.lines.values()
        )
        assert state.used_vectors(cpu) == held
