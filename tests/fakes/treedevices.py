"""Writing a made-up host's devices, IRQs and interrupt threads, as a kernel has them."""

from __future__ import annotations

import os
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.model.queues import Queue
from treespecs import (
    DISK_DRIVERS,
    NIC_DRIVERS,
    Disk,
    IrqLine,
    Named,
    NamedNic,
    Nic,
    Other,
    TreeSpec,
    Upper,
    xen,
)
from treewrite import CpuFiles


class DeviceFiles(CpuFiles):
    """Everything of a host but its counters."""

    def __init__(self, folder: Path, spec: TreeSpec) -> None:
        super().__init__(folder, spec)
        self.lines: dict[int, IrqLine] = {}
        self._next = spec.first_irq
        self._virtio = 0
        self._bus = 0
        for platform in spec.platform:
            number = self._number() if platform.number is None else platform.number
            self._add(
                IrqLine(
                    number,
                    platform.action,
                    platform.chip,
                    platform.hwirq,
                    managed=platform.managed,
                    counts={},
                )
            )
        for device in spec.devices:
            self._write_device(device)
        for upper in spec.uppers:
            self._write_upper(upper)
        self._write_threads()
        self._write("proc/irq/default_smp_affinity", f"{self.possible.mask()}\n")
        self._write("proc/sys/kernel/osrelease", f"{spec.kernel[0]}.{spec.kernel[1]}.0-made-up\n")
        self._write("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000001\n")
        softnet = (f"{'00000000 ' * 12}{cpu:08x} 00000000 00000000\n" for cpu in self.online)
        self._write("proc/net/softnet_stat", "".join(softnet))

    def _number(self) -> int:
        while self._next in self.lines:
            self._next += 1
        self._next += 1
        return self._next - 1

    def _write_device(self, device: Nic | NamedNic | Disk | Other) -> None:
        if isinstance(device, NamedNic):
            self._write_named(device)
            return
        if device.driver == "xen-netfront":
            self._write_xen(device)
            return
        if not device.address:
            self._bus += 1
        domain, bus = divmod(self._bus, 256)
        address = device.address or f"{domain:04x}:{bus:02x}:00.0"
        real = f"sys/devices/pci{address[:7]}/{address}"
        virtio = device.driver in ("virtio_net", "virtio_blk") or (
            isinstance(device, Other) and device.virtio
        )
        child = f"virtio{self._virtio}" if virtio else ""
        self._virtio += virtio
        self._write(f"{real}/class", "0x020000\n" if isinstance(device, Nic) else "0x010802\n")
        self._write(f"{real}/irq", "0\n")
        self._write(f"{real}/numa_node", f"{device.node}\n")
        self._write(f"{real}/local_cpulist", f"{self.node_cpus(device.node)}\n")
        self._link(
            f"{real}/driver", f"sys/bus/pci/drivers/{'virtio-pci' if virtio else device.driver}"
        )
        self._link(f"sys/bus/pci/devices/{address}", real)
        below = f"{real}/{child}" if child else real
        self._folder(below)
        for index, (action, named) in enumerate(self._actions(device, address)):
            queue = named
            if named is not None and "{" in named.name:
                queue = Queue(child, named.index, named.kind, named.active)
            chip, hwirq = self._msi(address, index)
            managed = isinstance(device, Disk) and device.managed and queue is not None
            line = IrqLine(
                self._number(),
                action.format(virtio=child),
                chip,
                hwirq,
                address,
                device.node,
                managed,
                queue,
                {},
            )
            self._write(f"{real}/msi_irqs/{line.number}", "msix\n")
            self._add(line)
        if isinstance(device, Nic) and not device.hidden:
            for interface in (device.interface, *device.more):
                self._write_interface(device, interface, below)
        elif isinstance(device, Disk):
            self._write_disk(device, below)

    def _actions(self, device: Nic | Disk | Other, address: str) -> list[Named]:
        if isinstance(device, Nic):
            return NIC_DRIVERS[device.driver](device, address)
        if isinstance(device, Disk):
            return DISK_DRIVERS[device.driver](device)
        return [
            (action.format(address=address, virtio="{virtio}"), None) for action in device.actions
        ]

    def _msi(self, address: str, index: int) -> tuple[str, int]:
        if self.spec.kernel >= (6, 8):
            return f"PCI-MSIX-{address}", index
        domain, bus, rest = address.split(":")
        device, function = rest.split(".")
        where = int(bus, 16) << 8 | int(device, 16) << 3 | int(function)
        return "PCI-MSI", (int(domain, 16) << 27 | where << 11 | index) & 0x7FFFFFFF

    def _write_xen(self, device: Nic | Disk | Other) -> None:
        """Event channels: no PCI device, no MSI."""
        assert isinstance(device, Nic)
        self._folder("sys/devices/vif-0")
        for index, (action, queue) in enumerate(xen(device, "")):
            self._add(IrqLine(self._number(), action, "xen-dyn", index, queue=queue, counts={}))
        self._write_interface(device, device.interface, "sys/devices/vif-0")

    def _write_named(self, nic: NamedNic) -> None:
        """On the PCI bus, or below the folder that the specification names."""
        self._bus += not nic.folder
        address = nic.address or f"0000:{self._bus:02x}:00.0"
        below = f"sys/devices/platform/{nic.folder}"
        if not nic.folder:
            below = f"sys/devices/pci{address[:7]}/{address}"
            self._write(f"{below}/irq", "0\n")
            self._write(f"{below}/local_cpulist", f"{self.node_cpus(nic.node)}\n")
            self._link(f"sys/bus/pci/devices/{address}", below)
        self._write(f"{below}/numa_node", f"{nic.node}\n")
        bus = "platform" if nic.folder else "pci"
        self._link(f"{below}/driver", f"sys/bus/{bus}/drivers/{nic.driver}")
        for index, action in enumerate(nic.actions):
            chip, hwirq = (nic.chip, 64 + index) if nic.folder else self._msi(address, index)
            on = "" if nic.folder else address
            line = IrqLine(self._number(), action, chip, hwirq, on, nic.node, counts={})
            if not nic.folder:
                self._write(f"{below}/msi_irqs/{line.number}", "msix\n")
            self._add(line)
        for interface, port in ((nic.interface, nic.port), *nic.more):
            real = f"{below}/net/{interface}"
            self._write(f"{real}/operstate", "up\n")
            if port:
                self._write(f"{real}/phys_port_name", f"{port}\n")
            self._link(f"{real}/device", below)
            self._link(f"sys/class/net/{interface}", real)
            for way, count in (("rx", nic.rx), ("tx", nic.tx)):
                for index in range(count):
                    self._folder(f"{real}/queues/{way}-{index}")

    def _write_interface(self, nic: Nic, interface: str, device: str) -> None:
        real = f"{device}/net/{interface}"
        self._write(f"{real}/operstate", "up\n" if nic.up else "down\n")
        self._link(f"{real}/device", device)
        self._link(f"sys/class/net/{interface}", real)
        active = nic.queues if nic.active is None else nic.active
        for index in range(active):
            rx, tx = f"{real}/queues/rx-{index}", f"{real}/queues/tx-{index}"
            self._write(f"{rx}/rps_cpus", f"{CpuSet().mask()}\n")
            self._write(f"{rx}/rps_flow_cnt", "0\n")
            self._folder(tx)
            # A NIC with one queue, or a driver without XPS, has the file and answers ENOENT.
            if nic.steered and active > 1:
                self._write(f"{tx}/xps_cpus", f"{CpuSet().mask()}\n")
                self._write(f"{tx}/xps_rxqs", "0\n")

    def _write_disk(self, disk: Disk, device: str) -> None:
        if disk.driver == "nvme":
            self._folder(f"{device}/nvme/{disk.name}")
            self._link(f"{device}/nvme/{disk.name}/device", device)
            self._link(f"sys/class/nvme/{disk.name}", f"{device}/nvme/{disk.name}")
            name, parent = f"{disk.name}n1", f"{device}/nvme/{disk.name}"
        elif disk.driver == "virtio_blk":
            name, parent = disk.name, device
        else:
            name, parent = f"sd{disk.name[-1]}", f"{device}/host0/target0:0:0/0:0:0:0"
        self._folder(f"{parent}/block/{name}")
        self._link(f"{parent}/block/{name}/device", parent)
        self._link(f"sys/block/{name}", f"{parent}/block/{name}")

    def _write_upper(self, upper: Upper) -> None:
        real = f"sys/devices/virtual/net/{upper.interface}"
        self._write(f"{real}/operstate", "up\n")
        self._link(f"sys/class/net/{upper.interface}", real)
        for lower in upper.lowers:
            self._link(f"{real}/lower_{lower}", f"sys/class/net/{lower}")
            below = os.path.realpath(self.folder / "sys/class/net" / lower)
            self._link(
                f"{os.path.relpath(below, os.path.realpath(self.folder))}/upper_{upper.interface}",
                real,
            )

    def _write_threads(self) -> None:
        for thread in self.spec.threads_running:
            base = f"proc/{thread.pid}"
            self._write(f"{base}/comm", f"{thread.name}\n")
            fields = ["S", "2", *["0"] * 48]
            fields[36] = str(thread.cpu)
            self._write(f"{base}/stat", f"{thread.pid} ({thread.name}) {' '.join(fields)}\n")
            self._write(
                f"{base}/status", f"Name:\t{thread.name}\nCpus_allowed_list:\t{thread.cpus}\n"
            )
        pids = " ".join(str(thread.pid) for thread in self.spec.threads_running)
        self._write("proc/2/task/2/children", f"{pids} \n")

    def _add(self, line: IrqLine) -> None:
        assert line.number not in self.lines, f"IRQ {line.number} is there twice"
        self.lines[line.number] = line
        self._write_irq(line)

    def _write_irq(self, line: IrqLine) -> None:
        base, sysfs = f"proc/irq/{line.number}", f"sys/kernel/irq/{line.number}"
        # A managed IRQ has one CPU here; every other may go anywhere, and starts on a CPU of its
        # node by turns.
        local = tuple(self.node_cpus(line.node) & self.online or self.online)
        start = local[line.number % len(local)]
        cpus = CpuSet.of(start) if line.managed else self.possible
        mode = 0o444 if line.managed and self.spec.kernel >= (6, 12) else 0o644
        self._write(f"{base}/smp_affinity", f"{cpus.mask()}\n", mode)
        self._write(f"{base}/smp_affinity_list", f"{cpus}\n", mode)
        self._write(f"{base}/effective_affinity_list", f"{start}\n", 0o444)
        self._write(f"{base}/affinity_hint", "0\n", 0o444)
        self._write(f"{base}/node", f"{line.node}\n", 0o444)
        self._write(f"{sysfs}/actions", f"{line.action}\n", 0o444)
        self._write(f"{sysfs}/chip_name", f"{line.chip}\n", 0o444)
        self._write(f"{sysfs}/hwirq", f"{line.hwirq}\n", 0o444)
