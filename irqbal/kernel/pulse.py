"""The cheap reading of each interval: `/proc/stat`, the online CPUs, `/proc/net/softnet_stat`,
packets by queue, the effective affinity of IRQs that fired, and the times of interrupt threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.errors import GoneError, HostError
from irqbal.kernel.files import OpenFiles, bytes_or
from irqbal.kernel.interrupts import read_interrupts
from irqbal.kernel.mask_files import MaskFiles
from irqbal.kernel.queue_stats import Packets
from irqbal.kernel.softnet import Squeezes
from irqbal.kernel.stat import parse_stat
from irqbal.kernel.threads import ThreadTimes
from irqbal.kernel.topology import OnlineCpus
from irqbal.model.readings import Pulse


class PulseReader:
    """Reads pulses. The effective affinity of IRQs that did not fire since the last one is not
    read.
    """

    def __init__(self, root: Path, masks: MaskFiles, threads: ThreadTimes, kept: OpenFiles) -> None:
        self._root, self._folder = root, str(root).rstrip("/")
        self._masks, self._threads, self._kept = masks, threads, kept
        # Netlink and ethtool report on the live host, whatever the root.
        self._packets = None if self._folder else Packets()
        self._online = OnlineCpus(root, kept)
        self._squeezes = Squeezes()
        self._totals: dict[int, int] = {}

    def read(self, now: float, looked: Collection[int] | None) -> Pulse:
        """A pulse at the time `now` (seconds), with the effective affinity of those of the IRQs in
        `looked` (None: of all) that fired since the last pulse. Raises HostError.
        """
        known = self._masks.inodes
        stat = parse_stat(self._kept.read(f"{self._folder}/proc/stat", 1 << 16), known)
        totals = stat.totals
        if not totals and known:
            totals = self._row_totals()
        before, self._totals = self._totals, totals
        threads = self._threads.read(before, totals)
        stale: set[int] = set()
        effective: dict[int, CpuSet] = {}
        for number in totals if looked is None else looked:
            if totals.get(number, 0) == before.get(number, 0):
                continue
            try:
                effective[number] = self._masks.effective(number)
            except GoneError:
                stale.add(number)
            except HostError:
                continue
        return Pulse(
            time=now,
            totals=totals,
            cpu_times=stat.cpu_times,
            online=self._online.read(),
            effective=effective,
            stale=frozenset(stale),
            packets=self._packets.read() if self._packets is not None else {},
            # One read of this file gives a page of it at most, however large the buffer.
            squeezed=self._squeezes.read(bytes_or(f"{self._folder}/proc/net/softnet_stat")),
            threads=threads,
        )

    def set_interfaces(self, interfaces: Iterable[str]) -> None:
        """These network interfaces have queues of their own."""
        if self._packets is not None:
            self._packets.learn(interfaces)

    def close(self) -> None:
        """Close the sockets."""
        if self._packets is not None:
            self._packets.close()

    def _row_totals(self) -> dict[int, int]:
        """Totals from `/proc/interrupts`, for kernels whose `/proc/stat` gives none."""
        known = self._masks.inodes
        return {
            row.irq: sum(row.counts) & 0xFFFFFFFF
            for row in read_interrupts(self._root)
            if row.irq is not None and row.irq in known
        }
