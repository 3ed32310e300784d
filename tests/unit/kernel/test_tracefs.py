"""What tracing says where it cannot work, and how a histogram is read; the real thing is tried on a
real kernel (tests/vm).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irqbal.kernel import trace_instance
from irqbal.kernel.trace_instance import INSTANCE
from irqbal.kernel.tracefs import HANDLER, SOFTIRQ, TracefsMeasurement

BY_IRQ = """# event histogram
#
# trigger info: hist:keys=irq:vals=hitcount,lat:sort=hitcount:size=16384 [active]
#

{ irq:         29 } hitcount:        324  lat:  268106260
{ irq:         47 } hitcount:       3000  lat:   54709590

Totals:
    Hits: 3324
    Entries: 2
    Dropped: 5
"""
BY_VECTOR = """# event histogram

{ common_cpu:          2, vec:          7 } hitcount:          1  lat:      53190
{ common_cpu:          5, vec:          3 } hitcount:         34  lat:  115922460
{ common_cpu:          7, vec:          3 } hitcount:         59  lat:    1801250
{ common_cpu:          7, vec:         12 } hitcount:          1  lat:    1000000

Totals:
    Dropped: 0
"""


@pytest.fixture
def tracefs_root(tmp_path: Path) -> Path:
    """Plain files where tracefs would be; they accept everything, and keep nothing apart."""
    base = tmp_path / "sys/kernel/tracing"
    (base / "instances").mkdir(parents=True)
    (base / "synthetic_events").write_text("theirs\tint irq\n")
    return base


def test_without_tracefs_there_is_a_reason_and_no_measurement(tmp_path: Path) -> None:
    tracer = TracefsMeasurement(tmp_path, lambda seconds: pytest.fail("nothing to wait for"))
    assert tracer.measure(1.0) is None and "there is no tracefs at" in tracer.reason
    assert tracer.clean() and not tracer.reason


def test_a_kernel_without_triggers_is_named_and_nothing_stays(
    tracefs_root: Path, tmp_path: Path
) -> None:
    tracer = TracefsMeasurement(tmp_path, lambda seconds: pytest.fail("nothing to wait for"))
    assert tracer.measure(1.0) is None
    assert "CONFIG_HIST_TRIGGERS" in tracer.reason and "trigger" in tracer.reason
    assert not list((tracefs_root / "instances").iterdir())
    (tracefs_root / "synthetic_events").unlink()
    assert tracer.measure(1.0) is None and "CONFIG_SYNTH_EVENTS" in tracer.reason
    assert (
        not list((tracefs_root / "instances").iterdir())
        and not (tracefs_root / "synthetic_events").exists()
    )


def test_others_events_are_never_truncated_away(tracefs_root: Path, tmp_path: Path) -> None:
    TracefsMeasurement(tmp_path).measure(0.0)
    text = (tracefs_root / "synthetic_events").read_text()
    assert text.startswith("theirs\tint irq\n") and f"!{HANDLER}" in text and f"!{SOFTIRQ}" in text


def test_histograms_are_read_as_seconds(
    tracefs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's own text, seen on Linux 6.1."""
    events = tracefs_root / "instances" / INSTANCE / "events/synthetic"
    rmdir, mkdir = Path.rmdir, Path.mkdir

    def made(self: Path, *arguments: Any) -> None:
        mkdir(self, *arguments)
        if self.name == INSTANCE:
            for name in (HANDLER, SOFTIRQ):
                (events / name).mkdir(parents=True)
                (events / name / "trigger").touch()
                (events / name / "hist").write_text({HANDLER: BY_IRQ, SOFTIRQ: BY_VECTOR}[name])
            for name in ("irq_handler_entry", "irq_handler_exit", "softirq_entry", "softirq_exit"):
                (events.parent / "irq" / name).mkdir(parents=True)
                (events.parent / "irq" / name / "trigger").touch()

    def gone(self: Path) -> None:
        for folder, _, files in os.walk(self, topdown=False):
            for name in files:
                Path(folder, name).unlink()
            rmdir(Path(folder))

    monkeypatch.setattr(Path, "mkdir", _own(made, mkdir))
    monkeypatch.setattr(Path, "rmdir", gone)
    waited: list[float] = []
    tracer = TracefsMeasurement(tmp_path, waited.append)
    measured = tracer.measure(2.5)
    assert measured is not None and not tracer.reason and waited == [2.5]
    assert measured.handlers == {29: 0.26810626, 47: 0.05470959} and measured.hits == {
        29: 324,
        47: 3000,
    }
    assert measured.softirqs == {
        "SCHED": {2: 5.319e-05},
        "NET_RX": {5: 0.11592246, 7: 0.00180125},
        "12": {7: 0.001},
    }
    assert measured.dropped == 5
    assert not (tracefs_root / "instances" / INSTANCE).exists()


def _own(made: Callable[..., None], mkdir: Callable[..., None]) -> Callable[..., None]:
    """A mkdir that fills the instance alone."""

    def either(self: Path, *arguments: Any, **words: Any) -> None:
        if self.name == INSTANCE and "instances" in self.parts[-2:]:
            return made(self, *arguments)
        return mkdir(self, *arguments, **words)

    return either


def test_what_refers_to_anothers_variable_is_removed_before_it(
    tracefs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel refuses to remove a trigger whose variable another one reads."""
    instance = tracefs_root / "instances" / INSTANCE
    for name in ("irq_handler_entry", "irq_handler_exit", "softirq_entry", "softirq_exit"):
        (instance / "events/irq" / name).mkdir(parents=True)
        (instance / "events/irq" / name / "trigger").touch()
    removed: list[str] = []
    real_open = os.open

    def noting(path: Any, flags: int, *arguments: Any, **words: Any) -> int:
        if flags & os.O_TRUNC:
            removed.append(Path(path).parent.name)
        return real_open(path, flags, *arguments, **words)

    monkeypatch.setattr(os, "open", noting)
    monkeypatch.setattr(Path, "rmdir", shutil.rmtree)
    assert TracefsMeasurement(tmp_path).clean() and not instance.exists()
    assert removed.index("irq_handler_exit") < removed.index("irq_handler_entry")
    assert removed.index("softirq_exit") < removed.index("softirq_entry")


def test_what_another_irqbal_uses_now_is_left_alone(
    tracefs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on the folder tells it from what a killed process left."""
    monkeypatch.setattr(trace_instance, "_LOCK_TRIES", 2)
    (tracefs_root / "instances" / INSTANCE).mkdir()
    holder = os.open(tracefs_root / "instances", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    tracer = TracefsMeasurement(tmp_path, lambda seconds: pytest.fail("nothing to wait for"))
    try:
        assert not tracer.clean() and "another irqbal traces at present" in tracer.reason
        assert tracer.measure(1.0) is None and "another irqbal traces" in tracer.reason
        assert (tracefs_root / "instances" / INSTANCE).exists()
    finally:
        os.close(holder)
    assert tracer.clean() and not (tracefs_root / "instances" / INSTANCE).exists()


def test_a_signal_waits_until_everything_is_removed(
    tracefs_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tracefs_root / "instances" / INSTANCE).mkdir()
    rmdir = Path.rmdir

    def interrupted(path: Path) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        rmdir(path)

    monkeypatch.setattr(Path, "rmdir", interrupted)
    # Who starts the tests in the background lets them ignore this signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            TracefsMeasurement(tmp_path).clean()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tracefs_root / "instances" / INSTANCE).exists()
