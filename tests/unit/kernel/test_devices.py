"""PCI devices, and the interfaces and disks below them."""

from __future__ import annotations

from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.kernel.devices import read_devices, read_interfaces
from irqbal.model.view import Device, Interface, RxQueue, TxQueue
from trees import Disk, Nic, Other, Tree, TreeSpec, Upper, copy_host, make_tree


def _devices(root: Path) -> dict[str, Device]:
    return {device.address: device for device in read_devices(root, read_interfaces(root))}


def _interfaces(root: Path) -> dict[str, Interface]:
    return {interface.name: interface for interface in read_interfaces(root)}


def _only(tree: Tree) -> Device:
    (device,) = _devices(tree.folder).values()
    return device


def test_nic(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(sockets=2, nodes=2, devices=(Nic("ice", "eth0", node=1),)))
    assert _only(tree) == Device(
        "0000:01:00.0", "ice", 1, CpuSet.parse("4-7"), ("eth0",), (), tuple(tree.lines)
    )


def test_virtio_nic_hangs_below_its_pci_parent(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(nodes=2, devices=(Nic("virtio_net", "eth0", node=0),)))
    device = _only(tree)
    assert (device.driver, device.interfaces, device.node) == ("virtio-pci", ("eth0",), 0)
    assert _interfaces(tmp_path)["eth0"].device == device.address


def test_nvme_controller_and_namespace(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Disk("nvme", "nvme0"),)))
    assert _only(tree).disks == ("nvme0n1", "nvme0")


def test_disk_behind_a_host_adapter(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path, TreeSpec(devices=(Disk("mpt3sas", "mpt3sas0"), Disk("virtio_blk", "vda")))
    )
    assert [device.disks for device in _devices(tree.folder).values()] == [("sd0",), ("vda",)]


def test_nic_in_another_network_namespace_is_still_a_device(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("igb", "eth0", hidden=True),)))
    assert _interfaces(tmp_path) == {}
    device = _only(tree)
    assert (device.interfaces, device.irqs) == ((), tuple(tree.lines))


def test_two_interfaces_of_one_device(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("mlx4_core", "eth0", more=("eth1",)),)))
    assert _only(tree).interfaces == ("eth0", "eth1")


def test_device_without_msi_has_its_line(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Other("uhci_hcd", ()),)))
    assert _devices(tmp_path) == {}
    (tree.folder / "sys/bus/pci/devices/0000:01:00.0/irq").write_text("17\n")
    assert _only(tree).irqs == (17,)


def test_device_with_no_irq_is_left_out(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(devices=(Other("pcieport", ()),)))
    assert _devices(tmp_path) == {}


def test_device_without_a_driver(tmp_path: Path) -> None:
    tree = make_tree(
        tmp_path, TreeSpec(devices=(Other("vfio-pci", ("vfio-msix[0](0000:01:00.0)",)),))
    )
    (tree.folder / "sys/bus/pci/devices/0000:01:00.0/driver").unlink()
    assert _only(tree).driver == ""


def test_bond_and_vlan_know_what_they_are_made_of(tmp_path: Path) -> None:
    uppers = (Upper("bond0", ("eth0", "eth1")), Upper("bond0.5", ("bond0",)))
    spec = TreeSpec(devices=(Nic("ice", "eth0"), Nic("ice", "eth1")), uppers=uppers)
    make_tree(tmp_path, spec)
    found = _interfaces(tmp_path)
    assert found["bond0"].lowers == ("eth0", "eth1")
    assert found["bond0.5"].lowers == ("bond0",)
    assert found["bond0"].device is None
    assert found["eth0"].lowers == ()


def test_file_among_the_interfaces_is_none(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(devices=(Nic("ice", "eth0"),)))
    (tmp_path / "sys/class/net/bonding_masters").write_text("bond0\n")
    assert set(_interfaces(tmp_path)) == {"eth0"}


def test_states(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("ice", "eth0", up=False), Nic("ice", "eth1"))))
    assert [interface.up for interface in _interfaces(tmp_path).values()] == [False, True]
    # lo and tunnels say `unknown`, and work.
    (tree.folder / "sys/class/net/eth0/operstate").write_text("unknown\n")
    assert _interfaces(tmp_path)["eth0"].up


def test_steering_of_each_queue(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(Nic("ice", "eth0", queues=2),)))
    base = tree.folder / "sys/class/net/eth0/queues"
    (base / "tx-1/xps_cpus").write_text("0000000c\n")
    (base / "tx-0/xps_rxqs").write_text("1\n")
    (base / "rx-0/rps_cpus").write_text("3\n")
    (base / "rx-1/rps_flow_cnt").write_text("4096\n")
    eth0 = _interfaces(tmp_path)["eth0"]
    assert eth0.tx == (TxQueue(CpuSet(), True), TxQueue(CpuSet.of(2, 3), False))
    assert eth0.rx == (RxQueue(CpuSet.of(0, 1), 0), RxQueue(CpuSet(), 4096))


def test_nic_with_one_queue_has_no_xps(tmp_path: Path) -> None:
    make_tree(tmp_path, TreeSpec(devices=(Nic("virtio_net", "eth0", queues=1),)))
    assert _interfaces(tmp_path)["eth0"].tx == (TxQueue(None, False),)


def test_more_than_ten_queues_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Sorted by name, tx-10 comes before tx-2."""
    tree = make_tree(
        tmp_path, TreeSpec(sockets=2, cores=8, devices=(Nic("ice", "eth0", queues=12),))
    )
    for index in range(12):
        (tree.folder / f"sys/class/net/eth0/queues/tx-{index}/xps_cpus").write_text(
            f"{1 << index:x}\n"
        )
    assert [queue.xps for queue in _interfaces(tmp_path)["eth0"].tx] == [
        CpuSet.of(index) for index in range(12)
    ]


def test_small_cloud_guest(tmp_path: Path) -> None:
    devices = _devices(copy_host("firecracker-2cpus", tmp_path))
    assert {address: (device.interfaces, device.disks) for address, device in devices.items()} == {
        "0000:00:01.0": ((), ()),
        "0000:00:02.0": ((), ("vda",)),
        "0000:00:03.0": (("eth0",), ()),
        "0000:00:04.0": ((), ()),
        "0000:00:05.0": ((), ()),
    }
    assert devices["0000:00:03.0"].irqs == (37, 38, 39)


def test_machine_with_three_kinds_of_nic(tmp_path: Path) -> None:
    root = copy_host("vm-vmxnet3-e1000e", tmp_path)
    nics = {device.interfaces: device for device in _devices(root).values() if device.interfaces}
    assert {names[0]: (device.driver, device.node) for names, device in nics.items()} == {
        "eth0": ("virtio-pci", 1),
        "eth1": ("e1000e", -1),
        "eth2": ("vmxnet3", -1),
    }
    found = _interfaces(root)
    assert {
        name: (len(found[name].rx), len(found[name].tx)) for name in ("eth0", "eth1", "eth2")
    } == {
        "eth0": (4, 4),
        "eth1": (1, 1),
        "eth2": (8, 8),
    }
    assert found["eth1"].tx[0].xps is None
