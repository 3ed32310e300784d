"""pin_nic_queues: each active queue a CPU of its NIC's own node, its Rx and Tx together, and XPS,
RPS, RFS to match.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import builders as b
from irqbal.cpuset import CpuSet
from irqbal.model.plan import Plan
from irqbal.model.view import RxQueue, Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.problems import LocatedProblem, Node, decode
from irqbal_policies.pin_nic_queues import (
    PinNicQueues,
    QueueCpus,
    Rps,
    irqbal_options,
    irqbal_place,
)


def pin(**options: Any) -> b.Says:
    chosen = PinNicQueues(**options)
    return b.Says(
        "pin_nic_queues", place=lambda snapshot, draft: irqbal_place(snapshot, draft, chosen)
    )


def run(snapshot: Snapshot, *before: b.Says, **options: Any) -> Plan:
    return b.plan(snapshot, *before, pin(**options))


def homes(snapshot: Snapshot, *before: b.Says, **options: Any) -> dict[str, str]:
    """Action -> CPUs it is on once the plan is applied, of NIC queues."""
    later, _ = b.applied(snapshot, run(b.changed(snapshot, settling=True), *before, **options))
    return {
        irq.action: str(irq.affinity)
        for irq in later.irqs
        if irq.queue is not None and irq.queue.kind != "io"
    }


# Where queues go


def test_each_queue_gets_a_cpu_of_the_nics_own_node() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.nic("eth0", 4, node=1))
    assert list(homes(snapshot).values()) == ["4", "5", "6", "7"]


def test_rx_and_tx_of_a_queue_share_one_cpu() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.nic("eth0", 2, node=1, pairs=True))
    assert homes(snapshot) == {
        "eth0-rx-0": "4",
        "eth0-tx-0": "4",
        "eth0-rx-1": "5",
        "eth0-tx-1": "5",
    }


def test_inactive_queues_are_left_alone() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 4, active=2))
    assert sorted(b.moves_of(run(snapshot), snapshot)) == ["eth0-TxRx-0", "eth0-TxRx-1"]


def test_irqs_that_are_no_queues_are_left_alone() -> None:
    """virtio's -config and mlx5's async IRQs, disks, and IRQs of no device."""
    snapshot = b.host(
        b.cpus(8),
        b.nic("eth0", 1, extra=["virtio2-config", "mlx5_async@pci:0"]),
        b.nvme("nvme0", 2),
        b.lone("x"),
    )
    assert list(b.moves_of(run(snapshot), snapshot)) == ["eth0-TxRx-0"]


def test_a_nic_of_an_unknown_node_may_use_every_cpu() -> None:
    snapshot = b.host(b.cpus(4, nodes=2), b.nic("eth0", 4, node=-1))
    assert list(homes(snapshot).values()) == ["0", "1", "2", "3"]


def test_a_node_whose_cpus_are_all_forbidden_gives_way_to_another() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.nic("eth0", 2, node=1))
    assert list(homes(snapshot, b.limit("4-7")).values()) == ["0", "1"]


def test_limits_and_offline_cpus_are_kept_off() -> None:
    snapshot = b.host(b.cpus(8, nodes=2, offline="5"), b.nic("eth0", 2, node=1))
    assert list(homes(snapshot, b.limit("4")).values()) == ["6", "7"]


def test_an_override_is_not_moved() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 2))
    assert "eth0-TxRx-0" not in b.moves_of(
        run(snapshot, b.wants(snapshot, "p", eth0_TxRx_0="0-7")), snapshot
    )


def test_smt_avoid_gives_every_physical_core_a_queue_before_any_sibling() -> None:
    snapshot = b.host(b.cpus(8, threads=2), b.nic("eth0", 6))
    assert list(homes(snapshot).values()) == ["0", "1", "2", "3", "4", "5"]
    limited = homes(snapshot, b.limit("1,5"))
    assert list(limited.values()) == ["0", "2", "3", "4", "6", "7"]
    assert list(homes(b.host(b.cpus(8, threads=2), b.nic("eth0", 3)), b.limit("0")).values()) == [
        "1",
        "2",
        "3",
    ]


def test_smt_use_takes_siblings_like_any_cpu() -> None:
    snapshot = b.host(b.cpus(8, threads=2), b.nic("eth0", 3))
    assert list(homes(snapshot, b.limit("1-3"), smt="avoid").values()) == ["0", "5", "6"]
    assert list(homes(snapshot, b.limit("1-3"), smt="use").values()) == ["0", "4", "5"]


def test_several_nics_on_one_node_lie_side_by_side() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 3), b.nic("eth1", 3), b.nic("eth2", 2))
    assert sorted(homes(snapshot).values()) == list("01234567")


def test_nics_that_outnumber_the_cores_still_share_evenly() -> None:
    snapshot = b.host(b.cpus(8, threads=2), b.nic("eth0", 4), b.nic("eth1", 4), b.nic("eth2", 4))
    counts = Counter(int(cpu) % 4 for cpu in homes(snapshot).values())
    assert set(counts.values()) == {3}


def test_more_queues_than_cpus_wrap_evenly() -> None:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 10))
    assert sorted(Counter(homes(snapshot).values()).values()) == [2, 2, 3, 3]


def test_where_queues_share_a_cpu_hot_and_cool_ones_meet() -> None:
    loads = {f"eth0-TxRx-{i}": 0.1 * (i + 1) for i in range(8)}
    snapshot = b.host(b.cpus(4), b.nic("eth0", 8), loads=loads)
    on: dict[str, float] = {}
    for action, cpu in homes(snapshot).items():
        on[cpu] = on.get(cpu, 0.0) + loads[action]
    assert max(on.values()) == pytest.approx(min(on.values()))


def test_queues_that_share_cpus_stay_though_loads_change() -> None:
    loads = {f"eth0-TxRx-{i}": 0.1 * (i + 1) for i in range(8)}
    snapshot = b.host(b.cpus(4), b.nic("eth0", 8), loads=loads)
    snapshot, ledger = b.applied(snapshot, run(snapshot))
    for i in range(8):
        snapshot = b.changed(snapshot, f"eth0-TxRx-{i}", load=0.1 * ((3 * i) % 8 + 1))
    assert not b.planned(snapshot, ledger, Settings(cooldown=0.0), pin())[0].moves


@settings(max_examples=100, deadline=None)
@given(
    shape=st.sampled_from([(8, 2, 1), (16, 2, 2), (12, 1, 2), (4, 1, 1)]),
    nics=st.lists(
        st.tuples(st.integers(1, 20), st.integers(-1, 1), st.booleans()), min_size=1, max_size=3
    ),
    data=st.data(),
)
def test_any_host_is_covered_evenly_and_then_left_alone(
    shape: tuple[int, int, int], nics: list[tuple[int, int, bool]], data: st.DataObject
) -> None:
    count, nodes, threads = shape
    offline = CpuSet(data.draw(st.sets(st.integers(1, count - 1), max_size=count - 2)))
    parts: list[b.Maker] = [
        b.nic(f"eth{i}", queues, node if node < nodes else 0, pairs)
        for i, (queues, node, pairs) in enumerate(nics)
    ]
    snapshot = b.host(b.cpus(count, nodes, threads, offline=str(offline)), *parts, settling=True)
    made = run(snapshot)
    later, ledger = b.applied(snapshot, made)
    for halves in later.irqs_by_queue.values():
        masks = {half.affinity for half in halves}
        assert len(masks) == 1 and len(next(iter(masks))) == 1
        assert all(half.affinity <= later.local_cpus(half) for half in halves)
    if len(nics) == 1:
        room = later.local_cpus(later.irqs[0])
        counts = Counter(dict.fromkeys(room, 0))
        counts.update(halves[0].affinity.first for halves in later.irqs_by_queue.values())
        assert nics[0][0] > len(room) or max(counts.values()) == 1
    again, _ = b.planned(later, ledger, Settings(), pin())
    assert not again.moves and not again.steering


# Which interfaces


def test_globs_choose_interfaces() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 1), b.nic("eth1", 1), b.nic("ens3", 1))
    assert sorted(b.moves_of(run(snapshot, interfaces=("eth*",)), snapshot)) == [
        "eth0-TxRx-0",
        "eth1-TxRx-0",
    ]
    assert sorted(b.moves_of(run(snapshot, exclude=("eth*",)), snapshot)) == ["ens3-TxRx-0"]
    assert sorted(
        b.moves_of(run(snapshot, interfaces=("eth0", "ens3"), exclude=("ens?",)), snapshot)
    ) == ["eth0-TxRx-0"]


def test_a_bond_or_a_vlan_on_it_stands_for_its_nics() -> None:
    snapshot = b.host(
        b.cpus(8),
        b.nic("eth0", 1),
        b.nic("eth1", 1),
        b.nic("eth2", 1),
        b.over("bond0", "eth0", "eth1"),
        b.over("bond0.5", "bond0"),
    )
    for name in ("bond0", "bond0.5"):
        assert sorted(b.moves_of(run(snapshot, interfaces=(name,)), snapshot)) == [
            "eth0-TxRx-0",
            "eth1-TxRx-0",
        ]
    assert sorted(b.moves_of(run(snapshot, exclude=("bond0.5",)), snapshot)) == ["eth2-TxRx-0"]


def test_interfaces_that_are_made_of_each_other_do_not_hang_it() -> None:
    snapshot = b.host(
        b.cpus(8), b.nic("eth0", 1), b.over("veth0", "veth1"), b.over("veth1", "veth0", "eth0")
    )
    assert list(b.moves_of(run(snapshot, interfaces=("veth0",)), snapshot)) == ["eth0-TxRx-0"]


def test_an_interface_that_is_not_there_is_told() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 1))
    ((policy, note),) = run(snapshot, interfaces=("eth0", "eth9")).notes
    assert policy == "pin_nic_queues" and "'eth9'" in note.text and note.advice
    assert not run(b.host(b.cpus(2))).notes


# cpus


def test_cpus_all_uses_every_node() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.nic("eth0", 8, node=1))
    assert sorted(homes(snapshot, cpus=QueueCpus("all")).values()) == list("01234567")


def test_cpus_set_uses_that_set_only() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.nic("eth0", 2, node=1))
    assert list(homes(snapshot, cpus=QueueCpus(b.s("2-3"))).values()) == ["2", "3"]


def test_a_set_that_is_all_forbidden_places_nothing_there() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 2), at={"eth0-TxRx-0": "0", "eth0-TxRx-1": "0"})
    made = run(snapshot, b.limit("2-3"), cpus=QueueCpus(b.s("2-3")))
    assert not made.moves


# rebalance


def later_wish(snapshot: Snapshot) -> b.Says:
    return b.wants(snapshot, "spread", eth0_TxRx_0="3")


def test_with_rebalance_later_policies_choose_within_the_same_cpus() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.nic("eth0", 2))
    assert b.moves_of(b.plan(snapshot, pin(), later_wish(snapshot)), snapshot) == {
        "eth0-TxRx-0": "3",
        "eth0-TxRx-1": "1",
    }
    outside = b.plan(snapshot, pin(), b.wants(snapshot, "spread", eth0_TxRx_0="7"))
    assert b.moves_of(outside, snapshot)["eth0-TxRx-0"] == "0"
    assert b.refusals(outside, snapshot) == {"eth0-TxRx-0": "outside"}


def test_without_rebalance_queues_stay_where_they_were_put() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.nic("eth0", 2))
    made = b.plan(snapshot, pin(rebalance=False), later_wish(snapshot))
    assert b.moves_of(made, snapshot) == {"eth0-TxRx-0": "0", "eth0-TxRx-1": "1"}


# XPS, RPS, RFS


def steering(made: Plan, setting: str) -> dict[int, str]:
    return {move.queue: move.after for move in made.steering if move.setting == setting}


def test_xps_shares_all_cpus_out_over_the_active_queues() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.nic("eth0", 4, node=1, active=2))
    shares = steering(run(snapshot), "xps")
    assert sorted(shares) == [0, 1]
    assert 4 in b.s(shares[0]) and 5 in b.s(shares[1])
    assert b.s(shares[0]) | b.s(shares[1]) == b.s("0-7") and not b.s(shares[0]) & b.s(shares[1])


def test_xps_of_a_pair_follows_its_tx_half() -> None:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 2, pairs=True))
    shares = steering(run(snapshot, b.wants(snapshot, "p", eth0_tx_0="3", eth0_rx_0="1")), "xps")
    assert 3 in b.s(shares[0])


def test_xps_false_leaves_xps_alone() -> None:
    assert not run(b.host(b.cpus(4), b.nic("eth0", 2)), xps=False).steering


def test_a_single_queue_and_a_driver_without_xps_are_left_alone() -> None:
    assert not run(b.host(b.cpus(4), b.nic("eth0", 1))).steering
    assert not run(b.host(b.cpus(4), b.nic("eth0", 2, xps=False))).steering


def test_xps_is_left_alone_unless_every_tx_queue_is_known() -> None:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 2))
    snapshot = b.changed(snapshot, "eth0-TxRx-1", queues=())
    assert not run(snapshot).steering


def rps_host(rps: str) -> Snapshot:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 1), rfs_entries=1024)
    (interface,) = snapshot.interfaces
    return b.changed(snapshot, interfaces=(replace(interface, rx=(RxQueue(b.s(rps), 64),)),))


def test_rps_is_left_alone_switched_off_or_set() -> None:
    assert not run(rps_host("0-3")).steering
    assert steering(run(rps_host("0-3"), rps=Rps("off")), "rps") == {0: ""}
    assert not run(rps_host(""), rps=Rps("off")).steering
    assert steering(run(rps_host(""), rps=Rps(b.s("1-2"))), "rps") == {0: "1-2"}


def test_rfs_is_left_alone_switched_off_or_shared_out_over_the_queues() -> None:
    assert not run(rps_host("")).steering
    assert steering(run(rps_host(""), rfs="off"), "flows") == {0: "0"}
    snapshot = b.host(b.cpus(4), b.nic("eth0", 4), rfs_entries=32768)
    assert steering(run(snapshot, rfs="4096"), "flows") == dict.fromkeys(range(4), "1024")
    assert steering(run(snapshot, rfs="4000"), "flows") == dict.fromkeys(range(4), "1024")


def test_more_rfs_flows_than_the_kernels_table_are_told() -> None:
    ((_, note),) = run(rps_host(""), rfs="4096").notes
    assert "rps_sock_flow_entries is 1024" in note.text
    assert note.advice == "sysctl net.core.rps_sock_flow_entries=4096"
    assert not run(rps_host(""), rfs="1024").notes


# Options


def test_its_options_are_pin_nic_queues_with_these_defaults() -> None:
    assert irqbal_options() is PinNicQueues
    made = PinNicQueues()
    assert (made.interfaces, made.exclude, str(made.cpus), made.smt) == (
        ("*",),
        (),
        "local",
        "avoid",
    )
    assert (made.xps, str(made.rps), made.rfs, made.rebalance) == (True, "leave", "leave", True)


def read(**fields: str) -> tuple[PinNicQueues | None, list[str]]:
    problems: list[LocatedProblem] = []
    node = Node(1, {key: Node(2, value) for key, value in fields.items()})
    return decode(node, PinNicQueues, "p", problems), [problem.text for problem in problems]


def test_options_are_read_from_yaml() -> None:
    made, problems = read(
        cpus="0-3,8", smt="use", rps="off", rfs="4096", xps="false", rebalance="false"
    )
    assert not problems and made is not None
    assert (made.cpus.cpus, made.rps.word, made.rfs, made.xps) == (
        b.s("0-3,8"),
        "off",
        "4096",
        False,
    )


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("cpus", "near", "neither one of local, all nor a CPU set"),
        ("cpus", "", "cpus is empty"),
        ("smt", "maybe", "smt|avoid|Invalid"),
        ("rps", "on", "neither one of leave, off nor a CPU set"),
        ("rfs", "0", "rfs is '0'"),
        ("rfs", "many", "rfs is 'many'"),
        ("rfs", "²", "rfs is '²'"),
        ("rfs", "1048577", "up to 1048576"),
    ],
)
def test_options_that_make_no_sense_are_refused_with_a_sentence(
    key: str, value: str, says: str
) -> None:
    made, (problem,) = read(**{key: value})
    assert made is None
    assert any(part in problem for part in says.split("|")), problem


def test_it_is_at_rest_once_applied() -> None:
    snapshot = b.host(
        b.cpus(16, nodes=2, threads=2), b.nic("eth0", 6, node=1, pairs=True), b.nic("eth1", 20)
    )
    options = {"rps": Rps(b.s("0-7")), "rfs": "4096"}
    made = run(snapshot, **options)
    assert made.moves and made.steering
    later, ledger = b.applied(snapshot, made, Ledger())
    again, _ = b.planned(later, ledger, Settings(), pin(**options))
    assert not again.moves and not again.steering


def test_performance_cores_come_first() -> None:
    of = tuple(replace(cpu, capacity=614 if cpu.number < 2 else 1024) for cpu in b.cpus(4))
    snapshot = b.host(of, b.nic("eth0", 3), settling=True)
    homes = [str(move.after) for move in b.plan(snapshot, pin()).moves]
    assert homes == ["2", "3", "0"]


@pytest.mark.parametrize(
    ("node", "reason"), [(-1, "its NUMA node is unknown"), (7, "node 7 has no online CPU")]
)
def test_a_node_that_is_unknown_or_empty_is_not_called_its_own(node: int, reason: str) -> None:
    snapshot = b.host(b.cpus(4, nodes=2), b.nic("eth0", 2, node=node), settling=True)
    reasons = {move.reason for move in b.plan(snapshot, pin()).moves}
    assert reasons and all(reason in text and "own node" not in text for text in reasons)


def test_a_pci_nic_whose_local_cpus_are_all_has_no_known_node() -> None:
    """So the kernel says it of a device without a node."""
    snapshot = b.host(b.cpus(4, nodes=2), b.nic("eth0", 2, node=-1), settling=True)
    devices = tuple(replace(one, local_cpus=b.s("0-3")) for one in snapshot.devices)
    reasons = {move.reason for move in b.plan(replace(snapshot, devices=devices), pin()).moves}
    assert reasons and all("its NUMA node is unknown" in text for text in reasons)
