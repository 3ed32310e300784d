"""XPS, RPS and RFS: what the queues' settings become once the IRQs' places are known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import builders as b
from irqbal.cpuset import CpuSet
from irqbal.model.draft import distance
from irqbal.model.plan import Limit, Plan, Steering
from irqbal.model.view import RxQueue, Snapshot, TxQueue
from irqbal.planner.steering import share_out


def follow(snapshot: Snapshot, interface: str = "eth0") -> b.Says:
    """A policy that has every Tx queue's XPS follow its IRQ."""
    irqs = [
        irq
        for irq in snapshot.irqs
        if irq.queue and irq.queue.name == interface and irq.queue.kind != "rx"
    ]
    return b.Says(
        "nic",
        (),
        tuple(
            Steering(interface, "tx", i, "nearest", near=irq.number) for i, irq in enumerate(irqs)
        ),
    )


def xps_of(made: Plan) -> dict[int, str]:
    return {move.queue: move.after for move in made.steering if move.setting == "xps"}


def test_xps_gives_every_online_cpu_to_the_queue_nearest_to_it() -> None:
    """Two nodes of four cores with two threads each, two cores an L3: same core, then L3, then
    node, then the rest.
    """
    snapshot = b.host(b.cpus(16, nodes=2, threads=2, l3=2), b.nic("eth0", 3))
    places = b.wants(snapshot, "p", eth0_TxRx_0="0", eth0_TxRx_1="2", eth0_TxRx_2="4")
    shares = xps_of(b.plan(snapshot, places, follow(snapshot)))
    # 0 and its sibling 8, and core 1 (1, 9) of its L3; 2, 10, 3, 11 alike; node 1 is nearest to CPU
    # 4
    assert shares == {0: "0-1,8-9", 1: "2-3,10-11", 2: "4-7,12-15"}


def test_equally_near_queues_share_the_cpus_evenly() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 2))
    shares = xps_of(
        b.plan(snapshot, b.wants(snapshot, "p", eth0_TxRx_0="0", eth0_TxRx_1="1"), follow(snapshot))
    )
    assert sorted(len(b.s(share)) for share in shares.values()) == [4, 4]
    assert 0 in b.s(shares[0]) and 1 in b.s(shares[1])


def test_xps_covers_isolated_cpus_too_though_no_irq_may_go_there() -> None:
    snapshot = b.host(b.cpus(8, isolated="6-7"), b.nic("eth0", 2))
    places = b.wants(snapshot, "p", eth0_TxRx_0="0", eth0_TxRx_1="1")
    shares = xps_of(b.plan(snapshot, b.limit("6-7"), places, follow(snapshot)))
    assert b.s(shares[0]) | b.s(shares[1]) == b.s("0-7")


def test_xps_names_no_offline_cpu() -> None:
    snapshot = b.host(b.cpus(8, offline="3"), b.nic("eth0", 2))
    places = b.wants(snapshot, "p", eth0_TxRx_0="0", eth0_TxRx_1="1")
    shares = xps_of(b.plan(snapshot, places, follow(snapshot)))
    assert b.s(shares[0]) | b.s(shares[1]) == b.s("0-2,4-7")


def test_xps_follows_where_an_irq_stays_when_its_move_is_held_back() -> None:
    snapshot = b.host(
        b.cpus(8, nodes=2), b.nic("eth0", 2), at={"eth0-TxRx-0": "0", "eth0-TxRx-1": "4"}
    )
    places = b.wants(snapshot, "p", eth0_TxRx_0="4", eth0_TxRx_1="0")
    assert xps_of(b.plan(snapshot, places, follow(snapshot), max_moves=0)) == {0: "0-3", 1: "4-7"}
    assert xps_of(b.plan(snapshot, places, follow(snapshot))) == {0: "4-7", 1: "0-3"}


def test_who_has_few_cpus_near_gets_more_of_the_far_ones() -> None:
    snapshot = b.host(b.cpus(16, nodes=2, l3=4, offline="13-15"), b.nic("eth0", 2))
    shares = xps_of(
        b.plan(
            snapshot, b.wants(snapshot, "p", eth0_TxRx_0="8", eth0_TxRx_1="12"), follow(snapshot)
        )
    )
    assert b.s("8-11") <= b.s(shares[0])
    assert sorted(len(b.s(share)) for share in shares.values()) == [6, 7]


def test_xps_is_left_alone_where_xps_rxqs_is_set_or_the_driver_has_none() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 2))
    (interface,) = snapshot.interfaces
    odd = replace(interface, tx=(TxQueue(CpuSet(), by_rxqs=True), TxQueue(None)))
    assert not b.plan(b.changed(snapshot, interfaces=(odd,)), follow(snapshot)).steering


def test_steering_that_is_already_right_is_not_written() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 2))
    policies = (b.wants(snapshot, "p", eth0_TxRx_0="0", eth0_TxRx_1="1"), follow(snapshot))
    made = b.plan(snapshot, *policies)
    assert made.steering
    later, ledger = b.applied(snapshot, made)
    assert not b.plan(later, *policies, ledger=ledger).steering


def test_rps_is_set_without_isolated_and_offline_cpus_which_the_kernel_drops() -> None:
    snapshot = b.host(b.cpus(8, offline="1", isolated="6-7"), b.nic("eth0", 1))
    made = b.plan(snapshot, b.Says("p", (), (Steering("eth0", "rx", 0, "r", cpus=b.s("0-7")),)))
    assert [(move.setting, move.after) for move in made.steering] == [("rps", "0,2-5")]


