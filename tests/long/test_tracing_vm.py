"""A real kernel adds up its interrupt handlers' time, and nothing is left of it afterwards, not
even after a kill.
"""

from __future__ import annotations

import json

import pytest

from vm.guest import PYTHON
from vm.lab import Vm

pytestmark = pytest.mark.vm

TRACEFS = "/sys/kernel/tracing"
LEFT = f"ls {TRACEFS}/instances; grep -o '^irqbal[a-z_]*' {TRACEFS}/synthetic_events; true"
OTHERS = "theirs\tint irq"


def _python(text: str) -> str:
    return (
        f"{PYTHON} - <<'E'\nimport json, msgspec\nfrom irqbal.kernel.tracefs import "
        f"TracefsMeasurement\n{text}\nE\n"
    )


_MEASURE = _python(
    """
import subprocess, time
def wait(seconds):
    dd = ["dd", "if=/dev/nvme0n1", "of=/dev/null", "bs=4k", "count=500", "iflag=direct"]
    subprocess.run(dd, check=True, capture_output=True)
    time.sleep(seconds)
t = TracefsMeasurement(wait=wait)
m = t.measure(1)
print(json.dumps([msgspec.to_builtins(m), t.reason]))
"""
)


def test_handlers_and_softirqs_are_measured_and_nothing_stays(vm: Vm) -> None:
    # Somebody else's synthetic event and instance are there, and stay as they are.
    vm.run(
        f"echo 'theirs int irq' >> {TRACEFS}/synthetic_events; mkdir {TRACEFS}/instances/others"
    ).check()
    try:
        measured, reason = json.loads(vm.run(_MEASURE, timeout=120).check().stdout)
        assert not reason
        assert 1 <= measured["seconds"] < 30 and measured["dropped"] == 0
        numbers = vm.run("grep -E 'nvme0q[1-8]' /proc/interrupts").check().stdout.splitlines()
        nvme = [line.split(":")[0].strip() for line in numbers]
        assert sum(measured["hits"].get(number, 0) for number in nvme) >= 500
        spent = sum(measured["handlers"].get(number, 0.0) for number in nvme)
        assert 500 * 1e-7 < spent < measured["seconds"], "seconds, not nanoseconds"
        softirqs = measured["softirqs"]
        assert "TIMER" in softirqs and set(softirqs["TIMER"]) <= {str(cpu) for cpu in range(8)}
        assert all(
            0 < seconds < measured["seconds"]
            for cpus in softirqs.values()
            for seconds in cpus.values()
        )
        assert vm.run(LEFT).stdout.split() == ["others"]
        assert vm.run(f"cat {TRACEFS}/synthetic_events").stdout.strip() == OTHERS
    finally:
        vm.run(
            f"rmdir {TRACEFS}/instances/others; echo '!theirs' >> {TRACEFS}/synthetic_events"
        ).check()


def test_what_a_killed_process_left_is_removed(vm: Vm) -> None:
    pid = (
        vm.run(
            f"{PYTHON} -c 'from irqbal.kernel.tracefs import TracefsMeasurement; "
            "TracefsMeasurement().measure(600)' & "
            "echo $!"
        )
        .check()
        .stdout.strip()
    )
    armed = f"grep -q onmatch {TRACEFS}/instances/irqbal/events/irq/softirq_exit/trigger"
    vm.run(
        f"for i in $(seq 300); do {armed} 2>/dev/null && break; sleep 0.1; done; {armed} && sleep "
        f"0.5; kill -9 {pid}"
    ).check()
    assert vm.run(LEFT).stdout.split() == ["irqbal", "irqbal_handler", "irqbal_softirq"], (
        "the kernel goes on without us"
    )
    done = vm.run(
        _python("t = TracefsMeasurement()\nprint(t.clean(), t.reason or 'done', t.clean())"),
        timeout=120,
    ).check()
    assert done.stdout.split() == ["True", "done", "True"]
    assert vm.run(LEFT).stdout == ""


def test_killed_at_any_moment_the_next_one_measures(vm: Vm) -> None:
    for pause in ("0.02", "0.1", "0.2", "0.4"):
        script = f"""
            {PYTHON} -c 'from irqbal.kernel.tracefs import TracefsMeasurement; print("go", flush=True); TracefsMeasurement().measure(600)' > /run/go & p=$!
            for i in $(seq 300); do grep -q go /run/go && break; sleep 0.05; done; sleep {pause}; kill -9 $p
        """  # noqa: E501
        vm.run(script).check()
    measured, reason = json.loads(vm.run(_MEASURE, timeout=120).check().stdout)
    assert not reason and measured["hits"]
    assert vm.run(LEFT).stdout == ""


def test_a_tracefs_that_may_not_be_written_is_said(vm: Vm) -> None:
    mounts = f"mount --bind {TRACEFS} {TRACEFS} && mount -o remount,ro,bind {TRACEFS}"
    done = vm.run(
        f"unshare -m sh -c \"{mounts} && {PYTHON} -\" <<'E'\n{_MEASURE.split(chr(10), 1)[1]}",
        timeout=120,
    ).check()
    measured, reason = json.loads(done.stdout)
    assert measured is None and "Read-only file system" in reason and "needs root" in reason
