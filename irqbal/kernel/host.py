"""A Linux host under a root folder: the live one (`/`), or a tree of its files."""

from __future__ import annotations

import functools
import resource
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import GoneError, HostError
from irqbal.kernel import other_writers
from irqbal.kernel.affinity import KernelSettings
from irqbal.kernel.devices import read_devices, read_interfaces
from irqbal.kernel.files import OpenFiles, bytes_or, int_or, lines, text_or
from irqbal.kernel.interrupts import Interrupts, Known
from irqbal.kernel.irqs import IrqReader, check_readable
from irqbal.kernel.isolation import read_isolation
from irqbal.kernel.queue_stats import Packets
from irqbal.kernel.softirqs import parse_softirqs
from irqbal.kernel.softnet import Squeezes, parse_softnet
from irqbal.kernel.stat import parse_stat
from irqbal.kernel.threads import ThreadTimes, read_threads
from irqbal.kernel.topology import read_cpus, read_online
from irqbal.kernel.write_loop import PlanWriter, WriteRequest
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove
from irqbal.model.readings import (
    Census,
    Counts,
    IrqFacts,
    Original,
    Pulse,
    Save,
    Topology,
)
from irqbal.model.view import Cpu


class KernelHost:
    """Reads and writes the kernel. It keeps files open and remembers what cannot change; no thread
    but one may use it.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        save: Save | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self.root = root
        check_readable(root)
        self.save = save
        self._irqs = IrqReader(root)
        self._writer = PlanWriter(KernelSettings(root, self._irqs.inode))
        self._kept = OpenFiles()
        self._threads = ThreadTimes(root, self._kept)
        self._known: dict[int, IrqFacts] = {}
        self._totals: dict[int, int] = {}
        self._cpus: dict[int, Cpu] = {}
        self._folder = str(root).rstrip("/")
        # Netlink and ethtool speak of the live host, whatever the root.
        self._packets = Packets() if not self._folder else None
        self._online_text = (b"", CpuSet())
        self._cells: Known = {}
        self._squeezes = Squeezes()
        _raise_file_limit()

    @property
    def boot_id(self) -> str:
        """The kernel's random id of this boot; empty in a tree that lacks it."""
        return text_or(self.root / "proc/sys/kernel/random/boot_id")

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """`/proc/stat`, the online CPUs, packets by queue, and the effective affinity of those of
        these IRQs that fired since the last pulse.
        """
        now = self._clock()
        stat = parse_stat(self._kept.read(f"{self._folder}/proc/stat", 1 << 16), self._known)
        totals = stat.totals
        if not totals and self._known:
            totals = self._row_totals()
        stale: set[int] = set()
        effective: dict[int, CpuSet] = {}
        before = self._totals
        threads = self._threads.read(before, totals)
        for number in totals if looked is None else looked:
            if totals.get(number, 0) == before.get(number, 0):
                continue
            try:
                effective[number] = self._effective(number)
            except GoneError:
                stale.add(number)
            except HostError:
                continue
        self._totals = totals
        packets = self._packets.read() if self._packets is not None else {}
        return Pulse(
            now,
            totals,
            stat.cpu_times,
            self._online(),
            effective,
            frozenset(stale),
            packets,
            self._squeezed(),
            threads,
        )

    def _online(self) -> CpuSet:
        """`/sys/devices/system/cpu/online`, parsed anew only when it changed."""
        try:
            data = self._kept.read(f"{self._folder}/sys/devices/system/cpu/online")
        except HostError:
            return read_online(self.root)
        if data != self._online_text[0] or not data:
            self._online_text = (data, read_online(self.root))
        return self._online_text[1]

    def _squeezed(self) -> dict[int, int]:
        """How often each CPU's softirqs ran out of budget or dropped a packet (columns 2 and 3 of
        `/proc/net/softnet_stat`).
        """
        # One read of this file gives a page of it at most, however large the buffer.
        return self._squeezes.read(bytes_or(f"{self._folder}/proc/net/softnet_stat"))

    def census(self) -> Census:
        """Every IRQ with its mask, as the kernel has it now."""
        now = self._clock()
        interrupts = self._interrupts()
        # Only what a row says is of use here; of its counts there are as many as CPUs.
        rows = {
            row.irq: msgspec.structs.replace(row, counts=())
            for row in interrupts
            if row.irq is not None
        }
        irqs = self._irqs.read(rows)
        for facts in irqs:
            before = self._known.get(facts.number)
            if before is not None and before.inode != facts.inode:
                self._drop(facts.number)
        for number in self._known.keys() - {facts.number for facts in irqs}:
            self._drop(number)
        self._known = {facts.number: facts for facts in irqs}
        return Census(now, irqs, self._irqs.default_affinity(), interrupts.skipped)

    def _interrupts(self) -> Interrupts:
        """`/proc/interrupts`; empty where there is none."""
        try:
            return Interrupts(lines(self.root / "proc/interrupts"))
        except GoneError:
            return Interrupts(())

    def counts(self) -> Counts:
        """`/proc/interrupts`, `/proc/softirqs`, `/proc/net/softnet_stat` and the CPUs' times; what
        cannot be read is left out.
        """
        now = self._clock()
        interrupts = self._interrupts()
        irqs: dict[int, dict[int, int]] = {}
        rows: dict[str, dict[int, int]] = {}
        for name, counted in interrupts.cells(self._cells):
            if isinstance(name, int):
                irqs[name] = counted
            else:
                rows[name] = counted
        stat = parse_stat(bytes_or(self.root / "proc/stat"), ())
        times = {
            "irq": {cpu: round(spent.irq * 1e6) for cpu, spent in stat.cpu_times.items()},
            "softirq": {cpu: round(spent.softirq * 1e6) for cpu, spent in stat.cpu_times.items()},
        }
        softirqs = parse_softirqs(bytes_or(self.root / "proc/softirqs"))
        softnet = parse_softnet(bytes_or(self.root / "proc/net/softnet_stat"))
        return Counts(now, frozenset(interrupts.cpus), irqs, rows, softirqs, softnet, times)

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The mask and the inode of these IRQs as they are now; those that are gone are left
        out.
        """
        found = {}
        for number in numbers:
            known = self._known.get(number)
            path = f"{self._folder}/proc/irq/{number}/smp_affinity_list"
            # The kernel answers EIO for a file that was replaced under its descriptor; a tree of
            # files does not.
            told = known is not None and not self._folder and self._kept.holds(path)
            inode = known.inode if known is not None and told else self._irqs.inode(number)
            if not inode:
                continue
            if known is None or known.inode != inode:
                found[number] = (self._irqs.affinity(number), inode)
                continue
            try:
                data = self._kept.read(path, 256)
                found[number] = (_parsed(data), inode)
            except (HostError, ValueError):
                inode = self._irqs.inode(number)
                if inode:
                    found[number] = (self._irqs.affinity(number), inode)
        return found

    def population(self) -> int:
        """The link count of `/proc/irq`: one for each IRQ's folder (a tree of files counts
        alike).
        """
        try:
            return (self.root / "proc/irq").stat().st_nlink
        except OSError:
            return 0

    def isolation(self) -> dict[str, CpuSet]:
        """See `kernel.isolation`."""
        return read_isolation(self.root)

    def topology(self) -> Topology:
        """CPUs, devices, interfaces and interrupt threads."""
        cpus = read_cpus(self.root, self._cpus)
        self._cpus = {cpu.number: cpu for cpu in cpus}
        interfaces = read_interfaces(self.root)
        if self._packets is not None:
            self._packets.learn(
                interface.name for interface in interfaces if interface.device is not None
            )
        flows = int_or(self.root / "proc/sys/net/core/rps_sock_flow_entries", -1)
        threads = read_threads(self.root)
        self._threads.know(threads)
        return Topology(cpus, read_devices(self.root, interfaces), interfaces, threads, flows)

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """Write what a plan says; see `kernel.write_loop`."""
        request = WriteRequest(
            moves=moves,
            steering=steering,
            default=default,
            inodes={number: facts.inode for number, facts in self._known.items()},
            dry_run=dry_run,
        )
        return self._writer.apply(request, self.save or _nowhere)

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back."""
        return self._writer.restore(originals)

    def writers(self) -> tuple[str, ...]:
        """Known programs that write masks too and that run now."""
        return other_writers.running(self.root)

    def close(self) -> None:
        """Close the kept files."""
        self._kept.close()
        if self._packets is not None:
            self._packets.close()

    def _drop(self, number: int) -> None:
        self._kept.drop(self._effective_path(number))
        self._kept.drop(f"{self._folder}/proc/irq/{number}/smp_affinity_list")

    def _effective_path(self, number: int) -> str:
        return f"{self._folder}/proc/irq/{number}/effective_affinity_list"

    def _effective(self, number: int) -> CpuSet:
        try:
            data = self._kept.read(self._effective_path(number), 256)
        except GoneError:
            if (
                self._irqs.inode(number) == 0
                or self._irqs.inode(number) != self._known[number].inode
            ):
                raise
            # This architecture, or this tree, has no such file.
            return self._irqs.effective(number, self._irqs.affinity(number))
        try:
            return _parsed(data)
        except ValueError as error:
            raise HostError(f"{self._effective_path(number)}: {error}") from error

    def _row_totals(self) -> dict[int, int]:
        """Totals from `/proc/interrupts`, for kernels whose `/proc/stat` gives none."""
        known = self._known
        return {
            row.irq: sum(row.counts) & 0xFFFFFFFF
            for row in self._interrupts()
            if row.irq is not None and row.irq in known
        }


@functools.lru_cache(maxsize=4096)
def _parsed(data: bytes) -> CpuSet:
    """A CPU list; the same few texts are read again and again."""
    return CpuSet.parse(data.decode("ascii", "replace"))


def _nowhere(originals: object) -> None:
    """Without a journal nothing may be written."""
    raise HostError("irqbal's own error: a write was asked for without a journal")


def _raise_file_limit() -> None:
    """One descriptor an active IRQ stays open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
