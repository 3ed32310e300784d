"""How often isolated CPUs are interrupted in a window, and by whom.

`/proc/interrupts` and `/proc/softirqs` are read before and after it: their difference is complete,
and to read them interrupts no CPU. What could interrupt one lies outside: tracing is set before the
first reading and removed after the last, and in between the process only sleeps, on other CPUs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.disturbance_trace import DisturbanceTrace
from irqbal.kernel.files import bytes_or, names
from irqbal.kernel.interrupts import read_interrupts
from irqbal.kernel.softirqs import parse_softirqs
from irqbal.kernel.trace_instance import OwnInstance
from irqbal.model.disturbances import InterruptCounts, Traced

SETTLE = 1.0
"""Seconds between setting the triggers and the window: what that began ends meanwhile."""


class DisturbanceWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Both readings. `traced` is None where nothing was traced; `reason` says why, and is empty if
    it was not to be.
    """

    before: InterruptCounts
    after: InterruptCounts
    traced: Traced | None = None
    reason: str = ""


class WindowWatch:
    """Watches these CPUs below this root; `wait` sleeps. Raises HostError if they cannot be
    counted.
    """

    def __init__(
        self, root: Path, cpus: CpuSet, wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._root, self._cpus, self._wait = root, cpus, wait

    def clean(self) -> None:
        """Remove what a killed process left in tracefs; `trace` does it anyway. Raises HostError if
        something is left.
        """
        if OwnInstance(self._root).remove():
            self._wait(SETTLE)

    def count(self, seconds: float) -> DisturbanceWindow:
        """The window without tracing."""
        before = read_counts(self._root, self._cpus)
        self._wait(seconds)
        return DisturbanceWindow(before=before, after=read_counts(self._root, self._cpus))

    def trace(self, seconds: float) -> DisturbanceWindow:
        """The window with tracing; without, and with the reason, where that is not possible."""
        counted: DisturbanceWindow | None = None
        traced = None
        try:
            with DisturbanceTrace(self._root, self._cpus) as tracing:
                self._wait(SETTLE)
                tracing.begin()
                counted = self.count(seconds)
                traced = tracing.end()
        except HostError as error:
            counted = counted or self.count(seconds)
            return msgspec.structs.replace(counted, traced=traced, reason=str(error))
        return msgspec.structs.replace(counted, traced=traced)


def read_counts(root: Path, cpus: CpuSet) -> InterruptCounts:
    """What these CPUs counted so far. Raises HostError."""
    irqs: dict[int, dict[int, int]] = {}
    rows: dict[str, dict[int, int]] = {}
    texts: dict[str, str] = {}
    table = read_interrupts(root)
    for row in table:
        if len(row.counts) != len(table.cpus):
            continue
        counted = {
            cpu: count for cpu, count in zip(table.cpus, row.counts, strict=True) if cpu in cpus
        }
        if row.irq is not None:
            irqs[row.irq] = counted
        else:
            rows[row.label], texts[row.label] = counted, row.text
    softirqs = parse_softirqs(bytes_or(root / "proc/softirqs"))
    return InterruptCounts(
        time=time.monotonic(),
        irqs=irqs,
        rows=rows,
        softirqs={
            name: {cpu: count for cpu, count in counts.items() if cpu in cpus}
            for name, counts in softirqs.items()
        },
        texts=texts,
    )


def keep_away(cpus: CpuSet) -> None:
    """Let no thread of this process run on these CPUs from now on. Raises HostError."""
    others = os.sched_getaffinity(0) - set(cpus)
    if not others:
        raise HostError(
            f"irqbal may run on no other CPU than {cpus}, and would disturb what it is to watch; "
            "nothing was done: let it run elsewhere (`taskset`), or name fewer CPUs (--cpus)"
        )
    for thread in names("/proc/self/task"):
        try:
            os.sched_setaffinity(int(thread), others)
        except ProcessLookupError:
            continue
        except OSError as error:
            raise HostError(
                f"irqbal cannot keep itself off the CPUs {cpus}: {error.strerror}; nothing was done"
            ) from error
