"""The content of the kernel's files at one moment: frozen structs, as the readers return them.

Times are seconds; counts are totals since boot or since the IRQ was set up, never rates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.view import Cpu, Device, Interface, Thread

DEFAULT = "default_smp_affinity"
"""Identity of the default mask in the originals file and in outcomes; the name of its file in
`/proc/irq`.
"""


class Original(msgspec.Struct, frozen=True):
    """A value as it was before irqbal first changed it. `number` is the IRQ's number at that time
    (None for a setting). `value` is text: a CPU list, or a number of flow-table entries.
    """

    identity: str
    number: int | None
    value: str


Save = Callable[[Sequence[Original]], None]
"""Stores originals on disk before masks are written. If it raises StateFileError, no mask is
written.
"""


class CpuTime(msgspec.Struct, frozen=True):
    """Seconds since boot that a CPU spent in hard interrupts (`irq`) and in softirqs."""

    irq: float
    softirq: float


class ThreadTime(msgspec.Struct, frozen=True):
    """CPU time of a thread that handles interrupts, in seconds since the thread started. `irq` is
    the number of its IRQ, or None for threaded NAPI. `cpu` is the CPU on which it last ran.
    """

    irq: int | None
    cpu: int
    seconds: float


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """The cheap reading of every interval. `time` is seconds on the monotonic clock.

    `totals` are interrupts since the IRQ was set up, modulo 2**32, by IRQ number. `effective` holds
    the effective affinity of the requested IRQs that are active. `stale` are IRQ numbers whose
    files were replaced since irqbal opened them: their drivers set them up again. `packets` are
    totals by (interface, `rx` or `tx`, queue), where the driver reports them. `squeezed` counts by
    CPU how often softirqs ran out of budget or dropped a packet. `threads` are the threads that
    handle interrupts, by process ID.
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


class IrqFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel reports of one IRQ that has an action.

    `action` is the name (or names) in `/proc/interrupts`. `unmovable` is the reason why its mask
    cannot be written, or empty. `node` is -1 if unknown. `inode` is that of `/proc/irq/N`: another
    inode means that the driver freed the IRQ and requested it again. `counts` are its interrupts by
    CPU, where the kernel leaves its effective affinity empty; else there are none.
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
    counts: dict[int, int] = {}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel measured in a window of so many seconds. All times are seconds within the
    window, not per second.

    `handlers` is time in hard interrupt handlers by IRQ number (for a threaded IRQ, without its
    thread). `hits` is how often the handlers ran: for a shared IRQ, once for each action.
    `softirqs` is time by name as in `/proc/softirqs`, then by CPU; it includes hard interrupts that
    interrupted a softirq. `dropped` counts events for which a histogram had no room.
    """

    seconds: float
    handlers: dict[int, float]
    hits: dict[int, int]
    softirqs: dict[str, dict[int, float]]
    dropped: int = 0


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """The full reading: every IRQ that has an action, with its mask. `skipped_rows` are rows of
    `/proc/interrupts` that could not be parsed.
    """

    time: float
    irqs: tuple[IrqFacts, ...]
    default_affinity: CpuSet
    skipped_rows: int = 0


class GrownRow(dict[int, int]):
    """An IRQ's counts by CPU that differ from those of an earlier reading, the very object
    `before`, in those of one CPU alone.
    """

    __slots__ = ("before", "cpu")

    def __init__(self, before: dict[int, int], cpu: int, count: int) -> None:
        super().__init__(before)
        self[cpu] = count
        self.before: dict[int, int] | None = before
        self.cpu = cpu
        if isinstance(before, GrownRow):
            # Only two readings are ever compared: older ones can go.
            before.before = None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The reading for the history: totals by name (or IRQ number), then by CPU.

    `cpus` are the CPUs that have a column in `/proc/interrupts`. Cells of `irqs` that are 0 may be
    absent. `rows` are the rows of that file that are no IRQs; a row with one column (ERR, MIS) has
    CPU -1. `softnet` is by counter of `/proc/net/softnet_stat`. `times` are microseconds in `irq`
    and `softirq`.
    """

    time: float
    cpus: frozenset[int]
    irqs: dict[int, dict[int, int]]
    rows: dict[str, dict[int, int]]
    softirqs: dict[str, dict[int, int]]
    softnet: dict[str, dict[int, int]]
    times: dict[str, dict[int, int]]


class Scheduling(msgspec.Struct, frozen=True, kw_only=True):
    """What the scheduler has counted since the boot; None: the kernel does not count it.

    `switches` are context switches, `stalled` is seconds in which some task waited for a CPU,
    `run_delay` seconds that all tasks waited for one.
    """

    switches: float | None = None
    stalled: float | None = None
    run_delay: float | None = None


class Topology(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """CPUs, devices, interfaces and interrupt threads. `rfs_entries` is
    net.core.rps_sock_flow_entries, -1 if the kernel has none. `queue_irqs` are the IRQs of NIC
    queues that the kernel names, by (interface, `rx` or `tx`, index). `boot_affinity` are the CPUs
    of `irqaffinity=`; empty if it is not given.
    """

    cpus: tuple[Cpu, ...]
    devices: tuple[Device, ...]
    interfaces: tuple[Interface, ...]
    threads: tuple[Thread, ...]
    rfs_entries: int = -1
    queue_irqs: dict[tuple[str, str, int], int] = {}
    boot_affinity: CpuSet = CpuSet()

    @cached_property
    def possible(self) -> CpuSet:
        """Every CPU of the host, online or not."""
        return CpuSet(cpu.number for cpu in self.cpus)
