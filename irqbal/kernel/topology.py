"""CPUs: `/sys/devices/system/cpu` and `/sys/devices/system/node`
(Documentation/admin-guide/cputopology.rst, ABI/stable/sysfs-devices-system-cpu).
"""

from __future__ import annotations

from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.files import OpenFiles, cpus_or, int_or, names, read_text, text_or
from irqbal.kernel.isolation import read_isolation
from irqbal.model.view import Cpu

PATHS = (
    "sys/devices/system/cpu/online",
    "sys/devices/system/cpu/possible",
    "sys/devices/system/cpu/present",
    "sys/devices/system/cpu/cpu[0-9]*/cpu_capacity",
    "sys/devices/system/cpu/cpu[0-9]*/topology/core_cpus_list",
    "sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list",
    "sys/devices/system/cpu/cpu[0-9]*/topology/physical_package_id",
    "sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/level",
    "sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/type",
    "sys/devices/system/cpu/cpu[0-9]*/cache/index[0-9]*/shared_cpu_list",
    "sys/devices/system/node/node[0-9]*/cpulist",
    "sys/devices/cpu_atom/cpus",
    "sys/devices/cpu_core/cpus",
)
"""Files below the root that this module reads (see `host.READERS`)."""


_EFFICIENT = 614
"""cpu_capacity of an efficient core beside performance cores, where the kernel gives none: about
0.6 of theirs. Only that it is smaller matters much: performance cores come first.
"""


def read_online(root: Path) -> CpuSet:
    """The online CPUs. Raises HostError if the file is missing or is no CPU list."""
    path = root / "sys/devices/system/cpu/online"
    text = read_text(path)
    try:
        cpus = CpuSet.parse(text)
    except ValueError as error:
        raise HostError(f"{path}: {error}") from error
    if not cpus:
        raise HostError(f"{path}: lists no CPU")
    return cpus


class OnlineCpus:
    """The online CPUs at each pulse; the file is parsed only when it changed."""

    def __init__(self, root: Path, kept: OpenFiles) -> None:
        self._root, self._kept = root, kept
        self._path = f"{str(root).rstrip('/')}/sys/devices/system/cpu/online"
        self._data, self._cpus = b"", CpuSet()

    def read(self) -> CpuSet:
        """Raises HostError as `read_online` does."""
        try:
            data = self._kept.read(self._path)
        except HostError:
            return read_online(self._root)
        if data != self._data or not data:
            self._cpus, self._data = read_online(self._root), data
        return self._cpus


def read_cpus(root: Path, known: dict[int, Cpu] | None = None) -> tuple[Cpu, ...]:
    """Every present CPU. An offline CPU has no topology in sysfs; what is `known` about it is
    returned again.
    """
    base = root / "sys/devices/system/cpu"
    online = read_online(root)
    present = cpus_or(base / "present", online) | online
    nodes = read_nodes(root)
    efficient = read_efficient(root)
    isolated: dict[int, str] = {}
    for source, cpus in read_isolation(root).items():
        for number in cpus & present:
            isolated.setdefault(number, source)
    found = []
    caches: dict[int, CpuSet] = {}
    for number in present:
        if number not in online:
            before = (known or {}).get(
                number, Cpu(number, core=number, l3=number, siblings=CpuSet.of(number))
            )
            found.append(_state(before, online=False, isolated=isolated.get(number, "")))
            continue
        found.append(
            _read_cpu(
                f"{base}/cpu{number}",
                caches,
                Cpu(
                    number,
                    nodes.get(number, 0),
                    capacity=_EFFICIENT if number in efficient else 1024,
                    isolated=isolated.get(number, ""),
                ),
            )
        )
    return tuple(found)


def read_nodes(root: Path) -> dict[int, int]:
    """NUMA node of each CPU; empty if the kernel has no nodes."""
    base = root / "sys/devices/system/node"
    found: dict[int, int] = {}
    for name in names(base):
        if name.startswith("node") and name[4:].isdecimal():
            for number in cpus_or(base / name / "cpulist", CpuSet()):
                found[number] = int(name[4:])
    return found


def read_efficient(root: Path) -> CpuSet:
    """The efficient CPUs of an Intel hybrid host, which has a PMU for each kind: `cpu_core` and
    `cpu_atom`, registered by arch/x86/events/intel/core.c (intel_pmu_init); empty elsewhere.
    """
    if not cpus_or(root / "sys/devices/cpu_core/cpus", CpuSet()):
        return CpuSet()
    return cpus_or(root / "sys/devices/cpu_atom/cpus", CpuSet())


def _read_cpu(base: str, caches: dict[int, CpuSet], known: Cpu) -> Cpu:
    """The CPU with its topology. `known` has its node, its isolation, and the capacity that counts
    if the kernel gives none. `caches` are the CPUs that share the last-level cache of each CPU, as
    far as they were read: those of the others are added.
    """
    topology, number = f"{base}/topology", known.number
    alone = CpuSet.of(number)
    # core_cpus_list is the newer name of thread_siblings_list.
    siblings = cpus_or(f"{topology}/core_cpus_list", CpuSet())
    siblings = siblings or cpus_or(f"{topology}/thread_siblings_list", alone) or alone
    package = max(0, int_or(f"{topology}/physical_package_id", 0))
    sharing = caches.get(number)
    if sharing is None:
        sharing = _last_level(f"{base}/cache") or siblings
        if number in sharing:
            caches.update(dict.fromkeys(sharing, sharing))
    return Cpu(
        number,
        known.node,
        package,
        siblings.first,
        sharing.first,
        siblings,
        max(1, int_or(f"{base}/cpu_capacity", known.capacity)),
        True,
        known.isolated,
    )


def _last_level(cache: str) -> CpuSet:
    """The CPUs that share the highest cache level of this one (the L3 on servers)."""
    best, cpus = 0, CpuSet()
    for name in names(cache):
        level = int_or(f"{cache}/{name}/level", 0) if name.startswith("index") else 0
        if level > best and text_or(f"{cache}/{name}/type", "Unified") != "Instruction":
            best, cpus = level, cpus_or(f"{cache}/{name}/shared_cpu_list", CpuSet())
    return cpus if best >= 3 else CpuSet()


def _state(cpu: Cpu, online: bool, isolated: str) -> Cpu:
    return Cpu(
        cpu.number,
        cpu.node,
        cpu.package,
        cpu.core,
        cpu.l3,
        cpu.siblings,
        cpu.capacity,
        online,
        isolated,
    )
