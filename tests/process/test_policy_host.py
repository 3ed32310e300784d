"""Policies run in a host without root: whatever one of them does, the others' moves are made, and a
failure names it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import machine
from builders import changed, cpus, host, irq_of, lone, moves_of, nic, s
from installed import InstalledSite, installation
from irqbal.model.plan import Failure, Plan, Record
from irqbal.model.view import Override, Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds
from irqbal.plugins.discovery import find
from irqbal.plugins.observer_supervisor import ObserverSupervisor
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor, SupervisorStopped
from irqbal.problems import Node

ROOT = os.geteuid() == 0
HOST = host(cpus(8, offline="7"), nic("eth0", 1), lone("i8042", "ttyS0"))
I8042, TTY = irq_of(HOST, "i8042").number, irq_of(HOST, "ttyS0").number

GOOD = f"""
    @hookimpl
    def irqbal_place(snapshot):
        yield Placement({I8042}, CpuSet.of(1), "good")
"""

Asking = Callable[..., PolicySupervisor]


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All strangers together have more time than a slow machine needs; a test that is about that
    time sets its own.
    """
    for name in ("FIRST_DEADLINE", "STRANGERS_DEADLINE"):
        monkeypatch.setattr(bounds, name, 60.0)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[InstalledSite]:
    with installation(monkeypatch) as made:
        yield made


@pytest.fixture
def policies(site: InstalledSite) -> Iterator[Asking]:
    """Policies of these names, in this order, of what is installed; their child is ended
    afterwards.
    """
    made: list[PolicySupervisor] = []

    def start(*names: str) -> PolicySupervisor:
        asked = PolicySupervisor(entries_of(site, *names))
        made.append(asked)
        assert asked.bind(PATIENCE) == []
        return asked

    yield start
    for item in made:
        item.close()


def entries_of(site: InstalledSite, *names: str) -> list[PolicyEntry]:
    """The entries of a YAML that names these."""
    found = {**find(), **site.found()}
    return [PolicyEntry(found[name], index, Node(1, {})) for index, name in enumerate(names)]


@contextlib.contextmanager
def observers(site: InstalledSite, *names: str) -> Iterator[ObserverSupervisor]:
    """Observers of these names, in this order; their processes are ended afterwards."""
    made = ObserverSupervisor(entries_of(site, *names))
    try:
        assert made.bind(PATIENCE) == []
        yield made
    finally:
        made.close()


def ask(policies: PolicySupervisor, snapshot: Snapshot = HOST) -> tuple[Plan, tuple[Failure, ...]]:
    answer, failures = policies.plan(snapshot, Ledger(), Settings())
    return answer.plan, failures


