"""`irqbal verify --isolation` on a real kernel with an isolated CPU: everything that comes there is
named, irqbal itself causes none of it in the window, and nothing stays in tracefs.

QEMU's emulated CPUs now and then run an old translation of code that another one has just
rewritten, which every setting and removing of tracing makes the kernel do: with a thread for each
CPU a guest ended twice with `Oops: int3` (7.3), once with a CPU that hung in the kernel (6.1). So
the CPUs of the guest in which tracing is set run in turn.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from vm.guest import IRQBAL, PYTHON
from vm.image import HERE, KernelPackage
from vm.lab import Vm

pytestmark = pytest.mark.vm

CPU = 7
TRACEFS = "/sys/kernel/tracing"
PROVOKE = f"{PYTHON} /host{HERE / 'provoke.py'} {CPU}"
ROWS = """
import json
found = {}
for path in ("/proc/interrupts", "/proc/softirqs"):
    head, *lines = open(path).read().splitlines()
    columns = head.split()
    for line in lines:
        name, *cells = line.split()
        if len(cells) >= len(columns):
            found[name.strip(":")] = int(cells[columns.index("CPU7")])
print(json.dumps(found))
"""
LEFT = f"ls {TRACEFS}/instances; grep -o '^irqbal[a-z_]*' {TRACEFS}/synthetic_events; true"
QUIET, LOUD = 5, 6


@contextlib.contextmanager
def isolated(kernel: KernelPackage, threads: Literal["multi", "single"]) -> Iterator[Vm]:
    """A guest whose CPU 7 is isolated, and whose 9p transport interrupts other CPUs."""
    append = f"isolcpus={CPU} nohz_full={CPU} rcu_nocbs={CPU}"
    with Vm(kernel, append=append, threads=threads) as vm:
        vm.run(
            "for irq in $(awk -F: '/virtio0-requests|virtio1-virtqueues/ {print $1}' "
            "/proc/interrupts); do echo 0-6 > /proc/irq/$irq/smp_affinity_list; done"
        ).check()
        yield vm


@pytest.fixture(scope="module")
def traced(kernel: KernelPackage) -> Iterator[Vm]:
    """One in which tracing is set."""
    with isolated(kernel, "single") as vm:
        yield vm


@pytest.fixture(scope="module")
def guest(kernel: KernelPackage) -> Iterator[Vm]:
    """One in which tracing is not set."""
    with isolated(kernel, "multi") as vm:
        yield vm


def counts(vm: Vm) -> dict[str, int]:
    """CPU 7's column of both files: read by a program that runs elsewhere."""
    text = vm.run(f"taskset -c 0-3 {PYTHON} - <<'E'\n{ROWS}\nE").check().stdout
    found: dict[str, int] = json.loads(text)
    return found


