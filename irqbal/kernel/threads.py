"""Kernel threads that handle interrupts: `irq/N-name` (threaded handlers) and `napi/IF-N` (threaded NAPI).

All kernel threads are children of kthreadd (pid 2): `/proc/2/task/2/children` lists them without a walk over every
process (CONFIG_PROC_CHILDREN).
"""

from __future__ import annotations

import re
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.kernel.files import names, text_or
from irqbal.model import Thread

_IRQ = re.compile(r"irq/(\d{1,7})-.*", re.ASCII | re.DOTALL)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_NAPI = re.compile(r"napi/(.+)-\d+", re.ASCII)


def read_threads(root: Path) -> tuple[Thread, ...]:
    """Every such thread, with the CPUs it may use and the one it last ran on. The kernel cuts names at 15 characters,
    but for kernel threads' `comm`, which newer kernels show whole."""
    found = []
    for pid in _kernel_threads(root):
        folder = root / "proc" / str(pid)
        name = text_or(folder / "comm")
        if not name.startswith(("irq/", "napi/")):
            continue
        irq, napi = _IRQ.fullmatch(name), _NAPI.fullmatch(name)
        found.append(
            Thread(
                pid, name, int(irq[1]) if irq else None, napi[1] if napi else "", _allowed(folder), _last_cpu(folder)
            )
        )
    return tuple(found)


def _kernel_threads(root: Path) -> list[int]:
    listed = text_or(root / "proc/2/task/2/children").split()
    if listed:
        return [int(pid) for pid in listed if _NUMBER.fullmatch(pid)]
    pids = [int(name) for name in names(root / "proc") if _NUMBER.fullmatch(name)]
    return [pid for pid in pids if _parent(root / "proc" / str(pid)) in (0, 2)]


def _fields(folder: Path) -> list[str]:
    """Fields of `/proc/PID/stat` after the name in parentheses, which may hold anything."""
    return text_or(folder / "stat").rpartition(")")[2].split()


def _parent(folder: Path) -> int:
    fields = _fields(folder)
    return int(fields[1]) if len(fields) > 1 and _NUMBER.fullmatch(fields[1]) else -1


def _last_cpu(folder: Path) -> int:
    fields = _fields(folder)
    return int(fields[36]) if len(fields) > 36 and _NUMBER.fullmatch(fields[36]) else -1


def _allowed(folder: Path) -> CpuSet:
    for line in text_or(folder / "status").splitlines():
        if line.startswith("Cpus_allowed_list:"):
            try:
                return CpuSet.parse(line.partition(":")[2])
            except ValueError:
                break
    return CpuSet()