def bad(body: str) -> str:
    """A policy that asks for one fine move, and then does this."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        "import ctypes, os, re, signal, socket, subprocess, sys, threading, time\nimport msgspec\n"
        f"@hookimpl\ndef irqbal_place(snapshot, draft):\n    yield Placement({TTY}, CpuSet.of(2), "
        f"'bad')\n{lines}\n"
    )


# Bad policies. Those that hang, crash or talk garbage are set aside at once …

HANGS = {
    "sleeps an hour": "time.sleep(3600)",
    "a regex that backtracks for ever": "re.match(r'(a+)+$', 'a' * 64 + 'b')",
    "yields for ever": "while True: pass",
}
CRASHES = {
    "closes the channel": "os.closerange(3, 256)\ntime.sleep(9)",
    "os._exit": "os._exit(3)",
    "sys.exit": "sys.exit(0)",
    "a segmentation fault": "ctypes.string_at(0)",
    "raises KeyboardInterrupt": "raise KeyboardInterrupt",
    "aborts": "os.abort()",
}
GARBAGE = {
    "writes garbage into the channel": "os.write(int(sys.argv[1]), b'\\xff' * 64)\ntime.sleep(9)",
    "announces a frame that no host needs": (
        "os.write(int(sys.argv[1]), (64 << 20).to_bytes(4, 'little'))\ntime.sleep(9)"
    ),
    "writes a short frame into the channel": (
        "os.write(int(sys.argv[1]), b'\\x02\\0\\0\\0hi')\ntime.sleep(9)"
    ),
}
ASIDE = {
    what: (body, code)
    for code, bodies in (("deadline", HANGS), ("crashed", CRASHES), ("garbage", GARBAGE))
    for what, body in bodies.items()
}
# … those that raise, or give what they must not, lose their say in this cycle.
FORBIDDEN = {
    "reads /etc/shadow": "open('/etc/shadow')",
    "reads root's home": "os.listdir('/root')",
    "writes a file": "open('/etc/irqbal-was-here', 'w')",
    "writes an IRQ's mask": "open('/proc/irq/default_smp_affinity', 'w')",
    "opens a socket": "socket.socket()",
    "opens a netlink socket": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "signals the daemon": "os.kill(os.getppid(), 0)",
    "becomes root again": "os.setuid(0)",
    "runs a program": "os.execv('/bin/true', ['true'])",
}
INVALID = {
    "Placement('eth0', CpuSet.of(1), 'x')": "Placement.irq cannot be 'eth0'",
    "Placement(None, CpuSet.of(1), 'x')": "Placement.irq cannot be None",
    "Placement(1 << 70, CpuSet.of(1), 'x')": "Placement.irq cannot be",
    "Placement(-1, CpuSet.of(1), 'x')": "Placement.irq cannot be -1",
    "Placement(True, CpuSet.of(1), 'x')": "Placement.irq cannot be True",
    "Placement(1, [1, 2], 'x')": "Placement.cpus cannot be [1, 2]",
    "Placement(1, CpuSet.of(1), 7)": "Placement.reason cannot be 7",
    "Placement(1, None, '\\ud800')": "Placement.reason cannot be",
    "Steering('eth0', 'tx', None, 'x')": "Steering.queue cannot be None",
    "Steering('eth0', 'up', 0, 'x')": "Steering.direction cannot be 'up'",
}
"""Items with a field of the wrong type or beyond its bounds, and what is said of each."""
RAISED = {
    "raises": ("raise ValueError('my fault')", "ValueError: my fault"),
    "recurses": ("f = lambda: f()\nf()", "RecursionError"),
    "fills a temporary file": (
        "import tempfile\ntempfile.TemporaryFile()",
        "No usable temporary directory",
    ),
    "forks": ("os.fork()", "PermissionError"),
    "starts a thread": ("threading.Thread(target=time.sleep, args=(9,)).start()", "RuntimeError"),
    "eats memory": ("hog = bytearray(2 << 30)", "MemoryError"),
    "changes the snapshot": ("snapshot.irqs = ()", "AttributeError"),
    "changes the draft": ("draft.place('bad', ())", "AttributeError"),
    "yields text": ("yield 'CPU 3'", "TypeError: expected Placement or Steering or Note, got str"),
    "yields a limit where placements are asked for": (
        "yield Limit(CpuSet.of(1), 'x')",
        "got Limit",
    ),
    "yields a subclass": ("class P(Placement): pass\nyield P(1, None, 'x')", "got P"),
    "yields a reason without end": ("yield Note('x' * 100_000)", "Note.text cannot be"),
    "yields more text than anybody reads": (
        "while True: yield Note('x' * 4000)",
        "bytes of text in one cycle",
    ),
    "yields more than anybody reads": ("while True: yield Note('x')", "items in one cycle"),
    **{f"yields {item}": (f"yield {item}", reason) for item, reason in INVALID.items()},
    **{what: (body, "PermissionError") for what, body in FORBIDDEN.items()},
}


ORDERS = [(what, "first") for what in ASIDE]
ORDERS += [
    (what, "last") for what in ("sleeps an hour", "os._exit", "writes garbage into the channel")
]


@pytest.mark.parametrize(("what", "order"), ORDERS)
def test_a_policy_that_hangs_crashes_or_breaks_the_protocol_is_set_aside(
    site: InstalledSite, policies: Asking, what: str, order: str
) -> None:
    body, code = ASIDE[what]
    site.install("good", GOOD).install("bad", bad(body), version="6.6")
    asked = policies("bad", "good") if order == "first" else policies("good", "bad")
    started = time.monotonic()
    made, failures = ask(asked)
    took = time.monotonic() - started
    assert moves_of(made, HOST) == {"i8042": "1"}
    (failure,) = failures
    assert (failure.policy, failure.code, failure.aside) == ("bad", code, True)
    assert "(irqbal-bad 6.6)" in failure.reason
    assert took < 60, "the longest of them sleeps an hour"
    assert [item.policy for item in asked.aside.values()] == ["bad"]
    again, failures = ask(asked)
    assert moves_of(again, HOST) == {"i8042": "1"}
    assert failures == (), "until the next reload it is not called again"


def test_the_failure_names_the_exit_status_or_the_signal(
    site: InstalledSite, policies: Asking
) -> None:
    site.install("exits", bad("os._exit(3)")).install("segfaults", bad("ctypes.string_at(0)"))
    _, failures = ask(policies("exits", "segfaults"))
    assert ["with status 3" in failures[0].reason, "by signal 11" in failures[1].reason] == [
        True,
        True,
    ]


@pytest.fixture(scope="module")
def raised() -> Iterator[tuple[Plan, dict[str, Failure], PolicySupervisor]]:
    """One cycle of all that raise, before and after a good policy, in one real child: the plan, and
    who failed how.
    """
    with pytest.MonkeyPatch.context() as monkeypatch, installation(monkeypatch) as site:
        monkeypatch.setattr(bounds, "FIRST_DEADLINE", 60.0)
        site.install("good", GOOD)
        for number, (body, _) in enumerate(RAISED.values()):
            site.install(f"bad{number}", bad(body), distribution="irqbal-bad")
        names = [f"bad{number}" for number in range(len(RAISED))]
        half = len(names) // 2
        asked = PolicySupervisor(entries_of(site, *names[:half], "good", *names[half:]))
        assert asked.bind(PATIENCE) == []
        made, failures = ask(asked)
        yield made, {failure.policy: failure for failure in failures}, asked
        asked.close()


@pytest.mark.root("only root has something to drop")
@pytest.mark.parametrize("what", RAISED)
def test_a_policy_that_raises_or_returns_invalid_items_is_ignored_in_this_cycle(
    raised: tuple[Plan, dict[str, Failure], PolicySupervisor], what: str
) -> None:
    made, failures, asked = raised
    name = f"bad{list(RAISED).index(what)}"
    failure = failures[name]
    assert (failure.code, failure.aside) == ("raised", False)
    assert failure.reason.startswith("irqbal_place: ")
    assert RAISED[what][1] in failure.reason
    assert moves_of(made, HOST) == {"i8042": "1"} and name not in {
        item.policy for item in made.refused
    }
    assert not asked.aside


def test_the_failure_names_the_file_and_line_that_raised(
    site: InstalledSite, policies: Asking
) -> None:
    site.install("bad", bad("raise ValueError('my\\nfault')"))
    _, (failure,) = ask(policies("bad"))
    assert (
        failure.reason.startswith("irqbal_place: ValueError: my fault (")
        and "irqbal_bad_policy.py:8)" in failure.reason
    )


def test_a_policy_that_raises_in_three_consecutive_cycles_is_set_aside(
    site: InstalledSite, policies: Asking
) -> None:
    site.install("good", GOOD).install("bad", bad("raise ValueError('x')"))
    asked = policies("bad", "good")
    asides = [ask(asked)[1][0].aside for _ in range(bounds.RAISES_UNTIL_ASIDE)]
    assert asides == [False, False, True]
    made, failures = ask(asked)
    assert moves_of(made, HOST) == {"i8042": "1"} and failures == ()
    assert asked.aside[0].reason.endswith("(irqbal-bad 0.1)")


def test_a_policy_that_raises_now_and_then_is_not_set_aside(
    site: InstalledSite, policies: Asking
) -> None:
    site.install("bad", bad("if snapshot.cycle % 3: raise ValueError('x')"))
    asked = policies("bad")
    for cycle in range(1, 8):
        made, failures = ask(asked, changed(HOST, cycle=cycle))
        assert bool(failures) == bool(cycle % 3) == (not made.moves)
    assert not asked.aside


@pytest.mark.parametrize("source", ["raise RuntimeError('no licence')", "import sys\nsys.exit(1)"])
def test_a_policy_that_does_not_import_is_set_aside(
    site: InstalledSite, policies: Asking, source: str
) -> None:
    site.install("good", GOOD).install("bad", source)
    asked = policies("bad", "good")
    assert [(item.policy, item.code) for item in asked.aside.values()] == [("bad", "unusable")]
    assert "irqbal-bad 0.1: the policy bad does not import" in asked.aside[0].reason
    assert moves_of(ask(asked)[0], HOST) == {"i8042": "1"}


@pytest.mark.parametrize("source", ["import os\nos._exit(1)", "import ctypes\nctypes.string_at(0)"])
def test_a_policy_that_crashes_while_it_is_imported_is_set_aside(
    site: InstalledSite, policies: Asking, source: str
) -> None:
    site.install("good", GOOD).install("bad", source)
    asked = policies("good", "bad")
    assert [(item.policy, item.code) for item in asked.aside.values()] == [("bad", "crashed")]
    assert moves_of(ask(asked)[0], HOST) == {"i8042": "1"}


def _cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("schema", ["'no schema'", "[]", "7", "'x' * (1 << 20)"])
def test_a_schema_that_is_none_is_left_out(
    site: InstalledSite, policies: Asking, schema: str
) -> None:
    """A policy that replaces what describes it in its own process."""
    forge = f"import irqbal.wire\nirqbal.wire.to_json = lambda value: str({schema}).encode()\n"
    site.install("bad", forge + GOOD.replace("\n    ", "\n"))
    asked = policies("bad")
    assert asked.describe().schemas == {}
    assert asked.hooks() == {0: ("irqbal_place",)}


def test_a_policys_hooks_have_one_budget_together(site: InstalledSite, policies: Asking) -> None:
    """Each call stays below the deadline; all of them would take nine seconds."""
    slow = "@hookimpl\ndef irqbal_identify(irq):\n    time.sleep(0.9)"
    site.install("slow", f"import time\n{slow}").install("good", GOOD)
    snapshot = host(cpus(4), nic("eth0", 10), lone("i8042"))
    for irq in snapshot.irqs:
        snapshot = changed(snapshot, irq.action, queues=())
    _, failures = ask(policies("slow", "good"), snapshot)
    assert [(failure.policy, failure.code) for failure in failures] == [("slow", "deadline")]


@pytest.mark.parametrize("index", [0, 1, 7, -1, -5])
def test_a_policy_that_says_who_runs_is_found_out(
    site: InstalledSite, policies: Asking, index: int
) -> None:
    forge = (
        "from irqbal import wire\nfrom irqbal.plugins import protocol\nwhile True:\n    "
        f"os.write(int(sys.argv[1]), protocol.pack(protocol.HookStarted({index}, "
        "'irqbal_place')))\n    time.sleep(0.01)"
    )
    site.install("bad", bad(forge)).install("good", GOOD)
    made, failures = ask(policies("bad", "good"))
    assert [(failure.policy, failure.code) for failure in failures] == [("bad", "garbage")]
    assert moves_of(made, HOST) == {"i8042": "1"}


def test_a_policy_that_waits_for_a_crowded_machine_is_not_set_aside(
    site: InstalledSite, policies: Asking
) -> None:
    """Less work than its budget, on a CPU that others want: more than its budget on the clock."""
    work = "begin = time.process_time()\nwhile time.process_time() - begin < 1.2: pass"
    site.install("busy", bad(f"{work}\nif 0: yield")).install("good", GOOD)
    supervisor = policies("busy", "good")
    spinner = "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass"
    crowd = [
        # Sessions of their own, as the host's: the kernel may share a CPU out by session.
        subprocess.Popen([sys.executable, "-c", spinner], start_new_session=True)
        for _ in range(2)
    ]
    try:
        while any(_cpu_seconds(one.pid) < 0.05 for one in crowd):
            time.sleep(0.05)
        os.sched_setaffinity(supervisor.pids["irqbal-busy 0.1"] or 0, {0})
        begin = time.monotonic()
        made, failures = ask(supervisor)
        assert time.monotonic() - begin > bounds.HOOK_DEADLINE
    finally:
        for one in crowd:
            one.kill()
            one.wait()
    assert failures == () and supervisor.aside == {}
    assert moves_of(made, HOST) == {"i8042": "1", "ttyS0": "2"}


def test_a_policy_that_forges_a_result_is_detected_in_the_next_cycle(
    site: InstalledSite, policies: Asking
) -> None:
    forge = """
