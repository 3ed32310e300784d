from __future__ import annotations

import irqbal_power
import pytest

from irqbal import CpuSet, Snapshot
from irqbal.errors import IrqbalError
from irqbal.testing import Simulated, applied, ask, changed, check_policy, cpus, host, nic

EAGER = {"pack_below": "50%", "spread_above": "60%"}


@pytest.mark.parametrize("options", [{}, EAGER])
def test_it_keeps_the_contract(options: dict[str, str]) -> None:
    check_policy(irqbal_power, options)


def after(snapshot: Snapshot) -> Snapshot:
    return applied(snapshot, ask(snapshot, irqbal_power))[0]


def loaded(snapshot: Snapshot, load: float) -> Snapshot:
    """The same host with this load for each of its queues."""
    for irq in snapshot.irqs:
        snapshot = changed(snapshot, irq.action, load=load, rate=load * 1e4)
    return snapshot


def used(snapshot: Snapshot) -> CpuSet:
    return CpuSet(cpu for irq in snapshot.irqs for cpu in irq.affinity)


def test_an_idle_host_is_packed_on_a_cpu_of_each_node_and_parted_with_hysteresis() -> None:
    idle = host(cpus(16, nodes=2), nic("eth0", 8), nic("eth1", 8, node=1))
    packed = after(loaded(idle, 0.002))
    assert used(packed) == CpuSet.of(0, 8)
    between = after(loaded(packed, 0.02))  # 2 % on average: still packed …
    assert used(between) == CpuSet.of(0, 8)
    busy = after(loaded(between, 0.1))
    assert used(busy) == CpuSet.parse("0-15")
    assert used(after(loaded(busy, 0.02))) == CpuSet.parse("0-15")  # … and now still parted
    assert used(after(loaded(busy, 0.002))) == CpuSet.of(0, 8)


def test_no_cpu_is_overloaded_by_packing() -> None:
    snapshot = loaded(host(cpus(64), nic("eth0", 8)), 0.05)
    packed = after(snapshot)
    assert used(packed) == CpuSet.of(0), "0.4 of one CPU, 0.6 % on average"
    many = after(loaded(host(cpus(4), nic("eth0", 250), settling=True), 1e-6))
    assert max(sum(cpu in irq.affinity for irq in many.irqs) for cpu in range(4)) <= 100


@pytest.mark.parametrize(("busy", "count"), [("0.2%", 1), ("40%", 4)])
def test_on_a_made_up_host(irqbal_host: type[Simulated], busy: str, count: int) -> None:
    made = irqbal_host(f"1x4,nic=8,busy={busy}", irqbal_power, "spread_by_rate")
    records = made.balance(8)
    assert (
        len(CpuSet(cpu for action, cpus in made.places.items() if "TxRx" in action for cpu in cpus))
        == count
    )
    assert not records[-1].plan.moves


def test_thresholds_that_would_flap_are_refused() -> None:
    with pytest.raises(IrqbalError, match="pack_below must be less than spread_above"):
        ask(host(cpus(2)), (irqbal_power, {"pack_below": "5%"}))
