"""Handler time of each IRQ and softirq time of each CPU, measured by the kernel for a short window
(Linux 5.14 and later).

Histogram triggers (CONFIG_HIST_TRIGGERS; Documentation/trace/histogram.rst) on
`irq:irq_handler_entry` and `_exit`, `irq:softirq_entry` and `_exit` add up nanoseconds. They work
on every interrupt while they stand, so windows are short, and whoever starts calls `Tracing.clean`
first: what a killed process left would go on. Everything stands in `instances/irqbal`, but for two
synthetic events, which the kernel has only for all instances together. Nothing else of tracefs is
touched: `synthetic_events` is never truncated, for that would take away everybody's.

While it stands, the instance holds a ring buffer for each CPU, 1.4 MB until it is made small, which
happens at once.
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
"""Keys that a histogram has room for; more are dropped, and counted."""

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
"""In this order they are set; they are removed in the other, for what refers to another's variable
keeps that in place.
"""
_ROW = re.compile(r"(\w+):\s*(\d+)")
_TRIES = 20
_PAUSE = 0.05
"""The kernel lets go of a removed trigger only after a grace period: so often, and so long apart
(seconds), removal is tried.
"""


class TracefsMeasurement:
    """Measures on the live host, or under another root. `wait` lets the window pass (seconds). One
    thread at a time may use it.
    """

    def __init__(
        self, root: Path = Path("/"), wait: Callable[[float], object] = time.sleep
    ) -> None:
        self._places = [root / place for place in PLACES]
        self._wait = wait
        self.reason = ""
        """Why the last `measure` or `clean` did not do what it should; empty if it did."""

    def measure(self, seconds: float) -> Measured | None:
        """Measure for so long, blocking; None where this kernel does not let us, and then `reason`
        says why.

        Whatever happens, short of a kill, everything is removed again.
        """
        if not self.clean():
            return None
        base = self._base()
        if base is None:
            self.reason = (
                f"there is no tracefs at {' or '.join(map(str, self._places))}: not "
                "mounted, or no permission"
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
        """Remove what a killed process left, if there is anything. Returns whether nothing is
        left.
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
        """The tracefs that can be looked into: the folder of instances is part of every one."""
        return next(
            (place for place in self._places if os.access(place / "instances", os.X_OK)), None
        )

    def _arm(self, base: Path) -> float:
        """Set everything up. Returns the moment from which everything is counted."""
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
        """The two sums; parts of a histogram that was not there read as nothing."""
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
        return Measured(seconds, handlers, hits, softirqs, _dropped(by_irq) + _dropped(by_vector))


def _rows(text: str) -> Iterator[dict[str, int]]:
    """The entries of a histogram: keys and values by name, times in nanoseconds."""
    for line in text.splitlines():
        if line.startswith("{"):
            yield {name: int(value) for name, value in _ROW.findall(line)}


def _dropped(text: str) -> int:
    found = re.search(r"^\s*Dropped: (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def _instance(base: Path) -> Path:
    return base / "instances" / INSTANCE


def _remove(base: Path) -> None:
    """Triggers first, then the instance, then the synthetic events. Raises OSError if anything
    stays.
    """
    instance = _instance(base)
    if INSTANCE in names(base / "instances"):
        for event, _ in reversed(_TRIGGERS):
            # To truncate this file is to remove all triggers of this event in this instance.
            with contextlib.suppress(FileNotFoundError):
                os.close(
                    os.open(
                        instance / "events" / event / "trigger",
                        os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC,
                    )
                )
        _patiently(instance.rmdir)
    for name in _SYNTHETIC:
        if any(
            line.split()[0] == name
            for line in text_or(base / "synthetic_events").splitlines()
            if line.strip()
        ):
            _patiently(lambda name=name: _append(base / "synthetic_events", f"!{name}"))  # type: ignore[misc]


def _patiently(remove: Callable[[], None]) -> None:
    """What is still in use is tried again for a second. Raises OSError."""
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
    """What an error means here."""
    what = f"{error.filename}: {error.strerror}"
    if error.errno == errno.ENOENT:
        return (
            f"{what}; this kernel is without histogram triggers or synthetic events "
            "(CONFIG_HIST_TRIGGERS, CONFIG_SYNTH_EVENTS)"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{what}; tracing needs root and a tracefs that may be written (lockdown and "
            "containers forbid it)"
        )
    if error.errno == errno.EINVAL:
        return f"{what}; this kernel does not know these triggers (Linux 5.14 and later do)"
    return what
