"""Handler time of each IRQ and softirq time of each CPU, measured by the kernel for a short window
(Linux 5.14 and later).

Histogram triggers (CONFIG_HIST_TRIGGERS; Documentation/trace/histogram.rst) on
`irq:irq_handler_entry` and `_exit`, `irq:softirq_entry` and `_exit` add up nanoseconds. Each
interrupt runs them while they exist, so windows are short. A killed process leaves its triggers
behind; `TracefsMeasurement.clean` removes them, and every program that measures calls it when it
starts.

Everything is in `instances/irqbal`, except for two synthetic events, which all instances share.
Nothing else in tracefs is changed: `synthetic_events` is never truncated, since that would remove
the events of other programs. The instance has a ring buffer for each CPU; its size is reduced from
1.4 MB as soon as the instance exists.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from irqbal.kernel.files import names, text_or
from irqbal.model.readings import Measured

PLACES = ("sys/kernel/tracing", "sys/kernel/debug/tracing")
INSTANCE = "irqbal"
HANDLER, SOFTIRQ = "irqbal_handler", "irqbal_softirq"
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

_SYNTHETIC = {HANDLER: "int irq; u64 lat", SOFTIRQ: "unsigned int vec; u64 lat"}
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
"""Event and trigger, in the order in which they are set. They are removed in reverse: a trigger
cannot be removed while another refers to its variable.
"""
_ROW = re.compile(r"(\w+):\s*(\d+)")
_TRIES = 20
_PAUSE = 0.05
"""Attempts to remove what is busy, and seconds between them: the kernel releases a removed trigger
only after a grace period.
"""


class TracefsMeasurement:
    """Measures on the live host, or under another root. `wait` blocks for the window's seconds.
    Only one thread at a time may use it.
    """

    def __init__(
        self, root: Path = Path("/"), wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._places = [root / place for place in PLACES]
        self._wait = wait
        self.reason = ""
        """Why the last `measure` or `clean` failed; empty if it did not."""

    def measure(self, seconds: float) -> Measured | None:
        """Measure for so many seconds; this blocks. Returns None if it is not possible here, and
        sets `reason`. The triggers are removed in any case, unless the process is killed.
        """
        if not self.clean():
            return None
        base = self._base()
        if base is None:
            self.reason = (
                f"there is no tracefs at {' or '.join(map(str, self._places))}: not "
                "mounted, or no permission; as root, `mount -t tracefs tracefs /sys/kernel/tracing`"
            )
            return None
        try:
            began = self._arm(base)
            self._wait(seconds)
            passed = time.monotonic() - began
            return self._read(base, passed)
        except OSError as error:
            self.reason = _sentence(error)
            return None
        finally:
            reason = self.reason
            self.clean()
            self.reason = reason or self.reason

    def clean(self) -> bool:
        """Remove what a killed process left behind. Returns whether nothing is left; if not, sets
        `reason`.
        """
        self.reason = ""
        base = self._base()
        if base is None:
            return True
        try:
            _remove(base)
        except OSError as error:
            self.reason = f"tracing could not be removed: {_sentence(error)}"
            return False
        return True

    def _base(self) -> Path | None:
        """The first tracefs that can be entered; every tracefs has a folder `instances`."""
        return next(
            (place for place in self._places if os.access(place / "instances", os.X_OK)), None
        )

    def _arm(self, base: Path) -> float:
        """Set all triggers. Returns the monotonic time at which all of them count."""
        instance = _instance(base)
        instance.mkdir()
        with contextlib.suppress(OSError):
            _append(instance / "buffer_size_kb", "4")
        for name, fields in _SYNTHETIC.items():
            _append(base / "synthetic_events", f"{name} {fields}")
        for event, trigger in _TRIGGERS:
            _append(instance / "events" / event / "trigger", trigger)
        return time.monotonic()

    def _read(self, base: Path, seconds: float) -> Measured:
        """Read both histograms."""
        events = _instance(base) / "events/synthetic"
        handlers, hits, softirqs = {}, {}, dict[str, dict[int, float]]()
        by_irq = (events / HANDLER / "hist").read_text()
        by_vector = (events / SOFTIRQ / "hist").read_text()
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
            dropped=_dropped(by_irq) + _dropped(by_vector),
        )


def _rows(text: str) -> Iterator[dict[str, int]]:
    """The entries of a histogram: keys and values by name; times are nanoseconds."""
    for line in text.splitlines():
        if line.startswith("{"):
            yield {name: int(value) for name, value in _ROW.findall(line)}


def _dropped(text: str) -> int:
    found = re.search(r"^\s*Dropped: (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _instance(base: Path) -> Path:
    return base / "instances" / INSTANCE


def _remove(base: Path) -> None:
    """Remove the triggers, then the instance, then the synthetic events. Raises OSError if one of
    them cannot be removed.
    """
    instance = _instance(base)
    if INSTANCE in names(base / "instances"):
        for event, _ in reversed(_TRIGGERS):
            # Truncating this file removes all triggers of this event in this instance.
            with contextlib.suppress(FileNotFoundError):
                os.close(
                    os.open(
                        instance / "events" / event / "trigger",
                        os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC,
                    )
                )
        _retry_while_busy(instance.rmdir)
    for name in _SYNTHETIC:
        if any(
            line.split()[0] == name
            for line in text_or(base / "synthetic_events").splitlines()
            if line.strip()
        ):
            _retry_while_busy(lambda name=name: _append(base / "synthetic_events", f"!{name}"))  # type: ignore[misc]


def _retry_while_busy(remove: Callable[[], None]) -> None:
    """Call `remove` until it is not refused with EBUSY, for a second at most. Raises OSError."""
    for left in reversed(range(_TRIES)):
        try:
            return remove()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EBUSY or not left:
                raise
        time.sleep(_PAUSE)
    return None


def _append(path: Path, text: str) -> None:
    """Write one line without truncating. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(descriptor, f"{text}\n".encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def _sentence(error: OSError) -> str:
    """The error with its probable cause."""
    what = f"{error.filename}: {error.strerror}"
    if error.errno == errno.ENOENT:
        return (
            f"{what}; this kernel has no histogram triggers or no synthetic events "
            "(CONFIG_HIST_TRIGGERS, CONFIG_SYNTH_EVENTS)"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{what}; tracing needs root and a writable tracefs (lockdown and containers forbid it)"
        )
    if error.errno == errno.EINVAL:
        return f"{what}; these triggers need Linux 5.14 or later"
    return what
