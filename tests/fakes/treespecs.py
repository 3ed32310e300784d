"""Specifications of made-up hosts: CPUs, devices, and how drivers name their IRQs. `trees` writes
them to disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from irqbal.model.queues import Queue, QueueKind

Named = tuple[str, Queue | None]
"""An action's name, and the queue that irqbal must find in it."""


class Nic(msgspec.Struct, frozen=True):
    """A network card. `active` queues of `queues` are in use (`ethtool -L`); None: all.

    `separate`: one IRQ for Rx and one for Tx, where the driver has both forms. `renamed_from`: the
    interface's name in the IRQs' actions. `hidden`: moved to another network namespace. `more`:
    further interfaces of the same device. `steered`: it has XPS. `address`: by default the next
    free one. `style` picks among a driver's namings (gve: old, new).
    """

    driver: str
    interface: str = "eth0"
    queues: int = 4
    node: int = -1
    active: int | None = None
    separate: bool = False
    renamed_from: str = ""
    hidden: bool = False
    up: bool = True
    more: tuple[str, ...] = ()
    steered: bool = True
    address: str = ""
    style: str = "new"


class NamedNic(msgspec.Struct, frozen=True):
    """A network card with these actions, in the order of the MSI index, and so many queues.

    `folder` is the name of its device's folder in /sys for a NIC below no PCI device (`vif-0`,
    `30be0000.ethernet`), whose `chip` raises its interrupts. `port` is phys_port_name. `more` are
    further interfaces of the same device, each with its phys_port_name.
    """

    driver: str
    actions: tuple[str, ...]
    interface: str = "eth0"
    rx: int = 4
    tx: int = 4
    node: int = -1
    address: str = ""
    folder: str = ""
    chip: str = "GICv3"
    port: str = ""
    more: tuple[tuple[str, str], ...] = ()


class Disk(msgspec.Struct, frozen=True):
    """A storage controller: nvme, virtio_blk, mpt3sas or megaraid_sas. `managed`: the kernel owns
    its queues' masks (not nvme's admin queue's).
    """

    driver: str = "nvme"
    name: str = "nvme0"
    queues: int = 4
    node: int = -1
    managed: bool = True
    address: str = ""


class Other(msgspec.Struct, frozen=True):
    """Any other PCI device with these actions, such as an entropy device. `virtio`: there is a
    virtio device below the PCI device.
    """

    driver: str
    actions: tuple[str, ...]
    node: int = -1
    address: str = ""
    virtio: bool = False


class Platform(msgspec.Struct, frozen=True):
    """An IRQ without a PCI device. `number` None: the next free one."""

    action: str
    number: int | None = None
    chip: str = "IO-APIC"
    hwirq: int = 0
    managed: bool = False


class Upper(msgspec.Struct, frozen=True):
    """A bond, bridge or VLAN over other interfaces."""

    interface: str
    lowers: tuple[str, ...]


class Threaded(msgspec.Struct, frozen=True):
    """A kernel thread, by its whole name: `irq/30-eth0`, `napi/eth0-8193`."""

    name: str
    cpus: str
    cpu: int
    pid: int


class TreeSpec(msgspec.Struct, frozen=True):
    """A made-up host. CPU lists are text, `0-3,8`; empty means all for `online`, none elsewhere.

    `cores` are those of a socket, `l3_cores` share one L3 (0: all of a socket), `nodes` split all
    cores evenly. `capacity` is by CPU number. `kernel`: from 6.8 on a vector's hwirq is its MSI
    index and its chip bears the address; from 6.12 on a managed IRQ's files are read-only.
    `partitions`: cgroup path -> (state, CPUs).
    """

    sockets: int = 1
    cores: int = 4
    threads: int = 1
    nodes: int = 1
    l3_cores: int = 0
    online: str = ""
    capacity: dict[int, int] = {}
    isolated: str = ""
    nohz_full: str | None = None
    cmdline: str = ""
    partitions: dict[str, tuple[str, str]] = {}
    cpuset_isolated: str | None = None
    devices: tuple[Nic | NamedNic | Disk | Other, ...] = ()
    platform: tuple[Platform, ...] = ()
    uppers: tuple[Upper, ...] = ()
    threads_running: tuple[Threaded, ...] = ()
    first_irq: int = 24
    kernel: tuple[int, int] = (6, 18)

    @property
    def cpus(self) -> int:
        """How many CPUs are present."""
        return self.sockets * self.cores * self.threads


