"""How the histograms of who disturbs a CPU are set up, read and compared. Their texts are the
kernel's own, seen on Linux 6.1 and 7.3 in the test machine (tests/vm).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.kernel import disturbance_trace
from irqbal.kernel.disturbance_trace import (
    PROBES,
    DisturbanceTrace,
    TraceProbe,
    is_kernel_thread,
    parse_histogram,
)
from irqbal.kernel.trace_instance import INSTANCE
from irqbal.model.disturbances import TraceCount, TraceKind

CALLS = """# event histogram
#
# trigger info: hist:keys=cpu,common_pid.execname,func.sym:vals=hitcount:sort=hitcount:size=4096 if cpu == 7 [active]
#

{ cpu:          7, common_pid: python          [       299], func: [ffffffffa65bd7d0] sched_ttwu_pending                            } hitcount:          1
{ cpu:          7, common_pid: migration/5     [        56], func: [ffffffffa66a55b0] nohz_full_kick_func                           } hitcount:          1
{ cpu:          7, common_pid: <idle>          [         0], func: [ffffffffa65bd7d0] sched_ttwu_pending                            } hitcount:          6
{ cpu:          7, common_pid: bash            [       284], func: [ffffffffa64eb3f0] do_sync_core                                  } hitcount:         18

Totals:
    Hits: 28
    Entries: 5
    Dropped: 0
"""  # noqa: E501
"""7.3."""
RAN = """# event histogram
#
# trigger info: hist:keys=common_cpucommon_cpu,next_pid,next_comm:vals=hitcount:sort=hitcount:size=4096 if (common_cpu == 7) && next_pid != 0 [active]
#

{ common_cpu:          7, next_pid:         71, next_comm: ksoftirqd/7                                        } hitcount:          1
{ common_cpu:          7, next_pid:        295, next_comm: a, b: } x                                          } hitcount:         29
{ common_cpu:          7, next_pid:        297, next_comm: \\xff\\xfe [ 12]                                           } hitcount:         29
{ common_cpu:          7, next_pid:        296, next_comm: x
{ cpu: 7, c                                      } hitcount:         31
{ common_cpu:          7, next_pid:        299, next_comm:   lead }                                           } hitcount:         31
{ common_cpu:          7, next_pid:        298, next_comm:                                                    } hitcount:         32

Totals:
    Hits: 153
    Entries: 6
    Dropped: 0
"""  # noqa: E501
"""7.3, of tasks that had given themselves such names."""
INTERRUPTED = """# event histogram
#

