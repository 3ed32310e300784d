"""Who interrupts isolated CPUs, counted by the kernel's own histograms in the tracefs instance of
`irqbal.kernel.trace_instance` (Documentation/trace/histogram.rst).

Filters keep events of other CPUs out, so that those cost little. Linux 6.4 and later tell who sends
an interprocessor interrupt (`csd:csd_queue_cpu`, `ipi:ipi_send_cpu`); earlier kernels tell only
which task it interrupted, who woke a task there, and who sent TLB flushes to any CPU. Events that a
kernel lacks, or whose triggers it refuses, are left out.

Setting and removing triggers interrupts every CPU (the kernel rewrites its own code): the counts
of a window are the difference of two readings in between, and a reading interrupts none. A task
chooses its own name, so names may hold anything, line breaks and braces too.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel.files import bytes_or
from irqbal.kernel.trace_instance import ArmedInstance, OwnInstance, dropped
from irqbal.model.disturbances import TraceCount, Traced, TraceKind

ENTRIES = 4096
"""Keys of a histogram, at most."""
_PF_KTHREAD = 0x200000
"""include/linux/sched.h."""


class HistogramKey(msgspec.Struct, frozen=True):
    """A field of an event by which is counted. `into` is the field of `TraceCount`."""

    field: str
    into: str


_HERE = HistogramKey("common_cpu", "cpu")
_TARGET = HistogramKey("cpu", "cpu")
_CALLER = HistogramKey("common_pid.execname", "task")
_FUNCTION = HistogramKey("function.sym", "function")
_ON_THEM = "{cpus:common_cpu}"


class TraceProbe(msgspec.Struct, frozen=True):
    """One histogram: the event, its keys, and its filter, in which `{cpus:FIELD}` stands for the
    isolated CPUs. `instead` is the kind without which this one is counted, as a lesser answer.
    """

    kind: TraceKind
    event: str
    keys: tuple[HistogramKey, ...]
    filter: str
    instead: TraceKind | None = None

    def trigger(self, cpus: CpuSet) -> str:
        """The words for the event's file `trigger`."""
        keys = ",".join(key.field for key in self.keys)
        chosen = _PLACE.sub(lambda found: _within(found[1], cpus), self.filter)
        return f"hist:keys={keys}:size={ENTRIES}" + (f" if {chosen}" if chosen else "")


_PLACE = re.compile(r"\{cpus:(\w+)\}")
PROBES = (
    TraceProbe(
        "call",
        "csd/csd_queue_cpu",
        (_TARGET, _CALLER, HistogramKey("func.sym", "function")),
        "{cpus:cpu}",
    ),
    TraceProbe(
        "sent",
        "ipi/ipi_send_cpu",
        (_TARGET, _CALLER),
        "({cpus:cpu}) && callback == 0",
    ),
    TraceProbe(
        "waking",
        "sched/sched_waking",
        (HistogramKey("target_cpu", "cpu"), _CALLER, HistogramKey("comm", "other")),
        "{cpus:target_cpu}",
        instead="sent",
    ),
    # Reason 4 is TLB_REMOTE_SEND_IPI (include/linux/mm_types.h).
    TraceProbe("flush", "tlb/tlb_flush", (_CALLER,), "reason == 4", instead="call"),
    TraceProbe(
        "interrupted",
        "irq_vectors/call_function_single_entry",
        (_HERE, _CALLER),
        _ON_THEM,
        instead="call",
    ),
    TraceProbe(
        "interrupted",
        "irq_vectors/call_function_entry",
        (_HERE, _CALLER),
        _ON_THEM,
        instead="call",
    ),
    TraceProbe(
        "hrtimer",
        "timer/hrtimer_expire_entry",
        (_HERE, _FUNCTION),
        _ON_THEM,
    ),
    TraceProbe(
        "timer",
        "timer/timer_expire_entry",
        (_HERE, _FUNCTION),
        _ON_THEM,
    ),
    TraceProbe(
        "tick",
        "timer/tick_stop",
        (_HERE, HistogramKey("dependency", "function")),
        "({cpus:common_cpu}) && success == 0",
    ),
    TraceProbe(
        "work",
        "workqueue/workqueue_execute_start",
        (_HERE, _FUNCTION),
        _ON_THEM,
    ),
    TraceProbe(
        "tasklet",
        "irq/tasklet_entry",
        (_HERE, HistogramKey("func.sym", "function")),
        _ON_THEM,
    ),
    TraceProbe("poll", "napi/napi_poll", (_HERE, HistogramKey("dev_name", "function")), _ON_THEM),
    TraceProbe(
        "ran",
        "sched/sched_switch",
        (_HERE, HistogramKey("next_pid", "pid"), HistogramKey("next_comm", "task")),
        "({cpus:common_cpu}) && next_pid != 0",
    ),
)
"""All histograms, in the order in which they are set."""