from irqbal.plugins import protocol
os.write(int(sys.argv[1]), protocol.pack(protocol.HookItems()))"""
    site.install("good", GOOD).install("bad", bad(forge))
    asked = policies("bad", "good")
    made, failures = ask(asked)
    assert (moves_of(made, HOST), failures) == ({"i8042": "1"}, ()), "it spoke for itself alone"
    time.sleep(0.2)  # an interval, in which the real answer comes
    made, failures = ask(asked)
    assert [(failure.policy, failure.code) for failure in failures] == [("bad", "garbage")]
    assert moves_of(made, HOST) == {"i8042": "1"}


@pytest.mark.root("ends another user's process")
def test_a_host_that_was_killed_between_two_cycles_blames_no_policy(
    site: InstalledSite, policies: Asking
) -> None:
    site.install("good", GOOD)
    asked = policies("good", "spread_by_rate")
    ask(asked)
    for pid in (asked.pid, *asked.pids.values()):
        os.kill(pid or 0, signal.SIGKILL)
    time.sleep(0.1)
    for _ in range(2):
        made, failures = ask(asked)
        assert (moves_of(made, HOST), failures, asked.aside) == ({"i8042": "1"}, (), {})
        settle(asked)
    assert ask(asked)[0].starting == ()


def settle(policies: PolicySupervisor) -> None:
    """Wait until no process is being started, and nothing is asked."""
    deadline = time.monotonic() + machine.WAIT
    while (policies.starting or policies.busy) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_two_bad_policies_are_both_set_aside_in_one_cycle(
    site: InstalledSite, policies: Asking
) -> None:
    site.install("worse", bad("os._exit(1)")).install("bad", bad("ctypes.string_at(0)")).install(
        "good", GOOD
    )
    made, failures = ask(policies("worse", "good", "bad"))
    assert sorted(failure.policy for failure in failures) == ["bad", "worse"]
    assert moves_of(made, HOST) == {"i8042": "1"}


def test_a_limit_that_crashes_blames_its_policy(site: InstalledSite, policies: Asking) -> None:
    site.install("good", GOOD)
    site.install("bad", "@hookimpl\ndef irqbal_limit(snapshot):\n    import os\n    os._exit(1)")
    _, (failure,) = ask(policies("good", "bad"))
    assert failure.policy == "bad"


def test_an_offline_cpu_is_refused_with_the_reason_and_is_no_failure(
    site: InstalledSite, policies: Asking
) -> None:
    place = f"@hookimpl\ndef irqbal_place():\n    return [Placement({TTY}, CpuSet.of(7), 'there')]"
    site.install("good", GOOD).install("bad", place)
    made, failures = ask(policies("bad", "good"))
    assert moves_of(made, HOST) == {"i8042": "1"} and failures == ()
    ((policy, code),) = [(item.policy, item.code) for item in made.refused]
    assert (policy, code) == ("bad", "offline")


MUTATIONS = {
    "its look-up tables": "snapshot.irq_by_number.clear()\nsnapshot.cpus_by_node.clear()",
    "its fields by force": "msgspec.structs.force_setattr(snapshot, 'irqs', ())",
    "its cached answers": "snapshot.__dict__['online'] = CpuSet.of(7)",
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_what_a_policy_does_to_its_snapshot_reaches_no_other_policy(
    site: InstalledSite, policies: Asking, what: str
) -> None:
    site.install(
        "good",
        GOOD.replace(
            "snapshot):", "snapshot):\n        assert snapshot.irq_by_number and snapshot.irqs"
        ),
    )
    site.install("bad", bad(f"snapshot.online\n{MUTATIONS[what]}"))
    made, failures = ask(policies("bad", "good"))
    assert moves_of(made, HOST) == {"i8042": "1", "ttyS0": "2"} and failures == ()


def test_an_invalid_queue_is_ignored_without_a_failure(
    site: InstalledSite, policies: Asking
) -> None:
    teach = "@hookimpl\ndef irqbal_identify(irq):\n    return Queue(7, 'x', 'sideways')"
    site.install("bad", teach).install("good", GOOD)
    snapshot = changed(HOST, "eth0-TxRx-0", queues=())
    made, failures = ask(policies("bad", "good"), snapshot)
    assert (moves_of(made, HOST), made.queues, failures) == ({"i8042": "1"}, {}, ())


def test_a_queue_that_one_policy_identifies_is_known_to_the_others(
    site: InstalledSite, policies: Asking
) -> None:
    teach = (
        "@hookimpl\ndef irqbal_identify(irq, device):\n    return Queue(device.interfaces[0], "
        "5, 'rx')"
    )
    site.install("teacher", teach)
    site.install(
        "good",
        "@hookimpl\ndef irqbal_place(snapshot):\n    yield Note(str([i.queue for i in "
        "snapshot.irqs]))",
    )
    made, _ = ask(policies("teacher", "good"), changed(HOST, "eth0-TxRx-0", queues=()))
    assert {number: str(queue) for number, queue in made.queues.items()} == {32: "eth0/rx-5"}
    assert "index=5" in made.notes[0][1].text


def test_what_a_policy_needs_is_known_once_it_is_bound(
    site: InstalledSite, policies: Asking
) -> None:
    site.install(
        "night",
        "from irqbal import Duration, Needs\n@hookimpl\ndef irqbal_needs(options):\n    return "
        "Needs(on=('time',), cgroups=('x.slice',), again=Duration(60))",
    )
    site.install("good", GOOD)
    supervisor = policies("night", "good")
    assert supervisor.again == 60
    assert [(item.on, item.cgroups) for item in supervisor.needs.values()] == [
        (("time",), ("x.slice",)),
        (("load", "queues", "topology", "time"), ()),
    ]


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("7", "expected Needs, got int"),
        ("Needs(on=('weather',))", "Invalid enum value"),
        ("Needs(cgroups=('x',) * 65)", "at most 64 globs"),
        ("Needs(cgroups=('x' * 5000,))", "of 4096 characters"),
        ("Needs(again=Duration(0.1))", "must be 1s or longer"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_needs_that_are_none_set_the_policy_aside(
    site: InstalledSite, policies: Asking, returned: str, reason: str
) -> None:
    source = (
        f"from irqbal import Duration, Needs\n@hookimpl\ndef irqbal_needs():\n    return {returned}"
    )
    site.install("bad", source).install("good", GOOD)
    supervisor = policies("bad", "good")
    (failure,) = supervisor.aside.values()
    assert failure.code == "unusable" and reason in failure.reason
    assert "irqbal_needs" in failure.reason and supervisor.again is None
    made, _ = ask(supervisor)
    assert moves_of(made, HOST) == {"i8042": "1"}


# The child itself


@pytest.mark.root("only root has something to drop")
@pytest.mark.parametrize("kind", ["planner", "policies", "observers"])
def test_the_child_has_another_user_no_capability_and_no_way_back(
    site: InstalledSite, policies: Asking, kind: str
) -> None:
    site.install("good", GOOD)
    before = os.getgroups()
    os.setgroups([4])  # as of a daemon that was started with some
    with contextlib.ExitStack() as stack:
        stack.callback(os.setgroups, before)
        if kind == "observers":
            pid = stack.enter_context(observers(site, "good")).pids["irqbal-good 0.1"]
        else:
            asked = policies("good")
            pid = asked.pid if kind == "planner" else asked.pids["irqbal-good 0.1"]
        _assert_confined(pid, kind)


def _assert_confined(pid: int | None, kind: str) -> None:
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    for ids in (status["Uid"].split(), status["Gid"].split()):
        assert len(set(ids)) == 1 and ids[0] != "0"
    assert status["Groups"].strip() == ""
    for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[which], 16) == 0, which
    assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")
    for space in ("net", "ipc", "mnt", "pid"):
        links = [Path(f"/proc/{one}/ns/{space}").readlink() for one in (pid, "self")]
        # An observer's work may be a webhook.
        assert (links[0] == links[1]) == (kind == "observers" and space == "net"), space
    # It cannot be dumped, so that its files in /proc are root's: others of its user see nothing.
    assert Path(f"/proc/{pid}/mem").stat().st_uid == 0
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert "Max file size             0 " in limits and "Max processes             0 " in limits
    assert f"Max address space         {1 << 30} " in limits


def test_the_child_imports_no_web_framework_and_no_more_policies_than_named(
    site: InstalledSite, policies: Asking
) -> None:
    names = (
        "sorted(name for name in sys.modules if name.split('.')[0] in ('tornado', 'rich', "
        "'yaml', 'irqbal_policies'))"
    )
    site.install(
        "good", f"import sys\n@hookimpl\ndef irqbal_place():\n    yield Note(str({names}))"
    )
    made, _ = ask(policies("good"))
    assert made.notes[0][1].text == "[]"


@pytest.mark.root("has a folder that another user may not enter")
def test_policies_below_a_folder_that_only_root_may_enter_are_still_found(
    site: InstalledSite, policies: Asking
) -> None:
    site.python.parent.parent.chmod(0o700)
    site.install("good", GOOD)
    assert moves_of(ask(policies("good"))[0], HOST) == {"i8042": "1"}


def test_what_a_policy_prints_is_logged_and_breaks_nothing(
    site: InstalledSite, policies: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    site.install(
        "loud", bad("print('hello from a policy', flush=True)\nprint('x' * (1 << 20), flush=True)")
    )
    with caplog.at_level(logging.INFO):
        made, failures = ask(policies("loud"))
    assert moves_of(made, HOST) == {"ttyS0": "2"} and failures == ()
    assert "hello from a policy" in caplog.text


def test_overrides_and_the_ledger_are_part_of_the_request(
    site: InstalledSite, policies: Asking
) -> None:
    site.install("good", GOOD)
    snapshot = changed(HOST, overrides=(Override(irq_of(HOST, "ttyS0").identity, s("3")),))
    assert moves_of(ask(policies("good"), snapshot)[0], HOST) == {"i8042": "1", "ttyS0": "3"}


def test_without_any_policy_there_is_still_a_plan(policies: Asking) -> None:
    snapshot = changed(HOST, overrides=(Override(irq_of(HOST, "ttyS0").identity, s("3")),))
    assert moves_of(ask(policies(), snapshot)[0], HOST) == {"ttyS0": "3"}


def test_a_stopped_supervisor_raises_and_its_host_is_gone(
    site: InstalledSite, policies: Asking
) -> None:
    site.install("bad", bad("time.sleep(3600)"))
    asked = policies("bad")
    pids = [asked.pid, *asked.pids.values()]
    asked.stop()
    with pytest.raises(SupervisorStopped):
        ask(asked)
    asked.close()
    assert len(pids) == 2
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_an_observer_that_crashes_is_set_aside_and_the_others_get_the_record(
    site: InstalledSite,
) -> None:
    site.install("bad", "@hookimpl\ndef irqbal_cycle_done(record):\n    import os\n    os._exit(1)")
    site.install(
        "good",
        "@hookimpl\ndef irqbal_cycle_done(record):\n    raise ValueError(f'cycle {record.cycle}')",
    )
    with observers(site, "bad", "good") as told:
        failures = told.observe(Record(7, 0.0, 0.0, "test", False, Plan()))
    assert [(item.policy, item.code) for item in failures] == [
        ("bad", "crashed"),
        ("good", "raised"),
    ]
    assert "cycle 7" in failures[1].reason
