"""Every driver's names, and the traps in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.identify.device_queues import device_queues
from irqbal.identify.name_forms import DISK_FORMS, NIC_FORMS
from irqbal.identify.nic_queues import KernelQueues
from irqbal.identify.vector_names import Vector
from irqbal.kernel.host import KernelHost
from irqbal.model.queues import Queue
from irqbal.model.view import Device, Interface, RxQueue, TxQueue
from irqbal.planner.ledger import Ledger
from irqbal.tracking.tracker import HostTracker
from trees import (
    DISK_DRIVERS,
    NIC_DRIVERS,
    Disk,
    Nic,
    Other,
    TreeSpec,
    all_drivers,
    copy_host,
    make_tree,
)


def _found(folder: Path) -> dict[int, Queue]:
    """What the whole way from the files to the snapshot finds."""
    host = KernelHost(folder)
    try:
        snapshot = HostTracker(host, 1.0).look(Ledger())
    finally:
        host.close()
    return {irq.number: irq.queue for irq in snapshot.irqs if irq.queue is not None}


def identify(
    device: Device, actions: dict[int, str], interfaces: dict[str, Interface]
) -> dict[int, Queue]:
    """The IRQs that serve one queue. The vectors are in the order of their numbers."""
    vectors = [Vector(number, action) for number, action in sorted(actions.items())]
    found = device_queues(device, vectors, interfaces, KernelQueues())
    return {number: served.queues[0] for number, served in found.items() if len(served.queues) == 1}


def _name(device: Nic | Disk) -> str:
    form = "-separate" if isinstance(device, Nic) and device.separate else ""
    return (
        device.driver + form + ("-old" if isinstance(device, Nic) and device.style == "old" else "")
    )


IN_SYSFS = list(all_drivers())


@pytest.mark.parametrize("device", IN_SYSFS, ids=_name)
def test_queues_of_every_driver(device: Nic | Disk, tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(device,)))
    assert tree.queues()
    assert _found(tmp_path) == tree.queues()


def test_every_made_up_driver_is_in_the_table() -> None:
    known = {driver for form in (*NIC_FORMS, *DISK_FORMS) for driver in form.drivers}
    assert {"vif" if name == "xen-netfront" else name for name in NIC_DRIVERS} <= known
    assert set(DISK_DRIVERS) <= known


def test_kernel_before_6_8_finds_the_same(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path, TreeSpec(kernel=(6, 1), devices=(Nic("ice", "eth0"), Disk("nvme", "nvme0")))
    )
    assert _found(tmp_path) == tree.queues()


def test_entropy_device_whose_vector_is_named_input(tmp_path: Path) -> None:
    devices = (
        Other("virtio_rng", ("{virtio}-config", "{virtio}-input"), virtio=True),
        Nic("virtio_net", "eth0"),
    )
    tree = make_tree(tmp_path, TreeSpec(devices=devices))
    assert _found(tmp_path) == tree.queues()
    assert tree.number("virtio0-input") not in _found(tmp_path)


def test_vsock_whose_vectors_are_named_rx_and_tx(tmp_path: Path) -> None:
    actions = (
        "{virtio}-config",
        "{virtio}-rx",
        "{virtio}-tx",
        "{virtio}-event",
        "{virtio}-rx-0",
        "{virtio}-input.0",
    )
    tree = make_tree(tmp_path, TreeSpec(devices=(Other("vsock", actions, virtio=True),)))
    found = _found(tmp_path)
    assert tree.number("virtio0-rx") not in found
    assert tree.number("virtio0-tx") not in found
    # Even a name of the right form is no queue of a NIC, for there is none.
    assert tree.number("virtio0-input.0") not in found


def test_eth1_is_a_prefix_of_eth10(tmp_path: Path) -> None:
    devices = (Nic("igb", "eth1"), Nic("igb", "eth10"), Nic("igb", "eth100"))
    tree = make_tree(tmp_path, TreeSpec(devices=devices))
    found = _found(tmp_path)
    assert found == tree.queues()
    assert found[tree.number("eth10-TxRx-0")].name == "eth10"


@pytest.mark.parametrize(
    ("driver", "action"),
    [
        ("ena", "ena-mgmnt@pci:0000:01:00.0"),
        ("mlx5_core", "mlx5_async0@pci:0000:01:00.0"),
        ("mlx4_core", "mlx4-async@pci:0000:01:00.0"),
        ("mana", "mana_hwc@pci:0000:01:00.0"),
        ("virtio_net", "virtio0-config"),
        ("i40e", "i40e-0000:01:00.0:misc"),
        ("gve", "gve-mgmnt@pci:0000:01:00.0"),
        ("vmxnet3", "eth0-event-9"),
        ("idpf", "idpf-0000:01:00.0-Mailbox-0"),
        ("igb", "eth0"),
        ("nfp", "eth0-lsc"),
        ("hns3", "hclge-misc-0000:01:00.0"),
    ],
)
def test_vectors_that_are_no_queues(driver: str, action: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic(driver),)))
    assert tree.number(action) not in _found(tmp_path)


def test_subfunctions_queues_are_not_the_ports() -> None:
    device = Device("0000:01:00.0", "mlx5_core", interfaces=("eth0",), irqs=(1, 2))
    names = {1: "mlx5_sf_comp0", 2: "mlx5_comp0@pci:0000:01:00.0"}
    assert set(identify(device, names, {"eth0": Interface("eth0", "0000:01:00.0")})) == {2}


def test_nvme_admin_queue_is_none(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Disk("nvme", "nvme0"),)))
    assert tree.number("nvme0q0") not in _found(tmp_path)


def test_nic_that_was_renamed_after_its_irqs_were_requested(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("ixgbe", "ens1f0", renamed_from="eth0"),)))
    assert "eth0-TxRx-0" in {line.action for line in tree.lines.values()}
    assert {queue.name for queue in _found(tmp_path).values()} == {"ens1f0"}
    assert _found(tmp_path) == tree.queues()


def test_two_nics_that_swapped_their_names(tmp_path: Path) -> None:
    devices = (Nic("igb", "eth0", renamed_from="eth1"), Nic("igb", "eth1", renamed_from="eth0"))
    tree = make_tree(tmp_path, TreeSpec(devices=devices))
    assert _found(tmp_path) == tree.queues()


def test_nic_in_another_network_namespace_keeps_its_queues(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path, TreeSpec(devices=(Nic("igb", "eth0", hidden=True), Nic("igb", "eth5")))
    )
    assert _found(tmp_path) == tree.queues()


def test_nic_in_another_namespace_does_not_take_over_a_name(tmp_path: Path) -> None:
    """Each namespace may have its own eth0: the hidden one's queues must not be given to the one
    that is seen.
    """
    tree = make_tree(
        tmp_path, TreeSpec(devices=(Nic("igb", "eth0", hidden=True), Nic("ice", "eth0")))
    )
    found = _found(tmp_path)
    assert tree.number("eth0-TxRx-0") not in found
    assert found[tree.number("ice-eth0-TxRx-0")] == Queue("eth0", 0, "rxtx")


def test_hidden_nic_whose_vectors_bear_no_interface_is_unnamed(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(devices=(Nic("mlx5_core", "eth0", hidden=True),)))
    assert _found(tmp_path) == {}


def test_queue_beyond_ethtool_is_inactive(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("virtio_net", "eth0", queues=4, active=2),)))
    found = _found(tmp_path)
    assert found == tree.queues()
    assert found[tree.number("virtio0-input.1")].active
    assert not found[tree.number("virtio0-input.2")].active


def test_inactive_queues_of_a_real_kernel(tmp_path: Path) -> None:
    found = _found(copy_host("vm-8cpus", tmp_path))
    queues = [queue for queue in found.values() if queue.name == "eth0"]
    assert len(queues) == 8
    assert {(queue.index, queue.active) for queue in queues} == {
        (0, True),
        (1, True),
        (2, False),
        (3, False),
    }


def test_active_counts_are_of_the_queues_own_direction() -> None:
    interface = Interface("eth0", "a", tx=(TxQueue(),), rx=(RxQueue(), RxQueue()))
    device = Device("a", interfaces=("eth0",), irqs=(1, 2, 3, 4))
    names = {1: "eth0-rx-0", 2: "eth0-rx-1", 3: "eth0-tx-0", 4: "eth0-tx-1"}
    found = identify(device, names, {"eth0": interface})
    assert [found[number].active for number in names] == [True, True, True, False]


def test_two_ports_of_mlx4_have_one_half_of_its_vectors_each() -> None:
    device = Device("0000:17:00.0", "mlx4_core", interfaces=("eth0", "eth1"), irqs=(1, 2, 3))
    names = {3: "mlx4-async@pci:0000:17:00.0"}
    names |= {10 + n: f"mlx4-{n}@0000:17:00.0" for n in range(1, 5)}
    found = identify(device, names, {"eth0": Interface("eth0"), "eth1": Interface("eth1")})
    assert found == {
        11: Queue("eth0", 0, "rxtx"),
        12: Queue("eth0", 1, "rxtx"),
        13: Queue("eth1", 0, "rxtx"),
        14: Queue("eth1", 1, "rxtx"),
    }


@pytest.mark.parametrize(
    ("style", "name"), [("old", "eth0-ntfy-block.{}"), ("new", "gve-ntfy-blk{}@pci:0000:01:00.0")]
)
def test_gve_has_tx_in_the_first_half_and_rx_in_the_second(
    style: str, name: str, tmp_path: Path
) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("gve", "eth0", queues=3, style=style),)))
    found = _found(tmp_path)
    kinds = [
        (found[tree.number(name.format(i))].kind, found[tree.number(name.format(i))].index)
        for i in range(6)
    ]
    assert kinds == [("tx", 0), ("tx", 1), ("tx", 2), ("rx", 0), ("rx", 1), ("rx", 2)]


def test_name_of_another_devices_interface_is_not_believed() -> None:
    """A device with two ports, and an action that bears a third's name."""
    device = Device("a", "ice", interfaces=("eth0", "eth1"), irqs=(1,))
    known = {"eth0": Interface("eth0"), "eth1": Interface("eth1"), "eth2": Interface("eth2")}
    assert identify(device, {1: "ice-eth2-TxRx-0"}, known) == {}


def test_small_cloud_guest_has_two_queues_and_a_disk(tmp_path: Path) -> None:
    assert _found(copy_host("firecracker-2cpus", tmp_path)) == {
        36: Queue("virtio1", 0, "io"),
        38: Queue("eth0", 0, "rx"),
        39: Queue("eth0", 0, "tx"),
    }


def test_three_kinds_of_nic(tmp_path: Path) -> None:
    found = _found(copy_host("vm-vmxnet3-e1000e", tmp_path))
    by_name: dict[str, list[Queue]] = {}
    for queue in found.values():
        by_name.setdefault(queue.name, []).append(queue)
    assert {name: len(queues) for name, queues in by_name.items()} == {
        "eth0": 8,
        "eth1": 2,
        "eth2": 8,
        "nvme0": 8,
    }
    assert by_name["eth1"] == [Queue("eth1", 0, "rx"), Queue("eth1", 0, "tx")]