def came(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {
        name: count - before.get(name, 0)
        for name, count in after.items()
        if count != before.get(name, 0)
    }


def watch(vm: Vm, words: str, seconds: float = QUIET) -> dict[str, Any]:
    done = vm.run(f"{IRQBAL} verify --isolation {seconds} --json {words}", timeout=300)
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def interrupts(report: dict[str, Any]) -> dict[str, int]:
    """What was counted, without tasks that ran."""
    return {
        one["name"]: one["count"]
        for one in report["disturbances"]
        if one["kind"] not in ("thread", "task")
    }


def disturbed(vm: Vm, words: str) -> tuple[dict[str, Any], dict[str, int]]:
    """A report on a window in which everything is provoked, and how often it was."""
    # However slow the machine is: all are at work before the window, and until its end.
    vm.run(
        f"ip link set lo up; {PROVOKE} 900 > /run/provoked 2>&1 & echo $! > /run/provoker; "
        "for one in timer membarr tlb disk; do for i in $(seq 600); do "
        "grep -qx provoke-$one /proc/[0-9]*/task/*/comm 2>/dev/null && break; sleep 0.2; done; "
        "done; sleep 2",
        timeout=300,
    ).check()
    try:
        report = watch(vm, words, LOUD)
    finally:
        vm.run("pkill -f provoke.py; sleep 1; true")
    return report, interrupts(report)


def named(one: dict[str, Any]) -> int:
    """How many of these the report names a cause of."""
    causes: list[int] = [cause["count"] for cause in one["causes"]]
    return min(int(one["count"]), sum(causes))


def test_everything_that_comes_there_is_named(traced: Vm) -> None:
    release = tuple(map(int, traced.run("uname -r").check().stdout.split(".")[:2]))
    report, found = disturbed(traced, "")
    assert report["traced"] and report["outcome"] == "disturbed", report
    assert not [one for one in report["findings"] if "dropped" in one["text"]]
    total = sum(found.values())
    unnamed = [
        one
        for one in report["disturbances"]
        if (one["kind"] == "row" and one["help"] == "other")
        or (one["kind"] == "irq" and not one["label"])
    ]
    assert sum(one["count"] for one in unnamed) <= total / 100, unnamed
    # Each kind is there, whatever the machine's speed.
    assert {"LOC", "CAL", "TLB", "NET_RX"} <= found.keys(), found
    assert any("nvme0q" in one["label"] for one in report["disturbances"] if one["kind"] == "irq")
    rows = {one["name"]: one for one in report["disturbances"]}
    whole = {name: (named(rows[name]), rows[name]["count"]) for name in ("LOC", "CAL", "TLB")}
    print(release, total, found, whole)
    assert named(rows["LOC"]) >= 0.99 * rows["LOC"]["count"], rows["LOC"]
    assert named(rows["CAL"]) >= 0.99 * rows["CAL"]["count"], rows["CAL"]
    tasks = {one["label"] for one in report["disturbances"] if one["kind"] == "task"}
    assert {"provoke-timer", "provoke-membarr", "provoke-tlb", "provoke-disk"} <= tasks
    by = {(cause["function"], cause["task"]) for cause in rows["CAL"]["causes"]}
    if release >= (6, 4):
        assert {("ipi_mb", "provoke-membarr"), ("flush_tlb_func", "provoke-tlb")} <= by
        sent = [rows[name] for name in ("CAL", "RES", "TLB") if name in rows]
        share = sum(map(named, sent)) / sum(one["count"] for one in sent)
        assert share >= 0.99, sent
    else:
        assert {"provoke-membarr", "provoke-tlb"} <= {task for _, task in by}
        assert any("does not tell who sends" in one["text"] for one in report["findings"])
    assert traced.run(LEFT).stdout == ""


def by_others(found: dict[str, int], seconds: float) -> dict[str, int]:
    """Without what an idle CPU counts by itself: its timer runs out for nothing every some twenty
    seconds.
    """
    rest = dict(found)
    if rest.get("LOC", 0) <= 1 + seconds / 15:
        rest.pop("LOC", None)
    return rest


def test_a_quiet_window_is_quiet_with_tracing_too(traced: Vm) -> None:
    """The kernel itself may interrupt the CPU now and then, so one window of three may have a
    count.
    """
    reports = [watch(traced, "") for _ in range(3)]
    seen = [interrupts(report) for report in reports]
    print("quiet windows", seen)
    assert sum(not by_others(found, QUIET) for found in seen) >= 2, reports
    for one in (one for report in reports for one in report["disturbances"]):
        assert not [cause for cause in one["causes"] if cause["task"].startswith("irqbal")], one


def test_a_busy_loop_there_is_not_interrupted_by_irqbal(guest: Vm) -> None:
    """With one task that computes there the tick stops; what comes is no irqbal's."""
    start = f"taskset -c {CPU} sh -c 'while :; do :; done' & echo $!"
    pid = guest.run(start).check().stdout.strip()
    try:
        time.sleep(3)
        alone = counts(guest)
        time.sleep(QUIET)
        without = came(alone, counts(guest))
        report = watch(guest, "--no-tracing")
    finally:
        guest.run(f"kill {pid}")
    print("without irqbal", without, "with irqbal", interrupts(report))
    # The scheduler's own interrupts come and go; a run of irqbal's would bring dozens of each.
    for name in ("CAL", "RES", "TLB", "IWI"):
        most = 3 * without.get(name, 0) + 5
        assert interrupts(report).get(name, 0) <= most, (without, report)


def test_without_tracing_the_whole_run_interrupts_nothing(guest: Vm) -> None:
    """From its start to its end, Python's included. khugepaged interrupts every CPU when it joins
    any process's memory to huge pages, so it is not to.
    """
    guest.run("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled").check()
    runs = []
    for _ in range(3):
        before, began = counts(guest), time.monotonic()
        report = watch(guest, "--no-tracing")
        passed = time.monotonic() - began
        runs.append((came(before, counts(guest)), round(passed)))
        assert not report["traced"] and "not told without tracing" in report["findings"][-1]["text"]
    print("whole runs", runs)
    assert sum(not by_others(found, passed) for found, passed in runs) >= 2, runs


def test_a_budget_decides_the_status(guest: Vm) -> None:
    over = guest.run(
        f"{PROVOKE} 900 timer >/dev/null 2>&1 & p=$!; sleep 4; "
        f"{IRQBAL} verify --isolation 3 --no-tracing --allow LOC=1; s=$?; kill $p; exit $s",
        timeout=300,
    )
    assert over.returncode == 1 and over.stdout.startswith("OVER BUDGET: 1 count is over"), over
    assert "over-budget: CPU 7: LOC came" in over.stdout
    within = guest.run(
        f"{IRQBAL} verify --isolation 3 --no-tracing --allow all=100000", timeout=120
    )
    assert within.returncode == 0 and within.stdout.startswith("WITHIN BUDGET"), within
    assert guest.run(f"{IRQBAL} verify --isolation 1 --allow nosuch=1", timeout=200).returncode == 2


@pytest.mark.parametrize(("signal", "status"), [("TERM", 143), ("INT", 130)])
def test_a_signal_in_the_window_takes_everything_away(traced: Vm, signal: str, status: int) -> None:
    script = f"""
        env -i PATH=$PATH {PYTHON} -c 'import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler); os.execv("{IRQBAL}", ["{IRQBAL}", "verify", "--isolation", "60"])' > /run/out 2>&1 & p=$!
        for i in $(seq 600); do grep -q hist {TRACEFS}/instances/irqbal/events/sched/sched_switch/trigger 2>/dev/null && break; sleep 0.1; done
        sleep 2; kill -{signal} $p; wait $p; echo $?
    """  # noqa: E501
    done = traced.run(script, timeout=300).check()
    assert done.stdout.split()[-1] == str(status), (done, traced.run("cat /run/out").stdout)
    assert traced.run(LEFT).stdout == ""


def test_killed_at_any_moment_the_next_start_takes_it_away(traced: Vm) -> None:
    starts = {
        "verify": f"{IRQBAL} verify --isolation 1 --json",
        "measure": f"{IRQBAL} measure --seconds 0.1",
        "no tracing": f"{IRQBAL} verify --isolation 0.1 --no-tracing --json",
    }
    for moment, (name, start) in zip(("0", "0.3", "2"), starts.items(), strict=True):
        script = f"""
            {IRQBAL} verify --isolation 60 > /run/out 2>&1 & p=$!
            for i in $(seq 600); do [ -e {TRACEFS}/instances/irqbal ] && break; sleep 0.05; done
            sleep {moment}; kill -9 $p; wait $p; ls {TRACEFS}/instances
        """
        assert traced.run(script, timeout=300).check().stdout.split() == ["irqbal"], moment
        traced.run(start, timeout=300).check()
        assert traced.run(LEFT).stdout == "", name
