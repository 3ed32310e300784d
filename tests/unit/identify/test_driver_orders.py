"""Names that count something else than queues, vectors that serve several queues, and NICs that
hang below no PCI device. The names are those that the drivers' sources build (docs/queues.md).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.identify.nic_queues import KernelQueues, nic_queues
from irqbal.identify.vector_names import NicDevice, Vector
from irqbal.model.queues import queues_text
from irqbal.model.view import Interface, RxQueue, TxQueue
from looking import look, queues_of
from trees import NamedNic, Other, TreeSpec, Upper, make_tree

PCI = "0000:01:00.0"


@pytest.mark.parametrize(
    ("nic", "truth"),
    [
        pytest.param(
            NamedNic(
                "vmxnet3", ("eth0-tx-0", "eth0-tx-1", "eth0-rx-2", "eth0-event-3"), rx=1, tx=2
            ),
            ("tx-0", "tx-1", "rx-0", ""),
            id="vmxnet3 counts on from Tx to Rx",
        ),
        pytest.param(
            NamedNic("bnxt_en", ("eth0-rx-0", "eth0-rx-1", "eth0-tx-2", "eth0-tx-3"), rx=2, tx=2),
            ("rx-0", "rx-1", "tx-0", "tx-1"),
            id="bnxt counts on from Rx to Tx",
        ),
        pytest.param(
            NamedNic("atlantic", ("eth0",) * 6, rx=4, tx=4),
            ("rxtx-0", "rxtx-1", "rxtx-2", "rxtx-3", "", ""),
            id="atlantic has one name for queues, link and PTP",
        ),
        pytest.param(
            NamedNic("igb", ("eth0",), rx=4, tx=4), ("rxtx-0-3",), id="one vector for all queues"
        ),
        pytest.param(
            NamedNic("virtio-pci", ("virtio0-config", "virtio0-virtqueues"), rx=2, tx=2),
            ("", "rxtx-0-1"),
            id="virtio without a vector for each queue",
        ),
        pytest.param(
            NamedNic("gve", tuple(f"eth%d-ntfy-block.{n}" for n in range(6)), rx=2, tx=3),
            ("tx-0", "tx-1", "tx-2", "rx-0", "rx-1", "rx-2"),
            id="gve names its vectors before the interface has one",
        ),
        pytest.param(
            NamedNic("tsnep", ("eth0-mac", "eth0-txrx-1", "eth0-txrx-2"), rx=3, tx=3),
            ("rxtx-0", "rxtx-1", "rxtx-2"),
            id="tsnep's queue 0 is on the vector of the MAC",
        ),
        pytest.param(
            NamedNic("alx", ("eth0", "eth0-TxRx-0", "eth0-tx-1", "eth0-tx-2"), rx=1, tx=3),
            ("", "rxtx-0", "tx-1", "tx-2"),
            id="alx has one Rx queue",
        ),
        pytest.param(
            NamedNic("qede", ("sp-0-01:00.00", *(f"eth0-fp-{n}" for n in range(3))), rx=2, tx=2),
            ("", "rx-0", "tx-0, eth0/rx-1", "tx-1"),
            id="qede: Rx, both, Tx",
        ),
        pytest.param(
            NamedNic("i40e", ("i40e-eth0-TxRx-0", "i40e-eth0-TxRx-1"), rx=5, tx=5),
            ("rxtx-0-2", "rxtx-3-4"),
            id="i40e gives neighbours one vector",
        ),
        pytest.param(
            NamedNic("ixgbe", ("eth0-TxRx-0", "eth0-TxRx-1", "eth0"), rx=5, tx=5),
            ("rxtx-0,2,4", "rxtx-1,3", ""),
            id="ixgbe gives vectors by turns",
        ),
        pytest.param(
            NamedNic("hns3", (f"hns3-{PCI}-TxRx-0", f"hns3-{PCI}-TxRx-2"), rx=4, tx=4),
            ("rxtx-0,2", "rxtx-1,3"),
            id="hns3 with fewer vectors than queues",
        ),
        pytest.param(
            NamedNic("lan743x", ("lan743x",) * 7, rx=4, tx=2),
            ("", "tx-0", "tx-1", "rx-0", "rx-1", "rx-2", "rx-3"),
            id="lan743x has one name for all",
        ),
        pytest.param(
            NamedNic("cxgb3", (PCI, "eth0-4", "eth0-5"), rx=2, tx=2),
            ("", "rxtx-0", "rxtx-1"),
            id="cxgb3 counts over both ports",
        ),
        pytest.param(
            NamedNic("fbnic", (PCI, "eth0", "eth0-TxRx-0", "eth0-TxRx-1"), rx=2, tx=2),
            ("", "", "rxtx-0", "rxtx-1"),
            id="fbnic's plain name is the link",
        ),
        pytest.param(
            NamedNic("bna", ("bna", "eth0 TXQ 0", "eth0 CQ 0", "eth0 CQ 1"), rx=2, tx=1),
            ("", "tx-0", "rx-0", "rx-1"),
            id="bna's names hold blanks",
        ),
        pytest.param(
            NamedNic("nfp", ("ctrl-rxtx-0", "eth0-lsc", "eth0-rxtx-0"), rx=1, tx=1),
            ("", "", "rxtx-0"),
            id="nfp's control queue is no queue of the NIC",
        ),
        pytest.param(
            NamedNic("bnx2x", ("eth0", "eth0-fp-0", "eth0-fp-1"), rx=2, tx=6),
            ("", "rxtx-0, eth0/tx-2,4", "rxtx-1, eth0/tx-3,5"),
            id="bnx2x has a Tx queue of each class on a vector",
        ),
        pytest.param(
            NamedNic("mlx5_core", tuple(f"mlx5_comp{n}@pci:{PCI}" for n in range(4)), rx=2, tx=4),
            ("rxtx-0, eth0/tx-2", "rxtx-1, eth0/tx-3", "rxtx-2", "rxtx-3"),
            id="mlx5 with fewer channels than vectors and two classes",
        ),
        pytest.param(
            NamedNic(
                "mlx5_core",
                (f"mlx5_comp5@pci:{PCI}", f"mlx5_comp0@pci:{PCI}", f"mlx5_comp1@pci:{PCI}"),
                rx=2,
                tx=2,
            ),
            ("rxtx-5", "rxtx-0", "rxtx-1"),
            id="mlx5's number is the channel, in whatever order vectors were asked for",
        ),
        pytest.param(
            NamedNic("vmxnet3", ("eth0-tx-0", "eth0-rx-1", "eth0-event-2"), rx=1, tx=4),
            ("tx-0-3", "rx-0", ""),
            id="vmxnet3 with one vector for all Tx queues",
        ),
        pytest.param(
            NamedNic(
                "gve",
                ("gve-ntfy-blk0@pci:0000:01:00", "gve-ntfy-blk1@pci:0000:01:0"),
                rx=1,
                tx=1,
            ),
            ("tx-0", "rx-0"),
            id="gve's names are cut",
        ),
        pytest.param(
            NamedNic("mystery", ("eth0-fdir-TxRx-0", "eth0-TxRx-0", "eth0-TxRx-1"), rx=2, tx=2),
            ("", "rxtx-0", "rxtx-1"),
            id="what stands between the interface and the form makes another form of it",
        ),
        pytest.param(
            NamedNic("mystery", ("eth0-rx-0", "eth0-rx-1", "eth0-xmit0"), rx=2, tx=2),
            ("rx-0", "rx-1", ""),
            id="Rx vectors beside strange ones serve no Tx",
        ),
        pytest.param(
            NamedNic("ixgbe", ("eth0", "strange0", "strange1"), rx=2, tx=2),
            ("", "", ""),
            id="a plain name beside strange ones may be the link's",
        ),
        pytest.param(
            NamedNic("igb", ("eth0", "eth0-TxRx-0", "eth0-TxRx-2"), rx=3, tx=3),
            ("", "rxtx-0", "rxtx-2"),
            id="a vector is missing, and the driver writes the queue's index",
        ),
        pytest.param(
            NamedNic("igb", ("eth0", "eth0-TxRx-1", "eth0-TxRx-2"), rx=2, tx=2),
            ("", "rxtx-0", "rxtx-1"),
            id="numbers beyond the queues",
        ),
        pytest.param(
            NamedNic("mystery", ("eth0-rx-3", "eth0-rx-5", "eth0-rx-9"), rx=3, tx=1),
            ("rx-0", "rx-1", "rx-2"),
            id="numbers with gaps",
        ),
    ],
)
def test_pci(nic: NamedNic, truth: tuple[str, ...], tmp_path: Path) -> None:
    assert tuple(queues_of(nic, tmp_path).values()) == truth


@pytest.mark.parametrize(
    ("nic", "truth"),
    [
        pytest.param(
            NamedNic("macb", ("eth0",) * 4, folder="ff0b0000.ethernet"),
            ("rxtx-0", "rxtx-1", "rxtx-2", "rxtx-3"),
            id="macb",
        ),
        pytest.param(
            NamedNic("bcmgenet", ("eth0", "eth0"), folder="fd580000.ethernet", rx=1, tx=5),
            ("", "rxtx-0, tx-1-4"),
            id="bcmgenet: the first is the link's",
        ),
        pytest.param(
            NamedNic("fec", ("30be0000.ethernet",) * 3, folder="30be0000.ethernet", rx=3, tx=3),
            ("rxtx-0-2",) * 3,
            id="fec: each may serve any queue",
        ),
        pytest.param(
            NamedNic(
                "virtio_net",
                ("virtio0",),
                folder="virtio0",
                rx=2,
                tx=2,
            ),
            ("rxtx-0-1",),
            id="virtio-mmio",
        ),
        pytest.param(
            NamedNic(
                "vif",
                ("vif1-q0-tx", "vif1-q0-rx", "vif1-q1-tx", "vif1-q1-rx"),
                folder="vif-1",
                chip="xen-dyn",
                rx=2,
                tx=2,
            ),
            ("tx-0", "rx-0", "tx-1", "rx-1"),
            id="xen",
        ),
        pytest.param(
            NamedNic("vif", ("eth0", "eth0"), folder="vif-0", chip="xen-dyn", rx=2, tx=2),
            ("rxtx-0", "rxtx-1"),
            id="xen without split event channels",
        ),
        pytest.param(
            NamedNic(
                "ravb",
                tuple(
                    f"e6800000.ethernet:{name}"
                    for name in ("ch0:rx_be", "ch1:rx_nc", "ch18:tx_be", "ch19:tx_nc", "ch24:emac")
                ),
                folder="e6800000.ethernet",
                rx=2,
                tx=2,
            ),
            ("rx-0", "rx-1", "tx-0", "tx-1", ""),
            id="ravb names hardware channels",
        ),
        pytest.param(
            NamedNic(
                "ibmvnic",
                ("ibmvnic-30000003-tx0", "ibmvnic-30000003-rx0", "ibmvnic-30000003"),
                folder="30000003",
                rx=1,
                tx=1,
            ),
            ("tx-0", "rx-0", ""),
            id="ibmvnic",
        ),
    ],
)
def test_below_no_pci_device(nic: NamedNic, truth: tuple[str, ...], tmp_path: Path) -> None:
    tree = make_tree(tmp_path, TreeSpec(devices=(nic,)))
    snapshot = look(tree)
    assert tuple(queues_text(irq.queues).replace("eth0/", "") for irq in snapshot.irqs) == truth
    device = snapshot.device_by_address[nic.folder]
    assert (device.driver, device.interfaces) == (nic.driver, ("eth0",))
    assert device.irqs == tuple(irq.number for irq in snapshot.irqs)
    # Such an IRQ keeps the identity that it had while irqbal knew no device of it.
    assert {irq.identity.split("/")[0] for irq in snapshot.irqs} == {nic.chip}


def test_two_xen_nics_keep_their_queues_apart(tmp_path: Path) -> None:
    nics = tuple(
        NamedNic(
            "vif",
            (f"vif{handle}-q0-tx", f"vif{handle}-q0-rx"),
            interface=f"eth{1 - handle}",
            folder=f"vif-{handle}",
            chip="xen-dyn",
            rx=1,
            tx=1,
        )
        for handle in (0, 1)
    )
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=nics)))
    assert {irq.action: queues_text(irq.queues) for irq in snapshot.irqs} == {
        "vif0-q0-tx": "eth1/tx-0",
        "vif0-q0-rx": "eth1/rx-0",
        "vif1-q0-tx": "eth0/tx-0",
        "vif1-q0-rx": "eth0/rx-0",
    }


def test_representors_never_own_the_queues_of_the_port(tmp_path: Path) -> None:
    nic = NamedNic(
        "mlx5_core",
        (f"mlx5_async0@pci:{PCI}", *(f"mlx5_comp{n}@pci:{PCI}" for n in range(2))),
        interface="enp1s0f0np0",
        port="p0",
        more=(("aaa0", "pf0vf0"), ("aab0", "c1pf0sf3"), ("aac0", "pf0hpf")),
        rx=2,
        tx=2,
    )
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=(nic,))))
    assert {irq.action: queues_text(irq.queues) for irq in snapshot.irqs if irq.queues} == {
        f"mlx5_comp{n}@pci:{PCI}": f"enp1s0f0np0/rxtx-{n}" for n in range(2)
    }
    assert snapshot.devices[0].interfaces == ("enp1s0f0np0",)
    assert [one.name for one in snapshot.interfaces if one.representor] == ["aaa0", "aab0", "aac0"]


def test_ports_of_one_function_by_their_names(tmp_path: Path) -> None:
    names = (PCI, "eth0-FWeventq", "eth0-Rx0", "eth0-Rx1", "eth1-Rx0", "eth1-Rx1")
    nic = NamedNic("cxgb4", names, more=(("eth1", ""),), rx=2, tx=2)
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=(nic,))))
    assert [queues_text(irq.queues) for irq in snapshot.irqs] == [
        "",
        "",
        "eth0/rxtx-0",
        "eth0/rxtx-1",
        "eth1/rxtx-0",
        "eth1/rxtx-1",
    ]


def test_a_vector_that_all_ports_share_serves_each(tmp_path: Path) -> None:
    nic = NamedNic("mlxsw_spectrum", ("mlxsw_spectrum",), more=(("eth1", ""),), rx=1, tx=1)
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=(nic,))))
    assert queues_text(snapshot.irqs[0].queues) == "eth0/rxtx-0, eth1/rxtx-0"
    assert snapshot.unrecognised == {}


def test_a_xen_backend_receives_what_its_guest_sends(tmp_path: Path) -> None:
    nics = tuple(
        NamedNic(
            "vif",
            (f"vif{guest}.0-q0-tx", f"vif{guest}.0-q0-rx"),
            interface=f"vif{guest}.0",
            folder=f"vif-{guest}-0",
            chip="xen-dyn",
            rx=1,
            tx=1,
        )
        for guest in (1, 2)
    )
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=nics)))
    assert [queues_text(irq.queues) for irq in snapshot.irqs] == [
        "vif1.0/rx-0",
        "vif1.0/tx-0",
        "vif2.0/rx-0",
        "vif2.0/tx-0",
    ]


def test_what_is_no_nic_has_no_nics_queues(tmp_path: Path) -> None:
    actions = ("hisi-q3", "sec-rx-0", "dw-edma-rx-0", "port0-tx-1", "ahcirq1", "ccpq1")
    devices = tuple(Other("accelerator", (action,)) for action in actions)
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=devices)))
    assert [irq.queues for irq in snapshot.irqs] == [()] * len(actions)


def test_evidence_is_known(tmp_path: Path) -> None:
    nics = (
        NamedNic("igb", ("eth0", "eth0-TxRx-0"), rx=1, tx=1),
        NamedNic("tg3", ("eth1-0", "eth1-txrx-1"), interface="eth1", rx=1, tx=1),
        NamedNic("r8169", ("eth2",), interface="eth2", rx=1, tx=1),
    )
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=nics)))
    assert {irq.action: irq.evidence for irq in snapshot.irqs} == {
        "eth0": "",
        "eth0-TxRx-0": "name",
        "eth1-0": "",
        "eth1-txrx-1": "rank",
        "eth2": "only vector",
    }


def test_what_the_kernel_says_outranks_names() -> None:
    """Names that say the contrary, a queue that the kernel does not name, an IRQ of another
    device.
    """
    queues = {"rx": (RxQueue(),) * 3, "tx": (TxQueue(),) * 3}
    interfaces = {"eth0": Interface("eth0", PCI, **queues)}  # type: ignore[arg-type]
    vectors = [Vector(30 + n, f"eth0-TxRx-{2 - n}") for n in range(3)]
    told = {("eth0", way, n): 30 + n for way in ("rx", "tx") for n in range(2)}
    told["eth0", "rx", 2] = 99
    device = NicDevice(PCI, "igc", ("eth0",), interfaces)
    found = nic_queues(device, vectors, KernelQueues(told))
    assert {
        number: (queues_text(served.queues), served.evidence) for number, served in found.items()
    } == {
        30: ("eth0/rxtx-0", "netlink"),
        31: ("eth0/rxtx-1", "netlink"),
        # The name of the last one says queue 0, which is another's.
    }


def test_a_tx_vector_that_the_kernel_does_not_know_of_keeps_its_queue() -> None:
    """e1000e on Linux 7.3: the kernel names the Rx vector for both; Tx is cleaned by the other."""
    interfaces = {"eth0": Interface("eth0", PCI, rx=(RxQueue(),), tx=(TxQueue(),))}
    names = ("eth0-rx-0", "eth0-tx-0", "eth0")
    vectors = [Vector(30 + at, name) for at, name in enumerate(names)]
    told = {("eth0", "rx", 0): 30, ("eth0", "tx", 0): 30}
    device = NicDevice(PCI, "e1000e", ("eth0",), interfaces)
    found = nic_queues(device, vectors, KernelQueues(told))
    assert {number: queues_text(served.queues) for number, served in found.items()} == {
        30: "eth0/rx-0",
        31: "eth0/tx-0",
    }


def test_irqs_of_a_bond_over_platform_nics_are_found_by_name(tmp_path: Path) -> None:
    nic = NamedNic("macb", ("eth0",), folder="ff0b0000.ethernet", rx=1, tx=1)
    uppers = (Upper("bond0", ("eth0",)), Upper("bond0.7", ("bond0",)))
    snapshot = look(make_tree(tmp_path, TreeSpec(devices=(nic,), uppers=uppers)))
    assert snapshot.irqs[0].device == "ff0b0000.ethernet"
