"""What the kernel's tracing tells of interrupts on isolated CPUs: who caused them."""

from __future__ import annotations

from typing import Literal

import msgspec

TraceKind = Literal[
    "hrtimer",
    "timer",
    "tick",
    "work",
    "tasklet",
    "poll",
    "ran",
    "interrupted",
    "call",
    "sent",
    "waking",
    "flush",
]
"""What one histogram counts.

`hrtimer`, `timer`: timers that expired on the CPU. `tick`: why its tick could not be stopped.
`work`: work items that a kworker ran there. `tasklet`: tasklets. `poll`: NAPI polls of an
interface. `ran`: switches to a task. `interrupted`: tasks that a function call interrupted. `call`:
function calls that a task asked the CPU for; `sent`: rescheduling interrupts that it sent
(Linux 6.4 and later). `waking`: tasks that it woke there. `flush`: TLB flushes that it sent to some
other CPUs.
"""


class TraceCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often something happened. `cpu` is None where the event does not say it. `function` is a
    function of the kernel, an interface, or the bits of a tick's dependency. `task` and `pid` are
    the task that caused it (`ran`: that ran); `other` is the task that was woken.
    """

    kind: TraceKind
    cpu: int | None
    count: int
    function: str = ""
    task: str = ""
    pid: int | None = None
    other: str = ""


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """What tracing saw in a window. `kinds` could be counted on this kernel. `dropped` are events
    for which a histogram had no room. `kernel_threads` are the pids of those tasks that are
    kernel threads.
    """

    kinds: frozenset[TraceKind]
    counts: tuple[TraceCount, ...]
    dropped: int = 0
    kernel_threads: frozenset[int] = frozenset()


class InterruptCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How often some CPUs were interrupted since boot, by CPU: `irqs` by number, `rows` by the
    name in `/proc/interrupts`, `softirqs` by name. `texts` say what a named row counts. `time` is
    seconds on the monotonic clock.
    """

    time: float
    irqs: dict[int, dict[int, int]]
    rows: dict[str, dict[int, int]]
    softirqs: dict[str, dict[int, int]]
    texts: dict[str, str] = {}
