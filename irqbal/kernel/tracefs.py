"""Handler time of each IRQ and softirq time of each CPU, measured by the kernel for a short window
(Linux 5.14 and later).

Histogram triggers (CONFIG_HIST_TRIGGERS; Documentation/trace/histogram.rst) on
`irq:irq_handler_entry` and `_exit`, `irq:softirq_entry` and `_exit` add up nanoseconds, in the
instance of `irqbal.kernel.trace_instance`. Each interrupt runs them while they exist, so windows
are short.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from irqbal.errors import HostError
from irqbal.kernel.trace_instance import SYNTHETIC, ArmedInstance, OwnInstance, dropped
from irqbal.model.readings import Measured

HANDLER, SOFTIRQ = SYNTHETIC
VECTORS = (
    "HI",
    "TIMER",
    "NET_TX",
    "NET_RX",
    "BLOCK",
    "IRQ_POLL",
    "TASKLET",
    "SCHED",
    "HRTIMER",
    "RCU",
)
"""Softirqs by number, as `/proc/softirqs` names them (include/linux/interrupt.h)."""
ENTRIES = 16384
"""Keys of a histogram, at most; events with further keys are counted as dropped."""

_FIELDS = {HANDLER: "int irq; u64 lat", SOFTIRQ: "unsigned int vec; u64 lat"}
_TRIGGERS = (
    (f"synthetic/{HANDLER}", f"hist:keys=irq:vals=lat:size={ENTRIES}"),
    (f"synthetic/{SOFTIRQ}", f"hist:keys=common_cpu,vec:vals=lat:size={ENTRIES}"),
    (
        "irq/irq_handler_entry",
        f"hist:keys=common_cpu,irq:begun=common_timestamp:clock=mono:size={ENTRIES}",
    ),
    (
        "irq/irq_handler_exit",
        f"hist:keys=common_cpu,irq:lat=common_timestamp-$begun:clock=mono:size={ENTRIES}"
        f":onmatch(irq.irq_handler_entry).{HANDLER}(irq,$lat)",
    ),
    (
        "irq/softirq_entry",
        f"hist:keys=common_cpu,vec:raised=common_timestamp:clock=mono:size={ENTRIES}",
    ),
    (
        "irq/softirq_exit",
        f"hist:keys=common_cpu,vec:spent=common_timestamp-$raised:clock=mono:size={ENTRIES}"
        f":onmatch(irq.softirq_entry).{SOFTIRQ}(vec,$spent)",
    ),
)
"""Event and trigger, in the order in which they are set: each refers only to variables and events
of those before it.
"""
_ROW = re.compile(r"(\w+):\s*(\d+)")


class TracefsMeasurement:
    """Measures on the live host, or under another root. `wait` blocks for the window's seconds.
    Only one thread at a time may use it.
    """

    def __init__(
        self, root: Path = Path("/"), wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._instance = OwnInstance(root)
        self._wait = wait
        self.reason = ""
        """Why the last `measure` or `clean` failed; empty if it did not."""

    def measure(self, seconds: float) -> Measured | None:
        """Measure for so many seconds; this blocks. Returns None if it is not possible here, and
        sets `reason`. The triggers are removed in any case, unless the process is killed.
        """
        self.reason = ""
        measured = None
        try:
            with self._instance.made(_FIELDS) as instance:
                for event, trigger in _TRIGGERS:
                    instance.set_trigger(event, trigger)
                began = time.monotonic()
                self._wait(seconds)
                measured = _read(instance, time.monotonic() - began)
        except HostError as error:
            self.reason = str(error)
        return measured

    def clean(self) -> bool:
        """Remove what a killed process left behind. Returns whether nothing is left; if not, sets
        `reason`.
        """
        self.reason = ""
        try:
            self._instance.remove()
        except HostError as error:
            self.reason = str(error)
        return not self.reason


def _read(instance: ArmedInstance, seconds: float) -> Measured:
    """Read both histograms."""
    handlers, hits, softirqs = {}, {}, dict[str, dict[int, float]]()
    by_irq = instance.histogram(f"synthetic/{HANDLER}")
    by_vector = instance.histogram(f"synthetic/{SOFTIRQ}")
    for row in _rows(by_irq):
        handlers[row["irq"]] = row["lat"] / 1e9
        hits[row["irq"]] = row["hitcount"]
    for row in _rows(by_vector):
        vector = row["vec"]
        name = VECTORS[vector] if vector < len(VECTORS) else str(vector)
        softirqs.setdefault(name, {})[row["common_cpu"]] = row["lat"] / 1e9
    return Measured(
        seconds=seconds,
        handlers=handlers,
        hits=hits,
        softirqs=softirqs,
        dropped=dropped(by_irq) + dropped(by_vector),
    )


def _rows(text: str) -> Iterator[dict[str, int]]:
    """The entries of a histogram: keys and values by name; times are nanoseconds."""
    for line in text.splitlines():
        if line.startswith("{"):
            yield {name: int(value) for name, value in _ROW.findall(line)}