class DisturbanceTrace:
    """Counts on the live host, or under another root, what disturbs these CPUs. Enter it as a
    context: the triggers are set, which interrupts every CPU; `begin` and `end` read, which
    interrupts none; leaving removes everything. All raise HostError, with the reason.
    """

    def __init__(self, root: Path, cpus: CpuSet) -> None:
        self._root, self._cpus = root, cpus
        self._own = OwnInstance(root)
        self._stack = contextlib.ExitStack()
        self._armed: list[TraceProbe] = []
        self._instance: ArmedInstance | None = None
        self._before: Counter[TraceCount] = Counter()

    def __enter__(self) -> DisturbanceTrace:
        with contextlib.ExitStack() as stack:
            instance = stack.enter_context(self._own.made())
            self._armed = _arm(instance, self._cpus)
            self._instance = instance
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self) -> None:
        """What is counted before this is not of the window."""
        self._before = self._count()[0]

    def end(self) -> Traced:
        """The counts since `begin`."""
        after, lost = self._count()
        after.subtract(self._before)
        counts = [
            msgspec.structs.replace(row, count=count)
            for row, count in after.items()
            if count > 0 and (row.cpu is None or row.cpu in self._cpus)
        ]
        pids = {row.pid for row in counts if row.pid}
        return Traced(
            kinds=frozenset(probe.kind for probe in self._armed),
            counts=tuple(sorted(counts, key=lambda row: (row.kind, -row.count, row.function))),
            dropped=lost,
            kernel_threads=frozenset(pid for pid in pids if is_kernel_thread(self._root, pid)),
        )

    def _count(self) -> tuple[Counter[TraceCount], int]:
        """Rows without their counts -> count, and the events that were dropped."""
        instance, found, lost = self._instance, Counter[TraceCount](), 0
        assert instance is not None, "entered"
        for probe in self._armed:
            text = instance.histogram(probe.event)
            lost += dropped(text)
            for row in parse_histogram(text, probe):
                found[msgspec.structs.replace(row, count=0)] += row.count
        return found, lost


def _arm(instance: ArmedInstance, cpus: CpuSet) -> list[TraceProbe]:
    """Set the triggers that this kernel accepts. Raises HostError if it accepts none."""
    armed: list[TraceProbe] = []
    problem: HostError | None = None
    for probe in PROBES:
        if any(other.kind == probe.instead for other in armed) or not instance.has_event(
            probe.event
        ):
            continue
        try:
            instance.set_trigger(probe.event, probe.trigger(cpus))
        except HostError as error:
            problem = error
            continue
        armed.append(probe)
    if not armed:
        raise problem or HostError(
            "this kernel has no events to trace, or no histogram triggers (CONFIG_HIST_TRIGGERS)"
        )
    return armed


def _within(field: str, cpus: CpuSet) -> str:
    """A filter: the field is one of these CPUs. Kernels before 6.6 know no sets."""
    return " || ".join(
        f"{field} == {first}" if first == last else f"({field} >= {first} && {field} <= {last})"
        for first, last in _ranges(cpus)
    )


def _ranges(cpus: CpuSet) -> Iterator[tuple[int, int]]:
    for part in str(cpus).split(","):
        first, _, last = part.partition("-")
        yield int(first), int(last or first)


def parse_histogram(text: str, probe: TraceProbe) -> Iterator[TraceCount]:
    """The entries of a probe's histogram. Text that is no entry is skipped."""
    for found in _row_pattern(probe.keys).finditer(text):
        texts, numbers = dict[str, str](), dict[str, int]()
        groups = iter(found.groups())
        for key in probe.keys:
            value = next(groups)
            if key.into in ("cpu", "pid"):
                numbers[key.into] = int(value)
            else:
                texts[key.into] = value.strip()
            if key.field.endswith(".execname"):
                numbers["pid"] = int(next(groups))
        yield TraceCount(
            kind=probe.kind,
            cpu=numbers.get("cpu"),
            count=int(next(groups)),
            function=texts.get("function", ""),
            task=texts.get("task", ""),
            pid=numbers.get("pid"),
            other=texts.get("other", ""),
        )


def _row_pattern(keys: Iterable[HistogramKey]) -> re.Pattern[str]:
    parts = []
    for key in keys:
        name, _, form = key.field.partition(".")
        if form == "execname":
            value = r"(.{0,80}?)\s*\[\s*(\d+)\]"
        elif form == "sym":
            value = r"\[\w+\] ([^\s,}]*)[^,}]*?"
        elif key.into in ("task", "other", "function") and key.field != "dependency":
            value = r"(.{0,80}?)"
        else:
            value = r"(\d+)"
        parts.append(rf"{name}:\s*{value}\s*")
    return re.compile(
        r"^\{ " + ", ".join(parts) + r"\} hitcount:\s*(\d+)", re.MULTILINE | re.DOTALL
    )


def is_kernel_thread(root: Path, pid: int) -> bool:
    """Whether this task is a thread of the kernel; False if it has ended
    (Documentation/filesystems/proc.rst, table 1-4: the flags in `/proc/PID/stat`).
    """
    fields = bytes_or(root / f"proc/{pid}/stat").rpartition(b")")[2].split()
    return len(fields) > 6 and fields[6].isdigit() and bool(int(fields[6]) & _PF_KTHREAD)
