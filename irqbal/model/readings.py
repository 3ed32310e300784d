"""What a kernel's files hold at one moment: frozen structs, as the readers return them.

Times are seconds; counts are totals since boot or since the IRQ was set up, never rates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.view import Cpu, Device, Interface, Thread

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
"""Puts originals on disk; raises StateFileError, and then nothing is written."""


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


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
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


class IrqFacts(msgspec.Struct, frozen=True, kw_only=True):
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


class Measured(msgspec.Struct, frozen=True, kw_only=True):
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


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """The full reading: every IRQ that has an action, with its mask."""

    time: float
    irqs: tuple[IrqFacts, ...]
    default_affinity: CpuSet
    skipped_rows: int = 0


class Counts(msgspec.Struct, frozen=True, kw_only=True):
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


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """CPUs, devices, interfaces and interrupt threads."""

    cpus: tuple[Cpu, ...]
    devices: tuple[Device, ...]
    interfaces: tuple[Interface, ...]
    threads: tuple[Thread, ...]
    rfs_entries: int = -1
