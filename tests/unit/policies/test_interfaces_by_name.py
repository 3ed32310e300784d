"""Rules and options that name an interface obey for every kind of NIC, and for what stands above
it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import builders as b
from irqbal.model.view import Snapshot
from irqbal_policies.pin_irqs import PinIrqs, Rule
from irqbal_policies.pin_irqs import irqbal_place as pin_irqs
from irqbal_policies.pin_nic_queues import PinNicQueues
from irqbal_policies.pin_nic_queues import irqbal_place as pin_queues
from looking import look
from trees import NamedNic, TreeSpec, Upper, make_tree

VF = "0001:00:02.0"
VMBUS = "f8615163-df3e-46c5-913f-f2d2f965ed0e"


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """A host with NICs on PCI, on the platform bus, on virtio-mmio, of Xen and of Hyper-V with its
    VF; a bond over two of them, a VLAN over the bond, a bridge over the VLAN.
    """
    soc = tuple(
        NamedNic("macb", (f"eth{n}",), interface=f"eth{n}", folder=f"e000{n}000.ethernet")
        for n in range(4)
    )
    devices = (
        *soc,
        NamedNic("igb", ("eth4-TxRx-0", "eth4"), interface="eth4", rx=1, tx=1),
        NamedNic("virtio_net", ("virtio0",), interface="eth5", folder="virtio0", rx=1, tx=1),
        NamedNic("vif", ("vif3-q0-tx", "vif3-q0-rx"), "eth6", 1, 1, folder="vif-3", chip="xen-dyn"),
        NamedNic("hv_netvsc", (), interface="eth7", folder=VMBUS),
        NamedNic(
            "mlx5_core", (f"mlx5_comp0@pci:{VF}",), interface="enP1s1", rx=1, tx=1, address=VF
        ),
    )
    uppers = (
        Upper("bond0", ("eth0", "eth4")),
        Upper("bond0.7", ("bond0",)),
        Upper("br0", ("bond0.7",)),
    )
    tree = make_tree(tmp_path, TreeSpec(devices=devices, uppers=uppers))
    # The interface of netvsc stands above its VF's.
    (tree.folder / f"sys/devices/platform/{VMBUS}/net/eth7/lower_enP1s1").symlink_to(
        tree.folder / "sys/class/net/enP1s1"
    )
    return look(tree)


@pytest.mark.parametrize(
    ("rule", "actions"),
    [
        (Rule(interface="eth1", leave=True), {"eth1"}),
        (Rule(interface="eth[0-3]", leave=True), {"eth0", "eth1", "eth2", "eth3"}),
        (Rule(driver="macb", leave=True), {"eth0", "eth1", "eth2", "eth3"}),
        (Rule(device="e0002000.ethernet", leave=True), {"eth2"}),
        (Rule(interface="bond0", leave=True), {"eth0", "eth4-TxRx-0", "eth4"}),
        (Rule(interface="bond0.7", leave=True), {"eth0", "eth4-TxRx-0", "eth4"}),
        (Rule(interface="br0", leave=True), {"eth0", "eth4-TxRx-0", "eth4"}),
        (Rule(interface="eth5", leave=True), {"virtio0"}),
        (Rule(interface="eth6", leave=True), {"vif3-q0-tx", "vif3-q0-rx"}),
        (Rule(driver="vif", leave=True), {"vif3-q0-tx", "vif3-q0-rx"}),
        (Rule(interface="eth7", leave=True), {f"mlx5_comp0@pci:{VF}"}),
        (Rule(queue="eth6/tx-*", leave=True), {"vif3-q0-tx"}),
    ],
)
def test_a_rule_of_pin_irqs(snapshot: Snapshot, rule: Rule, actions: set[str]) -> None:
    items = list(pin_irqs(snapshot, PinIrqs((rule,))))
    numbers = [item.irq for item in items if isinstance(item, b.Placement)]
    assert {snapshot.irq_by_number[number].action for number in numbers} == actions
    assert len(items) == len(numbers), "no note that the rule does nothing"


@pytest.mark.parametrize(
    ("glob", "interfaces"),
    [
        ("eth2", {"eth2"}),
        ("br0", {"eth0", "eth4"}),
        ("eth6", {"eth6"}),
        ("eth7", {"enP1s1"}),
    ],
)
def test_interfaces_of_pin_nic_queues(snapshot: Snapshot, glob: str, interfaces: set[str]) -> None:
    options = PinNicQueues(interfaces=(glob,))
    says = b.Says("pin", place=lambda snapshot, draft: pin_queues(snapshot, draft, options))
    made = b.plan(snapshot, says)
    numbers = [move.irq for move in made.moves] + [kept.irq for kept in made.kept]
    served = [queue.name for irq in numbers for queue in snapshot.irq_by_number[irq].queues]
    assert set(served) == interfaces


def test_four_nics_of_a_soc_are_left_alone_whatever_else_is_enabled(snapshot: Snapshot) -> None:
    leave = b.Says(
        "pin_irqs",
        place=lambda snapshot, draft: pin_irqs(
            snapshot, PinIrqs((Rule(driver="macb", leave=True),))
        ),
    )
    rest = b.Says("pin", place=lambda snapshot, draft: pin_queues(snapshot, draft, PinNicQueues()))
    made = b.plan(snapshot, leave, rest)
    moved = {snapshot.irq_by_number[move.irq].action for move in made.moves}
    assert not moved & {"eth0", "eth1", "eth2", "eth3"} and "eth4-TxRx-0" in moved
