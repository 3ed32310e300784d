"""Which CPUs are isolated, and by what: sysfs, the kernel's command line, and cgroup partitions.

Sources: `/sys/devices/system/cpu/isolated` (isolcpus= domain), `/sys/devices/system/cpu/nohz_full`
(absent, empty or ` (null)`), `/proc/cmdline` (`isolcpus=managed_irq,7` leaves `isolated` empty;
Documentation/admin-guide/kernel-parameters.txt), and cgroup v2 partitions
(Documentation/admin-guide/cgroup-v2.rst): `cpuset.cpus.isolated` at the root in newer kernels, else
every cgroup whose `cpuset.cpus.partition` reads `isolated`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.kernel.files import cpus_or, text_or

PATHS = (
    "sys/devices/system/cpu/isolated",
    "sys/devices/system/cpu/nohz_full",
    "proc/cmdline",
    "sys/fs/cgroup/cgroup.controllers",
    "sys/fs/cgroup/cpuset.cpus.isolated",
    "sys/fs/cgroup/unified/cgroup.controllers",
    "sys/fs/cgroup/unified/cpuset.cpus.isolated",
    "sys/fs/cgroup/**/cpuset.cpus.partition",
    "sys/fs/cgroup/**/cpuset.cpus.effective",
    "sys/fs/cgroup/**/cpuset.cpus",
)
"""Files below the root that this module reads (see `host.READERS`)."""

_PARAMETER = re.compile(r"(?<!\S)(isolcpus|nohz_full)=(\S+)")
_FLAGS = ("domain", "managed_irq", "nohz")
MOUNTS = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
"""Where cgroup v2 is mounted: alone, or beside v1."""
_MAX_CGROUPS = 20_000
"""cgroups that are looked at, at most: a bound on the time that a reading takes."""


def read_isolation(root: Path) -> dict[str, CpuSet]:
    """Isolated CPUs by source; sources without any are left out."""
    cpu = root / "sys/devices/system/cpu"
    found = {
        "isolated": cpus_or(cpu / "isolated", CpuSet()),
        "nohz_full": cpus_or(cpu / "nohz_full", CpuSet()),
    }
    found |= parse_cmdline(text_or(root / "proc/cmdline"))
    for mount in MOUNTS:
        cpus = read_partitions(root / mount)
        if cpus:
            found["cgroup partition"] = found.get("cgroup partition", CpuSet()) | cpus
    return {source: cpus for source, cpus in found.items() if cpus}


def parse_cmdline(text: str) -> dict[str, CpuSet]:
    """CPUs that `isolcpus=` and `nohz_full=` name, by the parameter with its flags
    (`isolcpus=managed_irq`). Parameters that cannot be parsed are ignored, as in the kernel.
    """
    found: dict[str, CpuSet] = {}
    # What follows ` -- ` is init's.
    for name, value in _PARAMETER.findall(text.partition(" -- ")[0]):
        parts = value.split(",")
        flags = []
        while parts and parts[0] in _FLAGS:
            flags.append(parts.pop(0))
        try:
            cpus = CpuSet.parse(",".join(parts).replace("all", "0-N").replace("N", "8191"))
        except ValueError:
            continue
        key = f"{name}={','.join(flags)}" if flags else f"{name}="
        found[key] = found.get(key, CpuSet()) | cpus
    return found


def read_partitions(mount: Path) -> CpuSet:
    """CPUs of all isolated cgroup v2 partitions below this mount."""
    if not (mount / "cgroup.controllers").exists():
        return CpuSet()
    at_root = mount / "cpuset.cpus.isolated"
    if at_root.exists():
        return cpus_or(at_root, CpuSet())
    cpus = CpuSet()
    for folder in partitions(mount):
        # `isolated invalid (…)` isolates nothing.
        if text_or(folder / "cpuset.cpus.partition") == "isolated":
            cpus |= cpus_or(folder / "cpuset.cpus.effective", CpuSet()) or cpus_or(
                folder / "cpuset.cpus", CpuSet()
            )
    return cpus


def partitions(mount: Path) -> Iterator[Path]:
    """The folders of all cgroup v2 partitions below a mount, whatever their state."""
    for count, (folder, _, files) in enumerate(os.walk(mount)):
        if count > _MAX_CGROUPS:
            return
        if (
            "cpuset.cpus.partition" in files
            and text_or(f"{folder}/cpuset.cpus.partition", "member") != "member"
        ):
            yield Path(folder)
