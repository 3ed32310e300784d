"""Devices and what hangs below them: `/sys/bus/pci/devices`, `/sys/class/net`, `/sys/block`
(Documentation/ABI/testing/sysfs-bus-pci, sysfs-class-net, sysfs-class-net-queues).

Devices are found by their `msi_irqs`, since a NIC in another network namespace is missing from
`/sys/class/net`. They are then named by the interfaces and disks below them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.kernel.files import cpus_or, int_or, mask_or, names, text_or
from irqbal.model.view import Device, Interface, RxQueue, TxQueue

PATHS = (
    "sys/bus/pci/devices/*/irq",
    "sys/bus/pci/devices/*/numa_node",
    "sys/bus/pci/devices/*/local_cpulist",
    "sys/bus/pci/devices/*/msi_irqs/[0-9]*",
    "sys/bus/pci/devices/*/driver/",
    "sys/class/net/*/",
    "sys/class/net/*/operstate",
    "sys/class/net/*/phys_port_name",
    "sys/class/net/*/type",
    "sys/class/net/*/wireless/",
    "sys/class/net/*/phy80211/",
    "sys/class/net/*/device/",
    "sys/class/net/*/device/driver/",
    "sys/class/net/*/device/numa_node",
    "sys/class/net/*/lower_*/",
    "sys/class/net/*/queues/tx-[0-9]*/",
    "sys/class/net/*/queues/tx-[0-9]*/xps_cpus",
    "sys/class/net/*/queues/tx-[0-9]*/xps_rxqs",
    "sys/class/net/*/queues/rx-[0-9]*/",
    "sys/class/net/*/queues/rx-[0-9]*/rps_cpus",
    "sys/class/net/*/queues/rx-[0-9]*/rps_flow_cnt",
    "sys/block/*/device/",
    "sys/block/*/device/driver/",
    "sys/class/nvme/*/device/",
    "proc/sys/net/core/rps_sock_flow_entries",
)
"""Files below the root that this module reads (see `host.READERS`)."""

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


_SHARED = re.compile(r"usb\d+|\w+\.sf\.\d+")
"""Folders of a USB host controller, and of a subfunction on the auxiliary bus (mlx5_core.sf.2)."""
_REPRESENTOR = re.compile(r"(?:p\d+)?(?:c\d+)?pf\d+(?:(?:vf|sf)\d+|hpf)?")
"""`phys_port_name` of a port that stands for a function of an embedded switch
(Documentation/networking/representors.rst, net/devlink: `pf0vf1`, `c1pf0sf2`; BlueField's
`pf0hpf`). A physical port has another one, `p0`, or none.
"""


def read_devices(root: Path, interfaces: tuple[Interface, ...]) -> tuple[Device, ...]:
    """Every PCI device that has an IRQ, and every other device with a network interface; the IRQs
    of the latter are known by their names alone (see `tracking.irq_catalog`).
    """
    base = root / "sys/bus/pci/devices"
    nets = _interfaces_by_device(interfaces)
    disks = _read_disks(root)
    found = []
    for address in names(base):
        folder = base / address
        irqs = sorted(int(name) for name in names(folder / "msi_irqs") if name.isdecimal())
        if not irqs:
            line = int_or(folder / "irq", 0)
            irqs = [line] if 0 < line < 1 << 20 else []
        if not irqs:
            continue
        driver = _link_name(folder / "driver")
        node, local = int_or(folder / "numa_node", -1), cpus_or(folder / "local_cpulist", CpuSet())
        interfaces_here, disks_here = tuple(nets.get(address, ())), tuple(disks.get(address, ()))
        links = [root / "sys/class/net" / name for name in interfaces_here]
        links += [root / "sys/block" / name for name in disks_here]
        function = next((_link_name(link / "device/driver") for link in links), "")
        found.append(
            Device(
                address,
                driver,
                node,
                local,
                interfaces_here,
                disks_here,
                tuple(irqs),
                function if function.startswith("virtio_") else "",
            )
        )
    on_pci = set(names(base))
    for address, interfaces_here in nets.items():
        if address not in on_pci:
            link = root / "sys/class/net" / interfaces_here[0] / "device"
            node = int_or(link / "numa_node", -1)
            found.append(
                Device(address, _link_name(link / "driver"), node, CpuSet(), interfaces_here)
            )
    return tuple(found)


def _interfaces_by_device(interfaces: Iterable[Interface]) -> dict[str, tuple[str, ...]]:
    """The names of each device's interfaces. Representors are left out beside a port of the same
    device: their packets arrive through its queues.
    """
    found: dict[str, list[Interface]] = {}
    for interface in interfaces:
        if interface.device is not None:
            found.setdefault(interface.device, []).append(interface)
    return {
        address: tuple(
            one.name
            for one in here
            if not one.representor or all(each.representor for each in here)
        )
        for address, here in found.items()
    }


def read_interfaces(root: Path) -> tuple[Interface, ...]:
    """Every network interface of this network namespace, with its queues' steering."""
    base = root / "sys/class/net"
    found = []
    for name in names(base):
        folder = base / name
        if not folder.is_dir():
            continue
        lowers = tuple(entry[6:] for entry in names(folder) if entry.startswith("lower_"))
        tx, rx = _read_queues(f"{folder}/queues")
        device = _device_of(root, folder / "device")
        representor = _REPRESENTOR.fullmatch(text_or(folder / "phys_port_name")) is not None
        up = text_or(folder / "operstate") not in ("down", "notpresent", "lowerlayerdown")
        ethernet = text_or(folder / "type", "1") == "1" and not any(
            (folder / sign).exists() for sign in ("wireless", "phy80211")
        )
        found.append(Interface(name, device, up, lowers, tx, rx, representor, ethernet))
    return tuple(found)