class IrqLine(msgspec.Struct):
    """One IRQ of a tree as it is now; `queue` is what irqbal must find, `counts` are by CPU."""

    number: int
    action: str
    chip: str
    hwirq: int
    device: str = ""
    node: int = -1
    managed: bool = False
    queue: Queue | None = None
    counts: dict[int, int] = {}


def _queue(name: str, index: int, kind: QueueKind, active: int) -> Queue:
    return Queue(name, index, kind, index < active)


def _txrx(prefix: str, misc: str = "", word: str = "TxRx") -> Callable[[Nic, str], list[Named]]:
    """`<prefix>-TxRx-N`, or `-rx-N` and `-tx-N`."""

    def named(nic: Nic, address: str) -> list[Named]:
        bears = nic.renamed_from or nic.interface
        stem = prefix.format(interface=bears, address=address)
        first: list[Named] = [(misc.format(interface=bears, address=address), None)] if misc else []
        kinds: tuple[tuple[str, QueueKind], ...] = (
            (("rx", "rx"), ("tx", "tx")) if nic.separate else ((word, "rxtx"),)
        )
        return first + [
            (f"{stem}{part}-{index}", _queue(nic.interface, index, kind, _active(nic)))
            for part, kind in kinds
            for index in range(nic.queues)
        ]

    return named


def _plain(pattern: str, *misc: str, base: int = 0) -> Callable[[Nic, str], list[Named]]:
    """Combined queues whose name has the index in `{index}`, counted from `base`."""

    def named(nic: Nic, address: str) -> list[Named]:
        bears = nic.renamed_from or nic.interface
        first: list[Named] = [
            (text.format(address=address, interface=bears), None) for text in misc
        ]
        return first + [
            (
                pattern.format(index=index + base, address=address, interface=bears),
                _queue(nic.interface, index, "rxtx", _active(nic)),
            )
            for index in range(nic.queues)
        ]

    return named


def _gve(nic: Nic, address: str) -> list[Named]:
    bears = nic.renamed_from or nic.interface
    old = nic.style == "old"
    blocks = [
        f"{bears}-ntfy-block.{i}" if old else f"gve-ntfy-blk{i}@pci:{address}"
        for i in range(2 * nic.queues)
    ]
    tx, rx = blocks[: nic.queues], blocks[nic.queues :]
    named: list[Named] = [
        (block, _queue(nic.interface, i, "tx", _active(nic))) for i, block in enumerate(tx)
    ]
    named += [(block, _queue(nic.interface, i, "rx", _active(nic))) for i, block in enumerate(rx)]
    return [*named, (f"{bears}-mgmnt" if old else f"gve-mgmnt@pci:{address}", None)]


def _virtio(nic: Nic, address: str) -> list[Named]:
    named: list[Named] = [("{virtio}-config", None)]
    for index in range(nic.queues):
        rx, tx = _halves(nic, index)
        named += [(f"{{virtio}}-input.{index}", rx), (f"{{virtio}}-output.{index}", tx)]
    return named


def xen(nic: Nic, address: str) -> list[Named]:
    named: list[Named] = []
    for index in range(nic.queues):
        rx, tx = _halves(nic, index)
        named += [(f"vif0-q{index}-tx", tx), (f"vif0-q{index}-rx", rx)]
    return named


def _halves(nic: Nic, index: int) -> tuple[Queue, Queue]:
    """The Rx and the Tx queue with this index."""
    name, active = nic.interface, _active(nic)
    return _queue(name, index, "rx", active), _queue(name, index, "tx", active)


def _active(nic: Nic) -> int:
    """Queues in use. Those of a NIC in another namespace are unknown, so all of them count."""
    return nic.queues if nic.active is None or nic.hidden else nic.active


def _hns3(nic: Nic, address: str) -> list[Named]:
    """The driver raises its counter twice a vector."""
    return [
        (
            f"hns3-{address}-TxRx-{2 * index}",
            _queue(nic.interface, index, "rxtx", _active(nic)),
        )
        for index in range(nic.queues)
    ] + [(f"hclge-misc-{address}", None)]


