"""Made-up hosts: one expression -> a tree of /proc and /sys that `KernelHost` reads, and that changes as a kernel's
would.

    tree = make_tree(tmp_path, HostSpec(sockets=2, cores=8, nodes=2, devices=(Nic("ice", "eth0", queues=4, node=1),)))
    tree.place("ice-eth0-TxRx-0", "3").count("ice-eth0-TxRx-0", 1000).spend(3, softirq=0.2).flush()
    host = tree.host()

CPUs are numbered as x86 does: first one thread of every core, socket by socket, then the cores' second threads. What a
captured tree of tests/hosts lost to git (modes, empty folders) is put back by `copy_host`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.kernel import KernelHost
from irqbal.kernel.capture import extract
from irqbal.model import Queue, QueueKind

HOSTS = Path(__file__).resolve().parent / "hosts"
"""Captured trees: `<name>/{proc,sys}`, `<name>/MODES`, `<name>/ORIGIN.md`."""

Named = tuple[str, Queue | None]
"""An action's name, and the queue that irqbal must find in it."""


class Nic(msgspec.Struct, frozen=True):
    """A network card. `active` queues of `queues` are in use (`ethtool -L`); None: all.

    `separate`: one IRQ for Rx and one for Tx, where the driver has both forms. `renamed_from`: the name that the IRQs
    bear. `hidden`: moved to another network namespace. `more`: further interfaces of the same device. `steered`: it has
    XPS. `address` empty: the next free one. `style` picks among a driver's namings (gve: old, new).
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


class Disk(msgspec.Struct, frozen=True):
    """A storage controller: nvme, virtio_blk, mpt3sas or megaraid_sas. `managed`: the kernel owns its queues' masks
    (not nvme's admin queue's).
    """

    driver: str = "nvme"
    name: str = "nvme0"
    queues: int = 4
    node: int = -1
    managed: bool = True
    address: str = ""


class Other(msgspec.Struct, frozen=True):
    """Any other PCI device with these actions, such as a virtio entropy device. `virtio`: it hangs below a virtio
    device.
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


class HostSpec(msgspec.Struct, frozen=True):
    """A made-up host. CPU lists are text, `0-3,8`; empty means all for `online`, none elsewhere.

    `cores` are those of a socket, `l3_cores` share one L3 (0: all of a socket), `nodes` split all cores evenly.
    `capacity` is by CPU number. `kernel`: from 6.8 on a vector's hwirq is its MSI index and its chip bears the address;
    from 6.12 on a managed IRQ's files are read-only. `partitions`: cgroup path -> (state, CPUs).
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
    devices: tuple[Nic | Disk | Other, ...] = ()
    platform: tuple[Platform, ...] = ()
    uppers: tuple[Upper, ...] = ()
    threads_running: tuple[Threaded, ...] = ()
    first_irq: int = 24
    kernel: tuple[int, int] = (6, 18)

    @property
    def cpus(self) -> int:
        """How many CPUs are present."""
        return self.sockets * self.cores * self.threads


class Line(msgspec.Struct):
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
        kinds: tuple[tuple[str, QueueKind], ...] = (("rx", "rx"), ("tx", "tx")) if nic.separate else ((word, "rxtx"),)
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
        first: list[Named] = [(text.format(address=address, interface=bears), None) for text in misc]
        return first + [
            (pattern.format(index=index + base, address=address, interface=bears),
             _queue(nic.interface, index, "rxtx", _active(nic)))
            for index in range(nic.queues)
        ]  # fmt: skip

    return named


def _gve(nic: Nic, address: str) -> list[Named]:
    bears = nic.renamed_from or nic.interface
    old = nic.style == "old"
    blocks = [f"{bears}-ntfy-block.{i}" if old else f"gve-ntfy-blk{i}@pci:{address}" for i in range(2 * nic.queues)]
    tx, rx = blocks[: nic.queues], blocks[nic.queues :]
    named: list[Named] = [(block, _queue(nic.interface, i, "tx", _active(nic))) for i, block in enumerate(tx)]
    named += [(block, _queue(nic.interface, i, "rx", _active(nic))) for i, block in enumerate(rx)]
    return [*named, (f"{bears}-mgmnt" if old else f"gve-mgmnt@pci:{address}", None)]


def _virtio(nic: Nic, address: str) -> list[Named]:
    named: list[Named] = [("{virtio}-config", None)]
    for index in range(nic.queues):
        named.append((f"{{virtio}}-input.{index}", _queue(nic.interface, index, "rx", _active(nic))))
        named.append((f"{{virtio}}-output.{index}", _queue(nic.interface, index, "tx", _active(nic))))
    return named


def _xen(nic: Nic, address: str) -> list[Named]:
    named: list[Named] = []
    for index in range(nic.queues):
        named.append((f"{nic.interface}-q{index}-tx", _queue(nic.interface, index, "tx", _active(nic))))
        named.append((f"{nic.interface}-q{index}-rx", _queue(nic.interface, index, "rx", _active(nic))))
    return named


def _active(nic: Nic) -> int:
    """A NIC in another namespace does not tell how many queues are in use: all count."""
    return nic.queues if nic.active is None or nic.hidden else nic.active


NIC_DRIVERS: dict[str, Callable[[Nic, str], list[Named]]] = {
    "igb": _txrx("{interface}-", "{interface}"),
    "igc": _txrx("{interface}-", "{interface}"),
    "ixgbe": _txrx("{interface}-", "{interface}"),
    "bnxt_en": _txrx("{interface}-"),
    "i40e": _txrx("i40e-{interface}-", "i40e-{address}:misc"),
    "iavf": _txrx("iavf-{interface}-", "iavf-{address}:mbx"),
    "ice": _txrx("ice-{interface}-", "ice-{address}:misc"),
    "idpf": _txrx("idpf-{interface}-", "idpf-{address}-Mailbox-0"),
    "hns3": _txrx("hns3-{address}-", "hclge-misc-{address}"),
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
    "xen-netfront": _xen,
}
"""Every network driver's actions, as its request_irq calls name them."""

