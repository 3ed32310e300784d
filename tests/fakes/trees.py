"""Made-up hosts: one expression gives a tree of /proc and /sys that `KernelHost` reads, and that
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

import shutil
from pathlib import Path

from archives import extract
from irqbal.cpuset import CpuSet
from irqbal.kernel.host import KernelHost
from irqbal.model.queues import Queue
from places import HOSTS
from treedevices import DeviceFiles
from treespecs import (
    DISK_DRIVERS,
    EVERYTHING,
    NIC_DRIVERS,
    Disk,
    NamedNic,
    Nic,
    Other,
    Platform,
    Threaded,
    TreeSpec,
    Upper,
    all_drivers,
    big_host,
)

__all__ = [
    "DISK_DRIVERS",
    "EVERYTHING",
    "HOSTS",
    "NIC_DRIVERS",
    "Disk",
    "NamedNic",
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

SOFTIRQS = "HI TIMER NET_TX NET_RX BLOCK IRQ_POLL TASKLET SCHED HRTIMER RCU"
"""The rows of /proc/softirqs, by number (include/linux/interrupt.h)."""


def make_tree(folder: Path, spec: TreeSpec) -> Tree:
    """Write the host to an empty (or new) folder."""
    return Tree(folder, spec)


def copy_host(name: str, folder: Path) -> Path:
    """Copy a captured tree of tests/hosts (`<name>/{proc,sys}`) into a folder that tests may
    change. `<name>/MODES` lists the modes and empty folders that git does not store.
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
    """Unpack an archive of `irqbal.kernel.capture` into tests/hosts, for `copy_host`. Its ORIGIN.md
    must be written by hand.
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
            # Of a mode git stores only whether a file is executable. Only masks need more.
            if path.name.startswith("smp_affinity") and not path.stat().st_mode & 0o222:
                lines.append(f"444 {relative}")
            path.chmod(0o644)
    (folder / "MODES").write_text("".join(f"{line}\n" for line in lines))
    return folder


class Tree(DeviceFiles):
    """A made-up host on disk. IRQs are named by number or by action; changes of counts and times
    show after `flush`.
    """

    def __init__(self, folder: Path, spec: TreeSpec) -> None:
        super().__init__(folder, spec)
        self._times: dict[int, list[float]] = {cpu: [0.0, 0.0] for cpu in range(spec.cpus)}
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
        """Set a mask as the kernel or another program would, and the CPU where it takes effect (by
        default the first one).
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
        """Count interrupts, by default on the effective CPU."""
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
        """Free an IRQ and set it up again under the same number: a new folder, no counts, all CPUs,
        and another action if one is given.
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
        """Write the counters to /proc/interrupts, /proc/stat and /proc/softirqs."""
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
        head = " " * 21 + "".join(f"CPU{cpu:<8}" for cpu in cpus)
        body = "".join(f"{name:>12}:{'          0' * len(cpus)}\n" for name in SOFTIRQS.split())
        self._write("proc/softirqs", f"{head}\n{body}")
        return self

    def _stat(self) -> str:
        def cpu_line(name: str, irq: float, softirq: float) -> str:
            return f"{name} 0 0 0 0 0 {round(irq * 100)} {round(softirq * 100)} 0 0 0\n"

        lines = [cpu_line("cpu ", *map(sum, zip(*self._times.values(), strict=True)))]
        lines += [cpu_line(f"cpu{cpu}", *self._times[cpu]) for cpu in self.online]
        last = max(self.lines, default=0)
        totals = [0] * (last + 1)
        for number, line in self.lines.items():
            # Totals include what CPUs counted that are offline now.
            totals[number] = sum(line.counts.values()) % (1 << 32)
        return (
            f"{''.join(lines)}intr {sum(totals)} {' '.join(map(str, totals))}\nctxt 0\nsoftirq "
            "0 0\n"
        )