def read_flow_entries(root: Path) -> int:
    """Entries of RFS's table of flows for the whole host (`rps_sock_flow_entries`;
    Documentation/networking/scaling.rst); 0 is off, -1 is a kernel without RPS.
    """
    return int_or(root / "proc/sys/net/core/rps_sock_flow_entries", -1)


def _read_queues(base: str) -> tuple[tuple[TxQueue, ...], tuple[RxQueue, ...]]:
    """Active queues in order. Reading `xps_cpus` of a NIC with one queue fails with ENOENT: it has
    no XPS.
    """
    tx: list[TxQueue] = []
    rx: list[RxQueue] = []
    kinds = set(names(base))
    while f"tx-{len(tx)}" in kinds:
        folder = f"{base}/tx-{len(tx)}"
        xps = _mask(f"{folder}/xps_cpus")
        by_rxqs = bool(mask_or(f"{folder}/xps_rxqs", CpuSet()))
        tx.append(TxQueue(xps, by_rxqs))
    while f"rx-{len(rx)}" in kinds:
        folder = f"{base}/rx-{len(rx)}"
        flows = int_or(f"{folder}/rps_flow_cnt", -1)
        rx.append(RxQueue(_mask(f"{folder}/rps_cpus"), flows if flows >= 0 else None))
    return tuple(tx), tuple(rx)


def _mask(path: str) -> CpuSet | None:
    text = text_or(path)
    if not text:
        return None
    try:
        return CpuSet.from_mask(text)
    except ValueError:
        return None


def _read_disks(root: Path) -> dict[str, list[str]]:
    """Names of disks and NVMe controllers by the address of the PCI device above them."""
    found: dict[str, list[str]] = {}
    for base in (root / "sys/block", root / "sys/class/nvme"):
        for name in names(base):
            address = _pci_of(root, base / name / "device")
            if address is not None and name not in found.setdefault(address, []):
                found[address].append(name)
    return found


def _pci_of(root: Path, link: Path) -> str | None:
    """The address of the PCI device at or above the target of a `device` link: a virtio device has
    the PCI device as its parent. None if there is no PCI device.
    """
    if not link.exists():
        return None
    real = Path(os.path.realpath(link))
    top = Path(os.path.realpath(root))
    for folder in (real, *real.parents):
        if folder == top:
            break
        if _ADDRESS.fullmatch(folder.name):
            return folder.name
        if (folder / "msi_irqs").is_dir():
            return folder.name
    return None


def _device_of(root: Path, link: Path) -> str | None:
    """The address of the PCI device of an interface; else the name of the device's folder (such as
    `30be0000.ethernet`, `virtio0`, `vif-0`). None for interfaces without a device: bonds, VLANs.
    """
    real = Path(os.path.realpath(link))
    # Packets of a USB adapter arrive through its host controller, those of a subfunction through
    # vectors that several share: neither has the PCI device's queues.
    apart = any(_SHARED.fullmatch(part) for part in real.parts)
    address = None if apart else _pci_of(root, link)
    if address is not None:
        return address
    # In a tree the target may be missing; its name is all that is needed.
    return real.name if link.exists() else (_link_name(link) or None)


def _link_name(link: Path) -> str:
    try:
        return Path(os.readlink(link)).name  # noqa: PTH115 - the text of the link, resolved or not
    except OSError:
        return ""
