"""A simulated host as files: proc/ and sys/ below a folder, for `irqbal --root FOLDER` and, bound
over /proc and /sys, for other balancers.
"""

from __future__ import annotations

import os
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.tracefs import VECTORS
from irqbal.model.readings import Counts
from irqbal.model.view import Cpu, Interface
from irqbal.simulated.drivers import PCI_IDS
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.kernel_errnos import shows_owned
from irqbal.simulated.machine import Card, SimulatedIrq

_CACHES = ((1, "Data"), (1, "Instruction"), (2, "Unified"), (3, "Unified"))
"""Level and type of each cache of a CPU, by index; those below level 3 belong to one core."""


def write_tree(host: SimulatedHost, folder: Path) -> None:
    """Write the host in its present state into a new or empty folder. Raises HostError if the
    folder is not empty or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise HostError(f"{folder} is not empty: name a new folder")
        _Tree(host, folder).write()
    except OSError as error:
        raise HostError(f"{folder} cannot be written: {error.strerror}") from error


class _Tree:
    """The files of one host, part by part."""

    def __init__(self, host: SimulatedHost, folder: Path) -> None:
        self._host, self._root = host, str(folder)
        self._folders: set[str] = set()
        self._possible = list(host.state.possible)
        self._zeros = ["0"] * len(self._possible)

    def write(self) -> None:
        state, counts, topology = self._host.state, self._host.counts(), self._host.topology()
        self._cpus(topology.cpus)
        for card in state.machine.cards:
            self._card(card, [state.interfaces[name] for name in card.device.interfaces])
        for line in state.lines.values():
            self._irq(line)
        self._put("proc/irq/default_smp_affinity", state.default.mask())
        self._put("proc/sys/kernel/random/boot_id", self._host.boot_id)
        kernel = self._host.spec.kernel
        self._put("proc/sys/kernel/osrelease", f"{kernel[0]}.{kernel[1]}.0-made-up")
        self._put("proc/sys/net/core/rps_sock_flow_entries", str(topology.rfs_entries))
        self._put("proc/cmdline", "BOOT_IMAGE=/vmlinuz quiet")
        self._put("proc/2/task/2/children", "")
        self._put("proc/interrupts", _interrupts(list(state.lines.values()), counts))
        self._put("proc/stat", _stat(list(state.lines.values()), counts))
        self._put("proc/softirqs", _softirqs(counts))
        rows = (
            f"{count:08x}{' 00000000' * 11} {cpu:08x} 00000000 00000000"
            for cpu, count in counts.softnet["processed"].items()
        )
        self._put("proc/net/softnet_stat", "\n".join(rows))

    def _cpus(self, cpus: tuple[Cpu, ...]) -> None:
        base = "sys/devices/system/cpu"
        everyone, online = (
            CpuSet(cpu.number for cpu in cpus),
            CpuSet(cpu.number for cpu in cpus if cpu.online),
        )
        for name, numbers in (
            ("possible", everyone),
            ("present", everyone),
            ("online", online),
            ("isolated", CpuSet()),
        ):
            self._put(f"{base}/{name}", str(numbers))
        shared: dict[int, CpuSet] = {}
        caches: dict[int, CpuSet] = {}
        for cpu in cpus:
            one = CpuSet.of(cpu.number)
            shared[cpu.package] = shared.get(cpu.package, CpuSet()) | one
            caches[cpu.l3] = caches.get(cpu.l3, CpuSet()) | one
        for cpu in cpus:
            own = f"{base}/cpu{cpu.number}"
            self._folder(own)
            # An offline CPU's topology and caches are gone from sysfs.
            if cpu.online:
                self._cpu(own, cpu, shared[cpu.package], caches[cpu.l3])
        for node in sorted({cpu.node for cpu in cpus}):
            here = CpuSet(cpu.number for cpu in cpus if cpu.node == node)
            own = f"sys/devices/system/node/node{node}"
            self._put(f"{own}/cpulist", str(here))
            self._put(f"{own}/cpumap", here.mask())

    def _cpu(self, folder: str, cpu: Cpu, package: CpuSet, l3: CpuSet) -> None:
        """An online CPU: its topology under both generations of names, and its caches."""
        topology = f"{folder}/topology"
        self._put(f"{folder}/online", "1")
        self._put(f"{topology}/physical_package_id", str(cpu.package))
        for name, cpus in (
            ("core_cpus", cpu.siblings),
            ("thread_siblings", cpu.siblings),
            ("package_cpus", package),
            ("core_siblings", package),
        ):
            self._put(f"{topology}/{name}", cpus.mask())
            self._put(f"{topology}/{name}_list", str(cpus))
        for index, (level, kind) in enumerate(_CACHES):
            cache = f"{folder}/cache/index{index}"
            cpus = l3 if level == 3 else cpu.siblings
            self._put(f"{cache}/level", str(level))
            self._put(f"{cache}/type", kind)
            self._put(f"{cache}/shared_cpu_list", str(cpus))
            self._put(f"{cache}/shared_cpu_map", cpus.mask())
        self._link(f"{folder}/node{cpu.node}", f"sys/devices/system/node/node{cpu.node}")

    def _card(self, card: Card, interfaces: list[Interface]) -> None:
        device = card.device
        real = f"sys/devices/pci{device.address[:7]}/{device.address}"
        vendor, model = PCI_IDS.get(device.driver, (0x8086, 0))
        self._put(f"{real}/class", "0x020000" if interfaces else "0x010802")
        for name, number in (
            ("vendor", vendor),
            ("device", model),
            ("subsystem_vendor", vendor),
            ("subsystem_device", 1),
        ):
            self._put(f"{real}/{name}", f"{number:#06x}")
        self._put(f"{real}/irq", "0")
        self._put(f"{real}/numa_node", str(device.node))
        self._put(f"{real}/local_cpulist", str(device.local_cpus))
        self._put(f"{real}/local_cpus", device.local_cpus.mask())
        self._folder(f"sys/bus/pci/drivers/{device.driver}")
        self._link(f"{real}/driver", f"sys/bus/pci/drivers/{device.driver}")
        self._link(f"sys/bus/pci/devices/{device.address}", real)
        for number in device.irqs:
            self._put(f"{real}/msi_irqs/{number}", "msix")
        below = f"{real}/{card.virtio}" if card.virtio else real
        self._folder(below)
        for interface in interfaces:
            self._interface(interface, below)
        if device.disks:
            disk, controller = device.disks
            own = f"{real}/nvme/{controller}"
            self._link(f"{own}/device", real)
            self._link(f"sys/class/nvme/{controller}", own)
            self._link(f"{own}/block/{disk}/device", own)
            self._link(f"sys/block/{disk}", f"{own}/block/{disk}")

    def _interface(self, interface: Interface, device: str) -> None:
        real = f"{device}/net/{interface.name}"
        self._put(f"{real}/operstate", "up" if interface.up else "down")
        self._link(f"{real}/device", device)
        self._link(f"sys/class/net/{interface.name}", real)
        for index, rx in enumerate(interface.rx):
            self._put(f"{real}/queues/rx-{index}/rps_cpus", (rx.rps or CpuSet()).mask())
            self._put(f"{real}/queues/rx-{index}/rps_flow_cnt", str(rx.flows or 0))
        for index, tx in enumerate(interface.tx):
            self._folder(f"{real}/queues/tx-{index}")
            if tx.xps is not None:
                self._put(f"{real}/queues/tx-{index}/xps_cpus", tx.xps.mask())
                self._put(f"{real}/queues/tx-{index}/xps_rxqs", "0")

    def _irq(self, line: SimulatedIrq) -> None:
        base, facts = f"proc/irq/{line.number}", f"sys/kernel/irq/{line.number}"
        mode = 0o444 if line.managed and shows_owned(self._host.spec.kernel) else 0o644
        self._put(f"{base}/smp_affinity", line.mask.mask(), mode)
        self._put(f"{base}/smp_affinity_list", str(line.mask), mode)
        self._put(f"{base}/effective_affinity_list", str(line.effective), 0o444)
        self._put(f"{base}/affinity_hint", "0", 0o444)
        self._put(f"{base}/node", str(line.node), 0o444)
        self._put(f"{facts}/actions", line.action, 0o444)
        self._put(f"{facts}/chip_name", line.chip, 0o444)
        self._put(f"{facts}/hwirq", str(line.vector), 0o444)
        counted = line.counts
        cells = [str(counted.get(cpu, 0)) for cpu in self._possible] if counted else self._zeros
        self._put(f"{facts}/per_cpu_count", ",".join(cells), 0o444)

    # A large host has tens of thousands of files, and pathlib takes twice as long for each.

    def _put(self, path: str, text: str, mode: int = 0o644) -> None:
        self._folder(path.rpartition("/")[0])
        fd = os.open(f"{self._root}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            os.write(fd, f"{text}\n".encode())
        finally:
            os.close(fd)

    def _folder(self, path: str) -> None:
        if path not in self._folders:
            os.makedirs(f"{self._root}/{path}", exist_ok=True)  # noqa: PTH103
            self._folders.add(path)

    def _link(self, path: str, target: str) -> None:
        """A relative link; both paths count from the tree's root."""
        parent = path.rpartition("/")[0]
        self._folder(parent)
        os.symlink(os.path.relpath(target, parent), f"{self._root}/{path}")  # noqa: PTH211