DISK_DRIVERS: dict[str, Callable[[Disk], list[Named]]] = {
    "nvme": lambda disk: [(f"{disk.name}q0", None)]
    + [(f"{disk.name}q{i}", Queue(disk.name, i, "io")) for i in range(1, disk.queues + 1)],
    "virtio_blk": lambda disk: [("{virtio}-config", None)]
    + [(f"{{virtio}}-req.{i}", Queue("{virtio}", i, "io")) for i in range(disk.queues)],
    "mpt3sas": lambda disk: [(f"{disk.name}-msix{i}", Queue(disk.name, i, "io")) for i in range(disk.queues)],
    "megaraid_sas": lambda disk: [(f"{disk.name}-msix{i}", Queue(disk.name, i, "io")) for i in range(disk.queues)],
}
"""Every storage driver's actions. A virtio disk's own name (vda) is not in them."""


def make_tree(folder: Path, spec: HostSpec) -> Tree:
    """Write the host to an empty (or new) folder."""
    return Tree(folder, spec)


def copy_host(name: str, folder: Path) -> Path:
    """A captured tree of tests/hosts, copied so that it may be written to, with the modes and empty folders that git
    does not keep.
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
    """Put an archive that `irqbal.kernel.capture` made into tests/hosts, as `copy_host` reads it. ORIGIN.md is yours to
    write.
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
            # Git keeps no more of a mode than whether a file is executable; of the others only masks' modes tell
            # anything.
            if path.name.startswith("smp_affinity") and not path.stat().st_mode & 0o222:
                lines.append(f"444 {relative}")
            path.chmod(0o644)
    (folder / "MODES").write_text("".join(f"{line}\n" for line in lines))
    return folder