def test_rps_is_cut_by_limits_on_all_irqs() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 2))
    quiet = b.Says("quiet", (Limit(b.s("2-3"), "a meeting"),), ())
    wide = Steering("eth0", "rx", 0, "r", cpus=b.s("0-3"))
    narrow = Steering("eth0", "rx", 1, "r", cpus=b.s("3"))
    made = b.plan(snapshot, quiet, b.Says("p", (), (wide, narrow)))
    assert [(move.queue, move.after) for move in made.steering] == [(0, "0-1")]
    (refusal,) = [item for item in made.refused if item.code == "limited"]
    assert "quiet forbids CPUs 3 to RPS of eth0/rx-1: a meeting" in refusal.reason


def test_rps_that_reads_back_as_it_can_be_is_not_written_again() -> None:
    snapshot = b.host(b.cpus(8, offline="1", isolated="6-7"), b.nic("eth0", 1))
    (interface,) = snapshot.interfaces
    kept = b.changed(snapshot, interfaces=(replace(interface, rx=(RxQueue(b.s("0,2-5"), 0),)),))
    assert not b.plan(
        kept, b.Says("p", (), (Steering("eth0", "rx", 0, "r", cpus=b.s("0-7")),))
    ).steering


def test_rps_is_switched_off_and_rfs_set() -> None:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 1))
    (interface,) = snapshot.interfaces
    on = b.changed(snapshot, interfaces=(replace(interface, rx=(RxQueue(b.s("0-3"), 0),)),))
    made = b.plan(on, b.Says("p", (), (Steering("eth0", "rx", 0, "r", cpus=CpuSet(), flows=4096),)))
    assert {move.setting: (move.before, move.after) for move in made.steering} == {
        "rps": ("0-3", ""),
        "flows": ("0", "4096"),
    }


def test_the_first_policy_that_steers_a_queue_owns_it() -> None:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 1))
    first = b.Says("a", (), (Steering("eth0", "tx", 0, "a", cpus=b.s("1")),))
    made = b.plan(
        snapshot, first, b.Says("b", (), (Steering("eth0", "tx", 0, "b", cpus=b.s("2")),))
    )
    assert [(move.policy, move.after) for move in made.steering] == [("a", "1")]


@pytest.mark.parametrize(("interface", "queue"), [("eth0", 1), ("eth9", 0)])
def test_steering_of_a_queue_that_is_not_there_is_refused(interface: str, queue: int) -> None:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 1))
    made = b.plan(
        snapshot, b.Says("p", (), (Steering(interface, "tx", queue, "x", cpus=b.s("1")),))
    )
    assert not made.steering
    assert b.refusals(made, snapshot) == {"": "unknown"}


# The rules of the partition, for any host

shapes = st.sampled_from([(1, 1, 1, 0), (8, 2, 1, 2), (16, 2, 2, 2), (24, 3, 2, 4), (12, 1, 2, 3)])


@settings(deadline=None)
@given(shape=shapes, data=st.data())
def test_a_partition_covers_each_online_cpu_once_and_nearest_first(
    shape: tuple[int, int, int, int], data: st.DataObject
) -> None:
    count, nodes, threads, l3 = shape
    numbers = st.integers(0, count - 1)
    offline = data.draw(st.sets(numbers, max_size=count - 1))
    snapshot = b.host(b.cpus(count, nodes, threads, l3, offline=str(CpuSet(offline))))
    online = list(snapshot.online)
    home = st.sampled_from(online)
    homes = {
        i: CpuSet.of(cpu)
        for i, cpu in enumerate(data.draw(st.lists(home, min_size=1, max_size=2 * count)))
    }
    shares = share_out(snapshot, homes)
    assert set(shares) == set(homes)
    covered = CpuSet()
    for share in shares.values():
        assert share and share <= snapshot.online
        covered |= share
    assert covered == snapshot.online
    used = sum(len(share) for share in shares.values())
    assert used >= len(online) and (used == len(online) or len(homes) > 1)
    by = snapshot.cpu_by_number
    for queue, share in shares.items():
        for cpu in share:
            nearest = min(distance(by[cpu], by[other.first]) for other in homes.values())
            assert distance(by[cpu], by[homes[queue].first]) == nearest
    assert share_out(snapshot, homes, shares) == shares, "who has it fairly keeps it"
    other = homes | {0: CpuSet.of(data.draw(home))}
    again = share_out(snapshot, other, shares)
    assert share_out(snapshot, other, again) == again
    if len({home.bits for home in homes.values()}) == len(homes):
        assert used == len(online)  # no CPU is in two sets where each queue has a CPU of its own


def test_an_irq_that_moves_changes_few_queues() -> None:
    """32 queues for 128 CPUs: when one moves to another CPU of its node, the others keep their
    CPUs, but for the one that it came to.
    """
    snapshot = b.host(b.cpus(128, 2, 2, 8))
    homes = {queue: CpuSet.of(2 * queue) for queue in range(32)}
    before = share_out(snapshot, homes)
    after = share_out(snapshot, homes | {5: CpuSet.of(13)}, before)
    assert after != before
    assert sum(after[queue] != before[queue] for queue in homes) <= 4
    fresh = share_out(snapshot, homes | {5: CpuSet.of(13)})
    assert sorted(map(len, after.values())) == sorted(map(len, fresh.values())), (
        "and it is as fair as if made anew"
    )


def test_no_queues_give_no_shares() -> None:
    assert share_out(b.host(b.cpus(4)), {}) == {}


@pytest.mark.parametrize(
    ("one", "other", "far"), [(0, 0, 0), (0, 8, 1), (0, 1, 2), (0, 2, 3), (0, 4, 4)]
)
def test_distance_counts_core_l3_node(one: int, other: int, far: int) -> None:
    by = b.host(b.cpus(16, nodes=2, threads=2, l3=2)).cpu_by_number
    assert distance(by[one], by[other]) == distance(by[other], by[one]) == far
