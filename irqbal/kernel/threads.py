"""Kernel threads that handle interrupts: `irq/N-name` (threaded handlers) and `napi/IF-N` (threaded
NAPI).

All kernel threads are children of kthreadd (pid 2): `/proc/2/task/2/children` lists them without a
walk over every process (CONFIG_PROC_CHILDREN).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.files import OpenFiles, names, text_or
from irqbal.model.readings import ThreadTime
from irqbal.model.view import Thread

PATHS = (
    "proc/2/task/2/children",
    "proc/[0-9]*/comm",
    "proc/[0-9]*/stat",
    "proc/[0-9]*/status",
)
"""Files below the root that this module reads (see `host.READERS`)."""

HZ = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second, the unit of times in `/proc/PID/stat`."""

_IRQ = re.compile(r"irq/(\d{1,7})-.*", re.ASCII | re.DOTALL)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_NAPI = re.compile(r"napi/(.+)-\d+", re.ASCII)


def read_threads(root: Path) -> tuple[Thread, ...]:
    """Every such thread, with the CPUs that it may use and the one on which it last ran. `comm` has
    at most 15 characters; newer kernels show the whole name of a kernel thread.
    """
    found = []
    for pid in _kernel_threads(root):
        folder = root / "proc" / str(pid)
        name = text_or(folder / "comm")
        if not name.startswith(("irq/", "napi/")):
            continue
        irq, napi = _IRQ.fullmatch(name), _NAPI.fullmatch(name)
        found.append(
            Thread(
                pid,
                name,
                int(irq[1]) if irq else None,
                napi[1] if napi else "",
                _allowed(folder),
                _last_cpu(folder),
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


class ThreadTimes:
    """Reads how long these threads ran: fields 14, 15 and 39 of `/proc/PID/stat` (utime and stime
    in clock ticks, processor; Documentation/filesystems/proc.rst, 1.2).
    """

    def __init__(self, root: Path, kept: OpenFiles) -> None:
        self._folder, self._kept = str(root).rstrip("/"), kept
        self._threads: dict[int, int | None] = {}

    def know(self, threads: Iterable[Thread]) -> None:
        """Replace the threads whose times are read."""
        fresh = {
            thread.pid: thread.irq
            for thread in threads
            if thread.irq is not None or thread.interface
        }
        for pid in self._threads.keys() - fresh.keys():
            self._kept.drop(self._path(pid))
        self._threads = fresh

    def read(self, before: Mapping[int, int], totals: Mapping[int, int]) -> dict[int, ThreadTime]:
        """Times by process id, of threaded NAPI and of the threads of IRQs that fired: those whose
        totals before and now differ.
        """
        found = {}
        for pid, irq in list(self._threads.items()):
            if irq is not None and before.get(irq) == totals.get(irq):
                continue
            try:
                fields = self._kept.read(self._path(pid), 1024).rpartition(b")")[2].split()
                found[pid] = ThreadTime(
                    irq, int(fields[36]), (int(fields[11]) + int(fields[12])) / HZ
                )
            except HostError:
                # The thread ended; the next census finds its successor.
                del self._threads[pid]
            except (IndexError, ValueError):
                continue
        return found

    def _path(self, pid: int) -> str:
        return f"{self._folder}/proc/{pid}/stat"