class Tree:
    """A made-up host on disk. IRQs are named by number or by action; changes of counts and times show after `flush`."""

    def __init__(self, folder: Path, spec: HostSpec) -> None:
        self.folder = folder
        self.spec = spec
        self.lines: dict[int, Line] = {}
        self.online = CpuSet.parse(spec.online) or CpuSet(range(spec.cpus))
        self.possible = CpuSet(range(spec.cpus))
        self._root = str(folder)
        self._folders: set[str] = set()
        self._next = spec.first_irq
        self._virtio = 0
        self._bus = 0
        self._times: dict[int, list[float]] = {cpu: [0.0, 0.0] for cpu in range(spec.cpus)}
        self._write_cpus()
        self._write_isolation()
        for platform in spec.platform:
            number = self._number() if platform.number is None else platform.number
            self._add(Line(number, platform.action, platform.chip, platform.hwirq, managed=platform.managed, counts={}))
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

    def text(self, path: str) -> str:
        """A file of the tree."""
        return (self.folder / path).read_text()

    # Changing

    def place(self, irq: int | str, cpus: str, effective: int | None = None) -> Tree:
        """Set a mask as the kernel (or somebody else) would, and where it takes effect (the first CPU, unless told)."""
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
        """Hotplug. Single-CPU masks of CPUs that went away are broken, as the kernel does; columns and cpuN lines go.
        """
        self.online = CpuSet.parse(cpus)
        self._write_online()
        for number in self.lines:
            if not self.effective(number) & self.online:
                self._write(f"proc/irq/{number}/effective_affinity_list", f"{self.online.first}\n")
        return self.flush()

    def renew(self, irq: int | str, action: str | None = None) -> Tree:
        """Free an IRQ and set it up anew, under the same number: a new folder, no counts, all CPUs; perhaps another
        action.
        """
        line = self.lines[self.number(irq)]
        # The old inode is kept in use, so that the new folder cannot get it again.
        old = self.folder / f"proc/irq/{line.number}"
        graveyard = self.folder / "graveyard"
        graveyard.mkdir(exist_ok=True)
        old.rename(graveyard / f"{line.number}-{len(list(graveyard.iterdir()))}")
        self._folders = {path for path in self._folders if not path.startswith(f"proc/irq/{line.number}")}
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
        names = ("HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU")
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
        return f"{''.join(lines)}intr {sum(totals)} {' '.join(map(str, totals))}\nctxt 0\nsoftirq 0 0\n"

    def _write_cpus(self) -> None:
        spec, base = self.spec, "sys/devices/system/cpu"
        all_cores = spec.sockets * spec.cores
        self._write(f"{base}/possible", f"{self.possible}\n")
        self._write(f"{base}/present", f"{self.possible}\n")
        share = spec.l3_cores or spec.cores
        for core in range(all_cores):
            socket, within = divmod(core, spec.cores)
            first = socket * spec.cores + within // share * share
            last = min(first + share, (socket + 1) * spec.cores)
            l3 = CpuSet(cpu + thread * all_cores for cpu in range(first, last) for thread in range(spec.threads))
            siblings = CpuSet(core + thread * all_cores for thread in range(spec.threads))
            for cpu in siblings:
                own = f"{base}/cpu{cpu}"
                self._write(f"{own}/topology/core_cpus_list", f"{siblings}\n")
                self._write(f"{own}/topology/physical_package_id", f"{socket}\n")
                self._write(f"{own}/cache/index3/level", "3\n")
                self._write(f"{own}/cache/index3/type", "Unified\n")
                self._write(f"{own}/cache/index3/shared_cpu_list", f"{l3}\n")
                if cpu in spec.capacity:
                    self._write(f"{own}/cpu_capacity", f"{spec.capacity[cpu]}\n")
        for node in range(spec.nodes):
            self._write(f"sys/devices/system/node/node{node}/cpulist", f"{self.node_cpus(node)}\n")
        self._write_online()

    def node_cpus(self, node: int) -> CpuSet:
        """The CPUs of a node; of -1, all."""
        if node < 0:
            return self.possible
        all_cores = self.spec.sockets * self.spec.cores
        low, high = node * all_cores // self.spec.nodes, (node + 1) * all_cores // self.spec.nodes
        return CpuSet(core + thread * all_cores for core in range(low, high) for thread in range(self.spec.threads))

    def _write_online(self) -> None:
        self._write("sys/devices/system/cpu/online", f"{self.online}\n")
        # An offline CPU's topology and caches are gone from sysfs.
        for cpu in self.possible - self.online:
            for name in ("topology", "cache"):
                here = self.folder / f"sys/devices/system/cpu/cpu{cpu}/{name}"
                if here.exists():
                    here.rename(here.with_name(f".{name}"))
        for cpu in self.online:
            for name in ("topology", "cache"):
                hidden = self.folder / f"sys/devices/system/cpu/cpu{cpu}/.{name}"
                if hidden.exists():
                    hidden.rename(hidden.with_name(name))

    def _write_isolation(self) -> None:
        spec = self.spec
        self._write("sys/devices/system/cpu/isolated", f"{spec.isolated}\n")
        if spec.nohz_full is not None:
            self._write("sys/devices/system/cpu/nohz_full", f"{spec.nohz_full}\n")
        self._write("proc/cmdline", f"BOOT_IMAGE=/vmlinuz quiet {spec.cmdline}".rstrip() + "\n")
        if not spec.partitions and spec.cpuset_isolated is None:
            return
        self._write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu memory\n")
        if spec.cpuset_isolated is not None:
            self._write("sys/fs/cgroup/cpuset.cpus.isolated", f"{spec.cpuset_isolated}\n")
        for path, (state, cpus) in spec.partitions.items():
            self._write(f"sys/fs/cgroup/{path}/cpuset.cpus.partition", f"{state}\n")
            self._write(f"sys/fs/cgroup/{path}/cpuset.cpus.effective", f"{cpus}\n")

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
        virtio = device.driver in ("virtio_net", "virtio_blk") or (isinstance(device, Other) and device.virtio)
        child = f"virtio{self._virtio}" if virtio else ""
        self._virtio += virtio
        self._write(f"{real}/class", "0x020000\n" if isinstance(device, Nic) else "0x010802\n")
        self._write(f"{real}/irq", "0\n")
        self._write(f"{real}/numa_node", f"{device.node}\n")
        self._write(f"{real}/local_cpulist", f"{self.node_cpus(device.node)}\n")
        self._link(f"{real}/driver", f"sys/bus/pci/drivers/{'virtio-pci' if virtio else device.driver}")
        self._link(f"sys/bus/pci/devices/{address}", real)
        below = f"{real}/{child}" if child else real
        self._folder(below)
        for index, (action, named) in enumerate(self._actions(device, address)):
            queue = named
            if named is not None and "{" in named.name:
                queue = Queue(child, named.index, named.kind, named.active)
            chip, hwirq = self._msi(address, index)
            managed = isinstance(device, Disk) and device.managed and queue is not None
            line = Line(
                self._number(), action.format(virtio=child), chip, hwirq, address, device.node, managed, queue, {}
            )  # fmt: skip
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
        return [(action.format(address=address, virtio="{virtio}"), None) for action in device.actions]

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
        for index, (action, queue) in enumerate(_xen(device, "")):
            self._add(Line(self._number(), action, "xen-dyn", index, queue=queue, counts={}))
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
            self._link(f"{os.path.relpath(below, os.path.realpath(self.folder))}/upper_{upper.interface}", real)

    def _write_threads(self) -> None:
        for thread in self.spec.threads_running:
            base = f"proc/{thread.pid}"
            self._write(f"{base}/comm", f"{thread.name}\n")
            fields = ["S", "2", *["0"] * 48]
            fields[36] = str(thread.cpu)
            self._write(f"{base}/stat", f"{thread.pid} ({thread.name}) {' '.join(fields)}\n")
            self._write(f"{base}/status", f"Name:\t{thread.name}\nCpus_allowed_list:\t{thread.cpus}\n")
        pids = " ".join(str(thread.pid) for thread in self.spec.threads_running)
        self._write("proc/2/task/2/children", f"{pids} \n")

    def _add(self, line: Line) -> None:
        assert line.number not in self.lines, f"IRQ {line.number} is there twice"
        self.lines[line.number] = line
        self._write_irq(line)

    def _write_irq(self, line: Line) -> None:
        base, sysfs = f"proc/irq/{line.number}", f"sys/kernel/irq/{line.number}"
        # A managed IRQ has one CPU here; every other may go anywhere, and starts on a CPU of its node by turns.
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

    # A tree of 512 CPUs and 2049 IRQs has some 30,000 files, so these stay away from pathlib.

    def _write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        self._folder(path.rpartition("/")[0])
        fd = os.open(f"{self._root}/{path}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            os.write(fd, text if isinstance(text, bytes) else text.encode())
        finally:
            os.close(fd)

    def _folder(self, path: str) -> None:
        if path and path not in self._folders:
            os.makedirs(f"{self._root}/{path}", exist_ok=True)  # noqa: PTH103
            self._folders.add(path)

    def _link(self, path: str, target: str) -> None:
        """A relative link; both paths count from the tree's root."""
        parent = path.rpartition("/")[0]
        self._folder(parent)
        os.symlink(os.path.relpath(target, parent), f"{self._root}/{path}")  # noqa: PTH211


def big_host(irqs: int = 2049, cpus: int = 512) -> HostSpec:
    """A large server: two sockets, eight nodes, SMT, one L3 for each eight cores; NICs and drives with `irqs` vectors
    in all.
    """
    nics: list[Nic] = []
    left = irqs
    while left > 0:
        nics.append(Nic("mlx5_core", f"eth{len(nics)}", queues=min(128, left) - 1, node=len(nics) % 8))
        left -= min(128, left)
    return HostSpec(sockets=2, cores=cpus // 4, threads=2, nodes=8, l3_cores=8, devices=tuple(nics))


def all_drivers() -> Iterable[Nic | Disk]:
    """A device of every driver, each alone on its host (their interface names would clash)."""
    yield from (Nic(driver) for driver in NIC_DRIVERS)
    yield Nic("gve", style="old")
    yield from (Nic(driver, separate=True) for driver in ("igb", "ixgbe", "i40e", "ice", "bnxt_en"))
    yield Disk("nvme", "nvme0")
    yield Disk("virtio_blk", "vda", queues=2)
    yield Disk("mpt3sas", "mpt3sas0", managed=False)
    yield Disk("megaraid_sas", "megasas0")