NIC_DRIVERS: dict[str, Callable[[Nic, str], list[Named]]] = {
    "igb": _txrx("{interface}-", "{interface}"),
    "igc": _txrx("{interface}-", "{interface}"),
    "ixgbe": _txrx("{interface}-", "{interface}"),
    "bnxt_en": _txrx("{interface}-"),
    "i40e": _txrx("i40e-{interface}-", "i40e-{address}:misc"),
    "iavf": _txrx("iavf-{interface}-", "iavf-{address}:mbx"),
    "ice": _txrx("ice-{interface}-", "ice-{address}:misc"),
    "idpf": _txrx("idpf-{interface}-", "idpf-{address}-Mailbox-0"),
    "hns3": _hns3,
    "mlx5_core": _plain("mlx5_comp{index}@pci:{address}", "mlx5_async0@pci:{address}"),
    "mlx4_core": _plain("mlx4-{index}@{address}", "mlx4-async@pci:{address}", base=1),
    "ena": _plain("{interface}-Tx-Rx-{index}", "ena-mgmnt@pci:{address}"),
    "mana": _plain("mana_q{index}@pci:{address}", "mana_hwc@pci:{address}"),
    "vmxnet3": _plain("{interface}-rxtx-{index}", "{interface}-event-9"),
    "nfp": _plain("{interface}-rxtx-{index}", "{interface}-lsc"),
    "rvu_nicpf": _plain("{interface}-rxtx-{index}", "RVUPFAF Mbox"),
    "qede": _plain("{interface}-fp-{index}"),
    "gve": _gve,
    "virtio_net": _virtio,
    "xen-netfront": xen,
}
"""Every network driver's actions, as its request_irq calls name them."""

DISK_DRIVERS: dict[str, Callable[[Disk], list[Named]]] = {
    "nvme": lambda disk: (
        [(f"{disk.name}q0", None)]
        + [(f"{disk.name}q{i}", Queue(disk.name, i, "io")) for i in range(1, disk.queues + 1)]
    ),
    "virtio_blk": lambda disk: (
        [("{virtio}-config", None)]
        + [(f"{{virtio}}-req.{i}", Queue("{virtio}", i, "io")) for i in range(disk.queues)]
    ),
    "mpt3sas": lambda disk: [
        (f"{disk.name}-msix{i}", Queue(disk.name, i, "io")) for i in range(disk.queues)
    ],
    "megaraid_sas": lambda disk: [
        (f"{disk.name}-msix{i}", Queue(disk.name, i, "io")) for i in range(disk.queues)
    ],
}
"""Every storage driver's actions. A virtio disk's own name (vda) is not in them."""


def big_host(irqs: int = 2049, cpus: int = 512) -> TreeSpec:
    """A large server: two sockets, eight nodes, SMT, one L3 for each eight cores; NICs and drives
    with `irqs` vectors in all.
    """
    nics: list[Nic] = []
    left = irqs
    while left > 0:
        nics.append(
            Nic("mlx5_core", f"eth{len(nics)}", queues=min(128, left) - 1, node=len(nics) % 8)
        )
        left -= min(128, left)
    return TreeSpec(sockets=2, cores=cpus // 4, threads=2, nodes=8, l3_cores=8, devices=tuple(nics))


def all_drivers() -> Iterable[Nic | Disk]:
    """A device of every driver, each alone on its host (their interface names would clash)."""
    yield from (Nic(driver) for driver in NIC_DRIVERS)
    yield Nic("gve", style="old")
    yield from (Nic(driver, separate=True) for driver in ("igb", "ixgbe", "i40e", "ice", "bnxt_en"))
    yield Disk("nvme", "nvme0")
    yield Disk("virtio_blk", "vda", queues=2)
    yield Disk("mpt3sas", "mpt3sas0", managed=False)
    yield Disk("megaraid_sas", "megasas0")


EVERYTHING = TreeSpec(
    sockets=2,
    cores=4,
    threads=2,
    nodes=2,
    l3_cores=2,
    online="0-9,11-15",
    isolated="3",
    nohz_full="3,11",
    cmdline="isolcpus=managed_irq,5 nohz_full=3,11",
    partitions={"rt/x": ("isolated", "6"), "y": ("member", "1")},
    capacity={1: 512},
    uppers=(Upper("bond0", ("eth0", "eth1")),),
    devices=(
        Nic("ice", "eth0", node=0),
        Nic("virtio_net", "eth1", active=2),
        Nic("xen-netfront", "eth7"),
        Nic("igb", "eth3", hidden=True),
        Disk("nvme", "nvme0"),
        Disk("mpt3sas", "mpt3sas0"),
        Other("virtio_rng", ("{virtio}-input",), virtio=True),
    ),
    threads_running=(
        Threaded("irq/30-ice-eth0-TxRx-1", "1-2", 2, 77),
        Threaded("napi/eth0-8193", "0-15", 4, 78),
    ),
)
"""A host with something in every file that irqbal reads."""
