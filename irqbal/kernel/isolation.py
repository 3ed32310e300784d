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

_FLAGS = ("domain", "managed_irq", "nohz")
"""Flags of `isolcpus=` that the kernel knows."""
_FLAG = re.compile(r"[A-Za-z_]+,")
"""A flag and its comma. The kernel skips those that it does not know
(kernel/sched/isolation.c, housekeeping_isolcpus_setup).
"""
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
"""A parameter; blanks within double quotes belong to it (lib/cmdline.c, next_arg)."""
MOUNTS = ("sys/fs/cgroup", "sys/fs/cgroup/unified")
"""Where cgroup v2 is mounted: alone, or beside v1."""
_MAX_CGROUPS = 20_000
"""cgroups that are looked at, at most: a bound on the time that a reading takes."""


def read_isolation(root: Path) -> dict[str, CpuSet]:
    """Isolated CPUs by source; sources without any are left out."""
    cpu = root / "sys/devices/system/cpu"
    found = {
        "the kernel": cpus_or(cpu / "isolated", CpuSet()),
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
    for name, given in _parameters(text):
        value = given
        if name not in ("isolcpus", "nohz_full"):
            continue
        flags = []
        while name == "isolcpus" and (flag := _FLAG.match(value)) and flag[0] != "all,":
            value = value[flag.end() :]
            if flag[0][:-1] in _FLAGS:
                flags.append(flag[0][:-1])
        cpus = _cpu_list(value)
        if not cpus:
            continue
        key = f"{name}={','.join(flags)}" if flags else f"{name}="
        found[key] = found.get(key, CpuSet()) | cpus
    return found


def boot_affinity(text: str) -> CpuSet:
    """The CPUs of `irqaffinity=`, to which the kernel sets `default_smp_affinity` at boot; empty if
    it is not given (Documentation/admin-guide/kernel-parameters.txt).
    """
    found = CpuSet()
    for name, value in _parameters(text):
        if name == "irqaffinity":
            found = _cpu_list(value) or found
    return found


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    """(name, value) of each parameter of the command line. The whole parameter, or its value, may
    stand in double quotes.
    """
    for word in _WORD.findall(text):
        if word == "--":
            # What follows is init's.
            return
        name, equals, value = word.strip('"').partition("=")
        if equals:
            # The kernel takes a dash and an underscore in a name for the same.
            yield name.replace("-", "_"), value.strip('"')


def _cpu_list(value: str) -> CpuSet | None:
    """A list as the kernel parses it, with `all` and `N` for the last CPU; None if it is none.
    Empty parts are skipped (lib/bitmap.c, bitmap_parselist).
    """
    value = ",".join(part for part in value.split(",") if part)
    try:
        return CpuSet.parse(value.replace("all", "0-N").replace("N", "8191"))
    except ValueError:
        return None


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
