"""A Linux host under a root folder: the live one (`/`), or a tree of its files."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.kernel import (
    boot,
    devices,
    interrupts,
    irqs,
    isolation,
    other_writers,
    queue_irqs,
    scheduling,
    softirqs,
    softnet,
    stat,
    threads,
    topology,
)
from irqbal.kernel.affinity import KernelSettings
from irqbal.kernel.files import OpenFiles, bytes_or, confine, cpus_or, text_or
from irqbal.kernel.interrupts import Known
from irqbal.kernel.irqs import IrqReader, check_readable
from irqbal.kernel.mask_files import MaskFiles
from irqbal.kernel.pulse import PulseReader
from irqbal.kernel.threads import ThreadTimes
from irqbal.kernel.write_loop import PlanWriter, WriteRequest, cannot_save
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove
from irqbal.model.readings import Census, Counts, Original, Pulse, Save, Scheduling, Topology
from irqbal.model.view import Cpu, Interface

READERS = (
    boot,
    devices,
    interrupts,
    irqs,
    isolation,
    scheduling,
    softirqs,
    softnet,
    stat,
    threads,
    topology,
)
"""The modules that read files below the root. Each has a tuple PATHS of patterns, relative to the
root: a component is a shell pattern, `**` any number of folders, and a pattern that ends in `/` is
a folder, or a link to one. `capture` takes all of them along.
"""


class KernelHost:
    """Reads and writes the kernel; implements irqbal.model.host.Host. It keeps files open and
    remembers what cannot change. Only one thread may use it.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        save: Save | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`save` stores originals before a write; without it only dry runs are possible. `clock`
        gives the time of readings (seconds). Raises HostError if the root holds no host.
        """
        root = root.absolute()
        confine(root)
        check_readable(root)
        self.root, self.save = root, save
        self._clock = clock
        self._irqs = IrqReader(root)
        _raise_file_limit()
        self._kept = OpenFiles()
        self._masks = MaskFiles(root, self._irqs, self._kept)
        self._threads = ThreadTimes(root, self._kept)
        self._pulse = PulseReader(root, self._masks, self._threads, self._kept)
        self._writer = PlanWriter(KernelSettings(root, self._irqs.inode))
        self._cpus: dict[int, Cpu] = {}
        self._cells: Known = {}

    @property
    def boot_id(self) -> str:
        """The kernel's random id of this boot; empty in a tree that lacks it."""
        return boot.read_boot_id(self.root)

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """See `kernel.pulse`. Raises HostError."""
        return self._pulse.read(self._clock(), looked)

    def census(self) -> Census:
        """Every IRQ with its mask, as the kernel has it now. Raises HostError."""
        now = self._clock()
        table = interrupts.read_interrupts(self.root)
        # Few IRQs need their counts, and there are as many as CPUs.
        keep = self._irqs.untold
        rows = {
            row.irq: row if row.irq in keep else msgspec.structs.replace(row, counts=())
            for row in table
            if row.irq is not None
        }
        found = self._irqs.read(rows, table.cpus)
        self._masks.set_known(found)
        return Census(
            time=now,
            irqs=found,
            default_affinity=self._irqs.default_affinity(),
            skipped_rows=table.skipped,
        )

    def counts(self, whole: bool = True, pulse: Pulse | None = None) -> Counts:
        """`/proc/interrupts` (if `whole`), `/proc/softirqs`, `/proc/net/softnet_stat` and the CPUs'
        times (unless a `pulse` that was just read has them); what cannot be read is left out.
        """
        now = self._clock() if pulse is None else pulse.time
        table = interrupts.read_interrupts(self.root) if whole else interrupts.Interrupts(())
        by_irq: dict[int, dict[int, int]] = {}
        rows: dict[str, dict[int, int]] = {}
        for name, counted in table.cells(self._cells if whole else None):
            if isinstance(name, int):
                by_irq[name] = counted
            else:
                # powerpc has two rows LOC: what they count together wraps as each of them does.
                rows[name] = {
                    cpu: (count + rows.get(name, {}).get(cpu, 0)) % 2**32
                    for cpu, count in counted.items()
                }
        if pulse is None:
            times = stat.parse_stat(bytes_or(self.root / "proc/stat"), ()).cpu_times
        else:
            times = pulse.cpu_times
        return Counts(
            time=now,
            cpus=frozenset(table.cpus if whole else times),
            irqs=by_irq,
            rows=rows,
            softirqs=softirqs.parse_softirqs(bytes_or(self.root / "proc/softirqs")),
            softnet=softnet.parse_softnet(bytes_or(self.root / "proc/net/softnet_stat")),
            times={
                "irq": {cpu: round(spent.irq * 1e6) for cpu, spent in times.items()},
                "softirq": {cpu: round(spent.softirq * 1e6) for cpu, spent in times.items()},
            },
        )

    def counts_of(self, numbers: Iterable[int]) -> dict[int, dict[int, int]]:
        """See `IrqReader.counts`."""
        return {
            number: found
            for number in numbers
            if (found := self._irqs.counts(number, self._possible)) is not None
        }

    def scheduling(self) -> Scheduling:
        """See `kernel.scheduling`."""
        return scheduling.read_scheduling(self.root)

    @cached_property
    def _possible(self) -> tuple[int, ...]:
        """Every CPU that there can be while this kernel runs."""
        return tuple(cpus_or(self.root / "sys/devices/system/cpu/possible", CpuSet()))

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The present mask and inode of these IRQs; those that are gone are left out."""
        return self._masks.masks(numbers)

    def population(self) -> int:
        """The link count of `/proc/irq`, which changes when an IRQ comes or goes: each has a folder
        there. 0 if there is no such folder.
        """
        try:
            return (self.root / "proc/irq").stat().st_nlink
        except OSError:
            return 0

    def isolation(self) -> dict[str, CpuSet]:
        """See `kernel.isolation`."""
        return isolation.read_isolation(self.root)

    def topology(self) -> Topology:
        """CPUs, devices, interfaces and interrupt threads, read afresh. Raises HostError."""
        cpus = topology.read_cpus(self.root, self._cpus)
        self._cpus = {cpu.number: cpu for cpu in cpus}
        interfaces = devices.read_interfaces(self.root)
        self._pulse.set_interfaces(
            interface.name for interface in interfaces if interface.device is not None
        )
        running = threads.read_threads(self.root)
        self._threads.know(running)
        return Topology(
            cpus=cpus,
            devices=devices.read_devices(self.root, interfaces),
            interfaces=interfaces,
            threads=running,
            rfs_entries=devices.read_flow_entries(self.root),
            queue_irqs=self._queue_irqs(interfaces),
            boot_affinity=isolation.boot_affinity(text_or(self.root / "proc/cmdline")),
        )

    def _queue_irqs(self, interfaces: Iterable[Interface]) -> dict[tuple[str, str, int], int]:
        """Netlink reports on the live host, whatever the root: a tree has no answer."""
        if str(self.root) != "/":
            return {}
        return queue_irqs.read_queue_irqs(
            interface.name for interface in interfaces if interface.device is not None
        )

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """Write the changes of a plan, one outcome each; see `kernel.write_loop`. Raises HostError
        if there is no way to save originals.
        """
        request = WriteRequest(
            moves=moves,
            steering=steering,
            default=default,
            inodes=self._masks.inodes,
            dry_run=dry_run,
        )
        return self._writer.apply(request, self.save or cannot_save)

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back."""
        return self._writer.restore(originals)

    def writers(self) -> tuple[str, ...]:
        """Known programs that write masks too and that run now."""
        return other_writers.running(self.root)

    def close(self) -> None:
        """Close the files and sockets that were kept open."""
        self._kept.close()
        self._pulse.close()


def _raise_file_limit() -> None:
    """Allow as many open files as the hard limit does: two for each active IRQ stay open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # A hard limit above fs.nr_open is refused (getrlimit(2)): what there is has to do.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
