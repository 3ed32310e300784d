"""Made-up hosts: one expression -> a tree of /proc and /sys that `KernelHost` reads, and that
changes as a kernel's would.

    tree = make_tree(tmp_path, HostSpec(sockets=2, cores=8, nodes=2, devices=(Nic("ice", "eth0",
    queues=4, node=1),)))
    tree.place("ice-eth0-TxRx-0", "3").count("ice-eth0-TxRx-0", 1000).spend(3, softirq=0.2).flush()
    host = tree.host()

CPUs are numbered as x86 does: first one thread of every core, socket by socket, then the cores'
second threads. What a captured tree of tests/hosts lost to git (modes, empty folders) is put back
by `copy_host`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.kernel.archive import extract
from irqbal.kernel.host import KernelHost
from irqbal.model.view import Queue
from places import HOSTS
from treespecs import (
    DISK_DRIVERS,
    NIC_DRIVERS,
    Disk,
    IrqLine,
    Named,
    Nic,
    Other,
    Platform,
    Threaded,
    TreeSpec,
    Upper,
    all_drivers,
    big_host,
    xen,
)
from treewrite import CpuFiles

__all__ = [
    "DISK_DRIVERS",
    "HOSTS",
    "NIC_DRIVERS",
    "Disk",
    "Nic",
    "Other",
    "Platform",
    "Threaded",
    "Tree",
    "TreeSpec",
    "Upper",
    "all_drivers",
    "big_host",
    "copy_host",
    "keep_host",
    "make_tree",
]

"""Captured trees: `<name>/{proc,sys}`, `<name>/MODES`, `<name>/ORIGIN.md`."""


def make_tree(folder: Path, spec: TreeSpec) -> Tree:
    """Write the host to an empty (or new) folder."""
    return Tree(folder, spec)


def copy_host(name: str, folder: Path) -> Path:
    """A captured tree of tests/hosts, copied so that it may be written to, with the modes and empty
    folders that git does not keep.
    """
    shutil.copytree(HOSTS / name, folder, symlinks=True, dirs_exist_ok=True)
    for line in (HOSTS / name / "MODES").read_text().splitlines():
        mode, _, path = line.partition(" ")
        if mode == "folder":
            (folder / path).mkdir(parents=True, exist_ok=True)
        else:
            (folder / path).chmod(int(mode, 8))
    return folder


def keep_host(archive: Path, name: str) -> Path:
    """Put an archive that `irqbal.kernel.capture` made into tests/hosts, as `copy_host` reads it.
    ORIGIN.md is yours to write.
    """
    folder = HOSTS / name
    folder.mkdir(parents=True)
    extract(archive, folder)
    lines = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            lines.append(f"folder {relative}")
        elif path.is_file() and not path.is_symlink():
            # Git keeps no more of a mode than whether a file is executable; of the others only
            # masks' modes tell anything.
            if path.name.startswith("smp_affinity") and not path.stat().st_mode & 0o222:
                lines.append(f"444 {relative}")
            path.chmod(0o644)
    (folder / "MODES").write_text("".join(f"{line}\n" for line in lines))
    return folder


class Tree(CpuFiles):
    """A made-up host on disk. IRQs are named by number or by action; changes of counts and times
    show after `flush`.
    """

    def __init__(self, folder: Path, spec: TreeSpec) -> None:
        super().__init__(folder, spec)
        self.lines: dict[int, IrqLine] = {}
        self._next = spec.first_irq
        self._virtio = 0
        self._bus = 0
        self._times: dict[int, list[float]] = {cpu: [0.0, 0.0] for cpu in range(spec.cpus)}
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
        self.flush()

    # Looking

    def host(self) -> KernelHost:
        """A reader of this tree. Close it."""
        return KernelHost(self.folder)

    def number(self, irq: int | str) -> int:
        """An IRQ's number, by number or action."""
        if isinstance(irq, int):
            return irq
        return next(line.number for line in self.lines.values() if line.action == irq)

    def queues(self) -> dict[int, Queue]:
        """The queue that irqbal must find, by IRQ number."""
        return {number: line.queue for number, line in self.lines.items() if line.queue is not None}

    def affinity(self, irq: int | str) -> CpuSet:
        """The mask that stands in the file."""
        return CpuSet.parse(self.text(f"proc/irq/{self.number(irq)}/smp_affinity_list"))

    def effective(self, irq: int | str) -> CpuSet:
        """The effective mask that stands in the file."""
        return CpuSet.parse(self.text(f"proc/irq/{self.number(irq)}/effective_affinity_list"))

    # Changing

    def place(self, irq: int | str, cpus: str, effective: int | None = None) -> Tree:
        """Set a mask as the kernel (or somebody else) would, and where it takes effect (the first
        CPU, unless told).
        """
        number, wanted = self.number(irq), CpuSet.parse(cpus)
        base = f"proc/irq/{number}"
        self._write(f"{base}/smp_affinity", f"{wanted.mask()}\n")
        self._write(f"{base}/smp_affinity_list", f"{wanted}\n")
        first = (wanted & self.online or wanted).first if effective is None else effective
        self._write(f"{base}/effective_affinity_list", f"{first}\n")
        return self

    def settle(self) -> Tree:
        """Let every mask that was written from outside take effect, as the next interrupt would."""
        for number in self.lines:
            wanted = self.affinity(number) & self.online
            if wanted and not self.effective(number) <= wanted:
                self._write(f"proc/irq/{number}/effective_affinity_list", f"{wanted.first}\n")
        return self

    def count(self, irq: int | str, interrupts: int, cpu: int | None = None) -> Tree:
        """Interrupts that came in, on the effective CPU unless told."""
        line = self.lines[self.number(irq)]
        cpu = self.effective(line.number).first if cpu is None else cpu
        line.counts[cpu] = line.counts.get(cpu, 0) + interrupts
        return self

    def spend(self, cpu: int, irq: float = 0.0, softirq: float = 0.0) -> Tree:
        """Seconds that a CPU spent in hard and soft interrupts."""
        self._times[cpu][0] += irq
        self._times[cpu][1] += softirq
        return self

    def set_online(self, cpus: str) -> Tree:
        """Hotplug. Single-CPU masks of CPUs that went away are broken, as the kernel does; columns
        and cpuN lines go.
        """
        self.online = CpuSet.parse(cpus)
        self._write_online()
        for number in self.lines:
            if not self.effective(number) & self.online:
                self._write(f"proc/irq/{number}/effective_affinity_list", f"{self.online.first}\n")
        return self.flush()

    def renew(self, irq: int | str, action: str | None = None) -> Tree:
        """Free an IRQ and set it up anew, under the same number: a new folder, no counts, all CPUs;
        perhaps another action.
        """
        line = self.lines[self.number(irq)]
        # The old inode is kept in use, so that the new folder cannot get it again.
        old = self.folder / f"proc/irq/{line.number}"
        graveyard = self.folder / "graveyard"
        graveyard.mkdir(exist_ok=True)
        old.rename(graveyard / f"{line.number}-{len(list(graveyard.iterdir()))}")
        self._folders = {
            path for path in self._folders if not path.startswith(f"proc/irq/{line.number}")
        }
        line.counts = {}
        line.action = action or line.action
        self._write_irq(line)
        return self.flush()

    def remove(self, irq: int | str) -> Tree:
        """Free an IRQ for good."""
        line = self.lines.pop(self.number(irq))
        shutil.rmtree(self.folder / f"proc/irq/{line.number}")
        shutil.rmtree(self.folder / f"sys/kernel/irq/{line.number}")
        self._folders = {path for path in self._folders if f"irq/{line.number}" not in path}
        if line.device:
            (self.folder / f"sys/bus/pci/devices/{line.device}/msi_irqs/{line.number}").unlink()
        return self.flush()

    def flush(self) -> Tree:
        """Write /proc/interrupts, /proc/stat and /proc/softirqs as they are now."""
        cpus = tuple(self.online)
        column = {cpu: index for index, cpu in enumerate(cpus)}
        width = max(3, *(len(str(number)) for number in self.lines)) if self.lines else 3
        zeros = [b"          0"] * len(cpus)
        rows = [b" " * (width + 8) + b"".join(b"CPU%-8d" % cpu for cpu in cpus) + b"\n"]
        for number, line in sorted(self.lines.items()):
            cells = zeros.copy()
            for cpu, count in line.counts.items():
                if cpu in column:
                    cells[column[cpu]] = b" %10d" % (count % (1 << 32))
            tail = f"  {line.chip} {line.hwirq:>3}-edge      {line.action}\n".encode()
            rows.append(b"%*d:" % (width, number) + b"".join(cells) + tail)
        local = b"".join(b" %10d" % (1000 + cpu) for cpu in cpus)
        rows.append(b"%*s:" % (width, b"LOC") + local + b"   Local timer interrupts\n")
        rows.append(b"%*s:          0\n" % (width, b"ERR") + b"%*s:          0\n" % (width, b"MIS"))
        self._write("proc/interrupts", b"".join(rows))
        self._write("proc/stat", self._stat())
        names = (
            "HI",
            "TIMER",
            "NET_TX",
            "NET_RX",
            "BLOCK",
            "IRQ_POLL",
            "TASKLET",
            "SCHED",
            "HRTIMER",
            "RCU",
        )
        head = " " * 21 + "".join(f"CPU{cpu:<8}" for cpu in cpus)
        body = "".join(f"{name:>12}:{'          0' * len(cpus)}\n" for name in names)
        self._write("proc/softirqs", f"{head}\n{body}")
        return self

    # Writing the parts

    def _stat(self) -> str:
        def cpu_line(name: str, irq: float, softirq: float) -> str:
            return f"{name} 0 0 0 0 0 {round(irq * 100)} {round(softirq * 100)} 0 0 0\n"

        lines = [cpu_line("cpu ", *map(sum, zip(*self._times.values(), strict=True)))]
        lines += [cpu_line(f"cpu{cpu}", *self._times[cpu]) for cpu in self.online]
        last = max(self.lines, default=0)
        totals = [0] * (last + 1)
        for number, line in self.lines.items():
            # It keeps what CPUs counted that are offline now.
            totals[number] = sum(line.counts.values()) % (1 << 32)
        return (
            f"{''.join(lines)}intr {sum(totals)} {' '.join(map(str, totals))}\nctxt 0\nsoftirq "
            "0 0\n"
        )

    def _number(self) -> int:
        while self._next in self.lines:
            self._next += 1
        self._next += 1
        return self._next - 1

    def _write_device(self, device: Nic | Disk | Other) -> None:
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