{ common_cpu:          7, common_pid:                 [       298] } hitcount:         11
{ common_cpu:          7, common_pid: a, b: } x       [       295] } hitcount:         11
{ common_cpu:          7, common_pid: \\xff\\xfe [ 12]        [       297] } hitcount:         13
{ common_cpu:          7, common_pid: x
{ cpu: 7, c   [       296] } hitcount:         15
{ common_cpu:          7, common_pid: <idle>          [         0] } hitcount:         54

Totals:
    Dropped: 0
"""
"""7.3."""
TIMERS = """# event histogram
#
# trigger info: hist:keys=common_cpu,function.sym:vals=hitcount:sort=hitcount:size=4096 if common_cpu == 7 [active]
#

{ common_cpu:          7, function: [ffffffff99155160] hrtimer_wakeup                                } hitcount:        579
{ common_cpu:          7, function: [ffffffff99168830] tick_sched_timer                              } hitcount:       1455

Totals:
    Hits: 2034
    Entries: 2
    Dropped: 3
"""  # noqa: E501
"""6.1, but for the number dropped."""
POLLS = """
{ common_cpu:          7, dev_name: (no_device)                                        } hitcount:        244
"""  # noqa: E501
WAKINGS = """
{ target_cpu:          7, common_pid: kworker/0:1     [        20], comm: kworker/7:1                                        } hitcount:          1
{ target_cpu:          7, common_pid: provoke-tlb     [       292], comm: provoke-tlb                                        } hitcount:          2
"""  # noqa: E501
TICKS = """
{ common_cpu:          7, dependency:          4 } hitcount:       2271
"""
FLUSHES = """
{ common_pid: provoke-membarr [       291] } hitcount:          6
"""
"""6.1."""


def probe(kind: TraceKind) -> TraceProbe:
    return next(one for one in PROBES if one.kind == kind)


def read(text: str, kind: TraceKind) -> list[TraceCount]:
    return list(parse_histogram(text, probe(kind)))


def test_function_calls_name_their_sender_and_function() -> None:
    assert [(row.task, row.pid, row.function, row.count) for row in read(CALLS, "call")] == [
        ("python", 299, "sched_ttwu_pending", 1),
        ("migration/5", 56, "nohz_full_kick_func", 1),
        ("<idle>", 0, "sched_ttwu_pending", 6),
        ("bash", 284, "do_sync_core", 18),
    ]
    assert {row.cpu for row in read(CALLS, "call")} == {7}


def test_tasks_may_have_any_name() -> None:
    assert [(row.task, row.pid, row.count) for row in read(RAN, "ran")] == [
        ("ksoftirqd/7", 71, 1),
        ("a, b: } x", 295, 29),
        ("\\xff\\xfe [ 12]", 297, 29),
        ("x\n{ cpu: 7, c", 296, 31),
        ("lead }", 299, 31),
        ("", 298, 32),
    ]
    assert [(row.task, row.pid, row.count) for row in read(INTERRUPTED, "interrupted")] == [
        ("", 298, 11),
        ("a, b: } x", 295, 11),
        ("\\xff\\xfe [ 12]", 297, 13),
        ("x\n{ cpu: 7, c", 296, 15),
        ("<idle>", 0, 54),
    ]


def test_the_other_histograms_are_read() -> None:
    assert [(row.function, row.count) for row in read(TIMERS, "hrtimer")] == [
        ("hrtimer_wakeup", 579),
        ("tick_sched_timer", 1455),
    ]
    assert [(row.function, row.count) for row in read(POLLS, "poll")] == [("(no_device)", 244)]
    assert [(row.task, row.other, row.pid) for row in read(WAKINGS, "waking")] == [
        ("kworker/0:1", "kworker/7:1", 20),
        ("provoke-tlb", "provoke-tlb", 292),
    ]
    assert [(row.function, row.count) for row in read(TICKS, "tick")] == [("4", 2271)]
    assert [(row.cpu, row.task, row.count) for row in read(FLUSHES, "flush")] == [
        (None, "provoke-membarr", 6)
    ]
    assert read("", "call") == read("{ nonsense } hitcount: 1", "call") == []


@given(name=st.text(st.characters(exclude_characters="\0"), max_size=15))
def test_a_name_moves_no_row_to_another_task(name: str) -> None:
    text = (
        f"\n{{ common_cpu:          7, next_pid:         12, next_comm: {name:<50} }} hitcount:"
        "          3\n{ common_cpu:          7, next_pid:         13, next_comm: b } hitcount:"
        "          4\n"
    )
    rows = read(text, "ran")
    assert [(row.pid, row.count) for row in rows] == [(12, 3), (13, 4)]
    assert rows[0].task == name.strip() and rows[1].task == "b"


def test_a_filter_names_cpus_by_ranges() -> None:
    cpus = CpuSet.parse("3,6-8")
    assert probe("hrtimer").trigger(cpus) == (
        "hist:keys=common_cpu,function.sym:size=4096 "
        "if common_cpu == 3 || (common_cpu >= 6 && common_cpu <= 8)"
    )
    assert probe("ran").trigger(CpuSet.of(7)).endswith("if (common_cpu == 7) && next_pid != 0")
    assert probe("flush").trigger(cpus).endswith("if reason == 4")


class Tracefs:
    """Plain files where tracefs would be, with these events. What is written to a trigger is
    kept; `texts` are the histograms.
    """

    def __init__(self, root: Path, events: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.instance = root / "sys/kernel/tracing/instances" / INSTANCE
        self.instance.parent.mkdir(parents=True)
        mkdir, rmdir = Path.mkdir, Path.rmdir

        def made(path: Path, *arguments: Any, **words: Any) -> None:
            mkdir(path, *arguments, **words)
            if path == self.instance:
                for event, text in events.items():
                    mkdir(path / "events" / event, parents=True)
                    (path / "events" / event / "trigger").touch()
                    (path / "events" / event / "hist").write_text(text)

        def gone(path: Path) -> None:
            for folder, _, files in os.walk(path, topdown=False):
                for name in files:
                    Path(folder, name).unlink()
                rmdir(Path(folder))

        monkeypatch.setattr(Path, "mkdir", made)
        monkeypatch.setattr(Path, "rmdir", gone)

    def trigger(self, event: str) -> str:
        return (self.instance / "events" / event / "trigger").read_text()

    def write(self, event: str, text: str) -> None:
        (self.instance / "events" / event / "hist").write_text(text)


NEW = {"csd/csd_queue_cpu": CALLS, "ipi/ipi_send_cpu": "", "timer/hrtimer_expire_entry": TIMERS}
OLD = {"sched/sched_waking": WAKINGS, "tlb/tlb_flush": FLUSHES, "sched/sched_switch": RAN}


def test_what_came_since_the_beginning_is_counted_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracefs = Tracefs(tmp_path, NEW | OLD, monkeypatch)
    (tmp_path / "proc/284").mkdir(parents=True)
    (tmp_path / "proc/284/stat").write_text("284 (a) b) S 2 0 0 0 -1 2129984 0 0\n")
    with DisturbanceTrace(tmp_path, CpuSet.of(7)) as tracing:
        assert "if cpu == 7" in tracefs.trigger("csd/csd_queue_cpu")
        # What tells less is not set where the kernel tells who sent it.
        assert tracefs.trigger("sched/sched_waking") == tracefs.trigger("tlb/tlb_flush") == ""
        tracing.begin()
        tracefs.write("csd/csd_queue_cpu", CALLS.replace("hitcount:         18", "hitcount: 20"))
        traced = tracing.end()
    assert [(row.kind, row.task, row.count) for row in traced.counts] == [("call", "bash", 2)]
    assert traced.kinds == {"call", "sent", "hrtimer", "ran"}
    assert traced.dropped == 3 and traced.kernel_threads == {284}
    assert not tracefs.instance.exists()


def test_an_older_kernel_tells_who_woke_and_who_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracefs = Tracefs(tmp_path, OLD, monkeypatch)
    with DisturbanceTrace(tmp_path, CpuSet.of(7)) as tracing:
        tracefs.write("sched/sched_switch", "")
        traced = tracing.end()
    assert traced.kinds == {"waking", "flush", "ran"}
    assert {row.kind for row in traced.counts} == {"waking", "flush"}


def test_an_error_in_the_window_takes_everything_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracefs = Tracefs(tmp_path, NEW, monkeypatch)
    with pytest.raises(KeyboardInterrupt), DisturbanceTrace(tmp_path, CpuSet.of(7)):
        raise KeyboardInterrupt
    assert not tracefs.instance.exists()


def test_a_kernel_without_histograms_is_named_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HostError, match="there is no tracefs at"):
        DisturbanceTrace(tmp_path, CpuSet.of(7)).__enter__()
    tracefs = Tracefs(tmp_path, {}, monkeypatch)
    with pytest.raises(HostError, match="CONFIG_HIST_TRIGGERS"):
        DisturbanceTrace(tmp_path, CpuSet.of(7)).__enter__()
    assert not tracefs.instance.exists()


def test_kernel_threads_are_known_by_their_flag() -> None:
    assert is_kernel_thread(Path("/"), 2), "kthreadd"
    assert not is_kernel_thread(Path("/"), os.getpid())
    assert not is_kernel_thread(Path("/nonexistent"), 1)


def test_every_kind_has_a_probe() -> None:
    assert {one.kind for one in disturbance_trace.PROBES} == set(get_args(TraceKind))
