"""The face of a host: what the balancer may ask of the kernel, of a captured tree, or of a
simulated machine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model import Cpu, DefaultMove, Device, Interface, Move, Outcome, SteeringMove, Thread

DEFAULT = "default_smp_affinity"
"""Identity of the default mask in journal and outcomes."""


class Original(msgspec.Struct, frozen=True):
    """A value as it was before irqbal touched it. `value` is text: a CPU list, or the entries of a
    flow table.
    """

    identity: str
    number: int | None
    value: str


Save = Callable[[Sequence[Original]], None]
"""Puts originals on disk; raises JournalError, and then nothing is written."""


class CpuTime(msgspec.Struct, frozen=True):
    """Seconds since boot that a CPU spent in hard and in soft interrupts."""

    irq: float
    softirq: float


class ThreadTime(msgspec.Struct, frozen=True):
    """What a thread that handles interrupts has run so far: of this IRQ, or (None) of threaded
    NAPI. `cpu` is where it ran last.
    """

    irq: int | None
    cpu: int
    seconds: float


class Pulse(msgspec.Struct, frozen=True):
    """The cheap reading of every interval.

    `totals` are interrupts since the IRQ was set up, modulo 2**32, by IRQ number; `effective` holds
    those that were asked for and are active. `stale` are IRQ numbers whose files were replaced
    since they were opened: they were set up anew. `packets` are counted by (interface, `rx` or
    `tx`, queue) where the driver tells them. `squeezed` counts by CPU how often softirqs ran out of
    budget or dropped a packet. `threads` are seconds that each thread which handles interrupts has
    run so far, by its process id.
    """

    time: float
    totals: dict[int, int]
    cpu_times: dict[int, CpuTime]
    online: CpuSet
    effective: dict[int, CpuSet]
    stale: frozenset[int] = frozenset()
    packets: dict[tuple[str, str, int], int] = {}
    squeezed: dict[int, int] = {}
    threads: dict[int, ThreadTime] = {}


class IrqFacts(msgspec.Struct, frozen=True):
    """What the kernel says of one IRQ that has an action; `inode` tells one life of it from the
    next.
    """

    number: int
    action: str
    chip: str
    vector: int | None
    unmovable: str
    affinity: CpuSet
    effective: CpuSet
    hint: CpuSet
    node: int
    inode: int


class Measured(msgspec.Struct, frozen=True):
    """What the kernel measured in a short window. All times are seconds within it, not a second.

    `handlers` is by IRQ number: time in hard interrupt handlers (of a threaded IRQ, without its
    thread); `hits` is how often they ran, once for each action of a shared IRQ. `softirqs` is by
    name as in `/proc/softirqs`, then by CPU; hard interrupts that came in between are part of it.
    `dropped` counts what found no room in a histogram.
    """

    seconds: float
    handlers: dict[int, float]
    hits: dict[int, int]
    softirqs: dict[str, dict[int, float]]
    dropped: int = 0


class Census(msgspec.Struct, frozen=True):
    """The full reading: every IRQ that has an action, with its mask."""

    time: float
    irqs: tuple[IrqFacts, ...]
    default_affinity: CpuSet
    skipped_rows: int = 0


class Counts(msgspec.Struct, frozen=True):
    """The reading for the history: totals by name (or IRQ number) and CPU. `cpus` have a column; of
    `irqs`, where most cells are nothing, only the others need be there. `times` are microseconds in
    `irq` and `softirq`; a row with one column (ERR, MIS) has CPU -1.
    """

    time: float
    cpus: frozenset[int]
    irqs: dict[int, dict[int, int]]
    rows: dict[str, dict[int, int]]
    softirqs: dict[str, dict[int, int]]
    softnet: dict[str, dict[int, int]]
    times: dict[str, dict[int, int]]


class Topology(msgspec.Struct, frozen=True):
    """CPUs, devices, interfaces and interrupt threads."""

    cpus: tuple[Cpu, ...]
    devices: tuple[Device, ...]
    interfaces: tuple[Interface, ...]
    threads: tuple[Thread, ...]
    rfs_entries: int = -1


class Host(Protocol):
    """A machine whose interrupts can be read and placed. All methods may block; none is called from
    two threads at once.
    """

    @property
    def boot_id(self) -> str:
        """Changes with every boot: masks from before it mean nothing."""

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """The cheap reading, with the effective affinity of these IRQs as far as they fired; None:
        of all. Raises HostError.
        """

    def census(self) -> Census:
        """The full reading. Raises HostError."""

    def counts(self) -> Counts:
        """Everything that is counted, by CPU; an IRQ's row may be the very object of the last
        reading if nothing was counted since, and is never changed. Raises HostError.
        """

    def topology(self) -> Topology:
        """CPUs, devices and interfaces, read afresh. Raises HostError."""

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """Write what the plan says, one outcome each. A dry run differs only in that nothing is
        written.
        """

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The mask and the inode of these IRQs as they are now; those that are gone are left
        out.
        """

    def population(self) -> int:
        """A cheap number that changes when IRQs come or go."""

    def isolation(self) -> dict[str, CpuSet]:
        """Isolated CPUs by source, read afresh: cgroup partitions come and go unannounced."""

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back; each comes with the IRQ's present number (None for settings)."""

    def writers(self) -> tuple[str, ...]:
        """Other programs at work on the same masks, one sentence each."""

    def close(self) -> None:
        """Give descriptors back."""