def _interrupts(lines: list[SimulatedIrq], counts: Counts) -> str:
    cpus = list(counts.times["irq"])
    rows = ["           " + "".join(f"CPU{cpu:<8}" for cpu in cpus)]
    for line in lines:
        counted = counts.irqs[line.number]
        cells = "".join(f" {counted.get(cpu, 0):>10}" for cpu in cpus)
        rows.append(
            f"{line.number:>4}:{cells}  {line.chip} {line.vector:>3}-edge      {line.action}"
        )
    for name, counted in counts.rows.items():
        rows.append(f"{name:>4}:" + "".join(f" {count:>10}" for count in counted.values()))
    return "\n".join(rows)


def _stat(lines: list[SimulatedIrq], counts: Counts) -> str:
    """Times are jiffies; totals include what CPUs counted that are offline now."""
    irq, softirq = counts.times["irq"], counts.times["softirq"]

    def times(name: str, hard: int, soft: int) -> str:
        return f"{name} 0 0 0 0 0 {hard // 10_000} {soft // 10_000} 0 0 0"

    rows = [
        times("cpu ", sum(irq.values()), sum(softirq.values())),
        *(times(f"cpu{cpu}", irq[cpu], softirq[cpu]) for cpu in irq),
    ]
    totals = [0] * (max(line.number for line in lines) + 1)
    for line in lines:
        totals[line.number] = sum(line.counts.values()) % (1 << 32)
    return "\n".join(
        [*rows, f"intr {sum(totals)} {' '.join(map(str, totals))}", "ctxt 0", "softirq 0 0"]
    )


def _softirqs(counts: Counts) -> str:
    cpus = list(next(iter(counts.softirqs.values())))
    rows = [" " * 20 + "".join(f"CPU{cpu:<8}" for cpu in cpus)]
    for name in VECTORS:
        counted = counts.softirqs.get(name, {})
        rows.append(f"{name:>12}:" + "".join(f" {counted.get(cpu, 0):>10}" for cpu in cpus))
    return "\n".join(rows)
