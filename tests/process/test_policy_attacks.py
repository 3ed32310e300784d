"""What a stranger's policy can do to the host, to irqbal, and to other policies: nothing. Each test
is an attack.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import machine
from activated import hosts
from builders import changed, cpus, host, irq_of, lone, moves_of, nic
from installed import InstalledSite, installation
from irqbal import wire
from irqbal.history.decisions import DecisionMaker
from irqbal.model.plan import Plan, Record, Refusal
from irqbal.planner.check_plan import check_plan
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds
from irqbal.plugins.budgets import HookClock, cpu_seconds
from irqbal.plugins.discovery import find
from irqbal.plugins.observer_supervisor import ObserverSupervisor
from irqbal.plugins.observers import Observers
from irqbal.plugins.process import SOCKET_FOLDER_VARIABLE
from irqbal.plugins.protocol import HookRaised, PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor
from irqbal.problems import Node
from irqbal.service.cycle_log import _NUMBERS
from places import TOP

HOST = host(cpus(4), lone("i8042", "ttyS0", "rtc0"))
I8042, TTY, RTC = (irq_of(HOST, name).number for name in ("i8042", "ttyS0", "rtc0"))

TRIES = """
import ctypes, errno, fcntl, mmap, os, platform, signal, socket, struct, sys, tempfile, threading
libc = ctypes.CDLL(None, use_errno=True)
AT = 0 if platform.machine() == "x86_64" else 1
CALLS = {
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "shmget": (29, 194),
    "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "unshare": (272, 97),
    "setns": (308, 268), "keyctl": (250, 219), "bpf": (321, 280), "mount": (165, 40),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "memfd_create": (319, 279), "setpriority": (141, 140), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "chroot": (161, 51), "kcmp": (312, 272),
    "process_madvise": (440, 440), "clone": (56, 220), "execve": (59, 221), "prctl": (157, 167),
    "flock": (73, 32), "socketpair": (53, 199), "mkdirat": (258, 34), "linkat": (265, 37),
    "ioprio_set": (251, 30), "move_pages": (279, 239), "fchmodat": (268, 53),
}
def call(name, *arguments):
    if libc.syscall(CALLS[name][AT], *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
def prlimit(pid):
    import resource
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0))
def climb():
    found = []
    for fd in range(256):
        for path in ("../secret", "../../secret", "../../../secret", "../../../../secret"):
            try:
                found.append(os.read(os.open(path, os.O_RDONLY, dir_fd=fd), 9))
            except OSError:
                pass
    for entry in sys.path:
        for path in ("../secret", "../../secret", "../../../secret", "../../../../secret"):
            try:
                found.append(open(os.path.join(entry, path), "rb").read(9))
            except OSError:
                pass
    if not found:
        raise PermissionError("nothing to climb on")
pid = OTHER
TRIES = {
    "signal": lambda: os.kill(pid, 0),
    "signal by its group": lambda: os.killpg(pid, 0),
    "read its memory": lambda: open(f"/proc/{pid}/mem", "rb"),
    "read its environment": lambda: open(f"/proc/{pid}/environ", "rb").read(),
    "read its maps": lambda: open(f"/proc/{pid}/maps").read(),
    "look at its descriptors": lambda: os.listdir(f"/proc/{pid}/fd"),
    "shrink its limits": lambda: prlimit(pid),
    "own its input": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, pid),
    "lock a file": lambda: fcntl.lockf(os.open(__file__, os.O_RDONLY), fcntl.LOCK_SH),
    "climb": climb,
    "read the users": lambda: open("/etc/passwd").read(),
    "read the kernel's command line": lambda: open("/proc/cmdline").read(),
    "list the temporary files": lambda: os.listdir("/tmp"),
    "make a temporary file": lambda: open("/tmp/irqbal-was-here", "w"),
    "make an empty file": lambda: os.open("/tmp/irqbal-was-here", os.O_CREAT | os.O_RDONLY),
    "make a nameless file": lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR),
    "make a folder": lambda: os.mkdir("/tmp/irqbal-was-here"),
    "share memory": lambda: open("/dev/shm/irqbal-was-here", "w"),
    "a TCP socket": lambda: socket.socket(),
    "a Unix socket": lambda: socket.socket(socket.AF_UNIX),
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "become root": lambda: os.setuid(0),
    "be dumped": lambda: call("prctl", 4, 1, 0, 0, 0),
    "outlive the daemon": lambda: call("prctl", 1, 0, 0, 0, 0),
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "fork": os.fork,
    **{name: lambda name=name: call(name, *[0] * 6) for name in CALLS if name != "clone"},
}
@hookimpl
def irqbal_limit(snapshot):
    for name, attempt in TRIES.items():
        try:
            attempt()
        except BaseException as error:
            what = errno.errorcode.get(getattr(error, "errno", 0) or 0, type(error).__name__)
        else:
            what = "done"
        yield Note(f"{name}={what}")
"""
"""A policy that tries what it must not, on the process OTHER and elsewhere, and reports each."""

REFUSED = {"EPERM", "EACCES", "ENOENT", "ESRCH", "PermissionError", "ENOTDIR"}
"""How an attempt may end: refused, or what it is for is not to be seen."""

ATTACKER = """
import json, sys
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins.discovery import find
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor
from irqbal.problems import Node
from irqbal import wire
names, snapshot = sys.argv[1].split(","), open(sys.argv[2], "rb").read()
snapshot = wire.from_msgpack(snapshot, Snapshot)
found = find()
asked = PolicySupervisor([PolicyEntry(found[n], i, Node(1, {})) for i, n in enumerate(names)])
asked.bind(PATIENCE)
result, failures = asked.plan(snapshot, Ledger(), Settings())
print(json.dumps({
    "notes": [[policy, note.text] for policy, note in result.plan.notes],
    "failures": [[one.policy, one.code, one.reason] for one in (*asked.aside.values(), *failures)],
    "pids": asked.pids,
}))
asked.close()
"""
"""Binds the named policies as the daemon does, plans once, and prints what they say."""

WITHOUT_NAMESPACES = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"]
"""As in a container: root, who may make no namespaces."""
CONFINEMENTS = ("namespaces", "no namespaces", "unit")
"""A child of root's; one that may make no namespaces; what systemd starts behind a socket."""


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
def private() -> Iterator[InstalledSite]:
    """An installation below a folder that only root may enter; files beside it are readable to
    whoever gets there.
    """
    top = Path(tempfile.mkdtemp(prefix="irqbal-test-"))
    try:
        (top / "folder").mkdir()
        (top / "secret").write_text("secret")
        (top / "folder/secret").write_text("secret")
        yield InstalledSite(top / "folder/site")
    finally:
        shutil.rmtree(top)


def said(site: InstalledSite, name: str, confinement: str, tmp_path: Path) -> dict[str, Any]:
    """What this policy says of itself in one plan."""
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(wire.to_msgpack(HOST))
    prefix = WITHOUT_NAMESPACES if confinement == "no namespaces" else []
    with contextlib.ExitStack() as stack:
        env = dict(os.environ)
        if confinement == "unit":
            env[SOCKET_FOLDER_VARIABLE] = str(
                stack.enter_context(hosts(tmp_path / "hosts", site.python))
            )
        done = subprocess.run(
            [*prefix, str(site.python), "-c", ATTACKER, name, str(snapshot)],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
            env=env,
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def victim(site: InstalledSite) -> Iterator[int]:
    """The process of another stranger's policy."""
    site.install("victim", "@hookimpl\ndef irqbal_place(): return []")
    asked = PolicySupervisor([PolicyEntry(site.found()["victim"], 0, Node(1, {}))])
    assert asked.bind(PATIENCE) == []
    yield asked.pids["irqbal-victim 0.1"] or 0
    asked.close()


@pytest.mark.root("only root has something to drop")
@pytest.mark.parametrize("confinement", CONFINEMENTS)
def test_nothing_that_a_stranger_tries_on_the_host_or_on_a_sibling_is_done(
    site: InstalledSite, victim: int, confinement: str, tmp_path: Path
) -> None:
    site.install("attack", TRIES.replace("OTHER", str(victim)))
    found = said(site, "attack", confinement, tmp_path)
    assert found["failures"] == []
    outcomes = dict(text.rsplit("=", 1) for _, text in found["notes"])
    assert len(outcomes) > 60
    assert {name: what for name, what in outcomes.items() if what not in REFUSED} == {}
    # What the filter answers is EPERM; other answers would be the kernel's own.
    assert outcomes["shmget"] == outcomes["rt_sigqueueinfo"] == outcomes["pidfd_getfd"] == "EPERM"
    assert not Path("/tmp/irqbal-was-here").exists()


@pytest.mark.root("only root has something to drop")
@pytest.mark.parametrize("confinement", CONFINEMENTS)
def test_there_is_no_way_up_from_a_folder_that_is_kept_open(
    private: InstalledSite, confinement: str, tmp_path: Path
) -> None:
    private.install("attack", TRIES.replace("OTHER", "1"))
    found = said(private, "attack", confinement, tmp_path)
    assert found["failures"] == []
    outcomes = dict(text.rsplit("=", 1) for _, text in found["notes"])
    assert outcomes["climb"] == "PermissionError", outcomes
    assert {name: what for name, what in outcomes.items() if what not in REFUSED} == {}


LATER = """
import os
@hookimpl
def irqbal_limit(snapshot):
    import colorsys, zoneinfo, irqbal_more
    from importlib import resources
    yield Note(str(zoneinfo.ZoneInfo("Europe/Berlin")))
    yield Note(resources.files("irqbal_more").joinpath("data.txt").read_text())
    yield Note(open(os.path.join(os.path.dirname(irqbal_more.__file__), "data.txt")).read())
    yield Note(str(colorsys.ONE_THIRD > 0))
"""


@pytest.mark.root("only root has something to drop")
@pytest.mark.parametrize("confinement", CONFINEMENTS)
@pytest.mark.parametrize("where", ["site", "private"])
def test_what_a_policy_imports_and_reads_of_its_own_later_is_there(
    request: pytest.FixtureRequest, where: str, confinement: str, tmp_path: Path
) -> None:
    made: InstalledSite = request.getfixturevalue(where)
    made.install("later", LATER)
    (made.packages / "irqbal_more").mkdir()
    (made.packages / "irqbal_more/__init__.py").write_text("")
    (made.packages / "irqbal_more/data.txt").write_text("data")
    found = said(made, "later", confinement, tmp_path)
    assert found["failures"] == []
    assert [text for _, text in found["notes"]] == ["Europe/Berlin", "data", "data", "True"]


# Speaking for others

TAKES_OVER = """
import gc, os, socket, sys, threading, time
from irqbal.model import plan as model
from irqbal.planner import decide, draft, ledger
from irqbal.plugins import binding, check_items, policy_host, protocol
decide.decide = lambda *args: model.Plan()
unchecked = lambda hook, items, room: items
check_items.check_items = policy_host.check_items = sys.modules["__main__"].check_items = unchecked
binding.describe_error = lambda error: "x" * (1 << 20)
FORGED = [
    protocol.HookStarted(0, "irqbal_place"), protocol.HookStarted(-1, ""), protocol.Hello(),
    protocol.PlanResult(model.Plan(), ledger.Ledger()), protocol.HookItems(),
    protocol.BindResult(), protocol.DescribeResult({0: "7"}, {0: "mine"}),
]
def everywhere():
    for thing in gc.get_objects():
        if isinstance(thing, socket.socket):
            for frame in FORGED:
                thing.sendall(protocol.pack(frame))
    for fd in range(3, 64):
        for frame in FORGED:
            try:
                os.write(fd, protocol.pack(frame))
            except OSError:
                break
@hookimpl
def irqbal_limit(snapshot):
    yield Limit(snapshot.online, "all mine", exempt=tuple(range(1 << 16)))
    everywhere()
@hookimpl
def irqbal_place(snapshot):
    everywhere()
    for irq in snapshot.irqs: yield Placement(irq.number, CpuSet.of(0), "mine")
"""


def impostor(site: InstalledSite, policy: str, source: str) -> None:
    """A distribution that calls itself irqbal, claims irqbal's files, and lies in its package."""
    site.install(policy, source, distribution="irqbal", version="99")
    record = site.packages / "irqbal-99.dist-info/RECORD"
    record.write_text("irqbal/__init__.py,,\nirqbal_policy.py,,\n")


def daemon_with(
    site: InstalledSite, tmp_path: Path, *policies: str, seconds: float, interval: str = "200ms"
) -> tuple[str, list[float]]:
    """The log of a daemon with these policies on a made-up host, and the time of its first move in
    seconds after its start. It runs for so many seconds, and longer until there is a move.
    """
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: {interval}\napi: {{listen: []}}\n"
        f"policies: [{', '.join(policies)}]\n"
    )
    tmp_path.chmod(0o755)
    log = tmp_path / "log"
    begin = time.monotonic()
    first: list[float] = []
    with machine.daemon(
        "--simulate",
        "2x4,nodes=2,nic=4x2,traffic=skewed",
        "-c",
        str(config),
        log=log,
        command=(str(site.python), "-m", "irqbal"),
    ):
        while time.monotonic() - begin < (seconds if first else machine.WAIT):
            if not first and "moved IRQ" in log.read_text():
                first.append(time.monotonic() - begin)
            time.sleep(0.05)
    return log.read_text(), first


@pytest.mark.root("only root has something to drop")
@pytest.mark.parametrize("who", ["stranger", "impostor"])
def test_who_takes_over_its_own_process_takes_nothing_over_and_is_named_once(
    site: InstalledSite, tmp_path: Path, who: str
) -> None:
    if who == "impostor":
        impostor(site, "evil", TAKES_OVER)
    else:
        site.install("evil", TAKES_OVER)
    text, first = daemon_with(site, tmp_path, "evil", "pin_nic_queues", seconds=6)
    assert first, text
    named = [line for line in text.splitlines() if "evil" in line and "ready:" not in line]
    assert len(named) == 1, named
    assert ("irqbal 99" if who == "impostor" else "irqbal-evil 0.1") in named[0]
    assert "(garbage)" in named[0]
    assert "pin_nic_queues" in text and "failed twice" not in text


def test_a_distribution_that_calls_itself_irqbal_is_a_stranger(site: InstalledSite) -> None:
    impostor(site, "evil", "@hookimpl\ndef irqbal_place(): return []")
    shutil.copy(site.packages / "irqbal_policy.py", site.packages / "irqbal_policies_evil.py")
    found = site.found()
    assert not found["evil"].own
    ours = find()
    assert all(ours[name].own for name in ("pin_irqs", "spread_by_rate"))


def test_who_claims_the_name_of_a_bundled_policy_does_not_get_it(site: InstalledSite) -> None:
    site.install("spread_by_rate", "@hookimpl\ndef irqbal_place(): return []")
    done = subprocess.run(
        [
            str(site.python),
            "-c",
            "from irqbal.plugins.discovery import find; p = find()['spread_by_rate']; "
            "print(p.own, p.module, p.rivals, p.clash)",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [
        "True",
        "irqbal_policies.spread_by_rate",
        "('irqbal-spread-by-rate",
        "0.1',)",
    ]


# Answers that are too much, or of the wrong kind

UNCHECKED = """
import sys
sys.modules["__main__"].check_items = lambda hook, items, room: items
"""
FLOODS = "import time\n@hookimpl\ndef irqbal_limit(snapshot):\n    end = time.monotonic() + 1.5\n"
FLOODS += "    while time.monotonic() < end: print('x' * 80)\n    return []\n"


def asked_of(site: InstalledSite, *names: str) -> PolicySupervisor:
    found = {**find(), **site.found()}
    asked = PolicySupervisor(
        [PolicyEntry(found[name], index, Node(1, {})) for index, name in enumerate(names)]
    )
    assert asked.bind(PATIENCE) == []
    return asked


def test_an_answer_of_the_wrong_kind_ends_its_host_whatever_its_sibling_does(
    site: InstalledSite,
) -> None:
    """One policy of a distribution answers a question for limits with a placement, while another
    one's answer is under way.
    """
    wrong = "@hookimpl\ndef irqbal_limit(snapshot):\n    return [Placement(1, None, 'x')]\n"
    site.install("wrong", UNCHECKED + wrong, distribution="irqbal-two")
    site.install("floods", FLOODS, distribution="irqbal-two")
    site.install(
        "good", f"@hookimpl\ndef irqbal_place():\n    yield Placement({TTY}, CpuSet.of(2), 'g')"
    )
    for _ in range(4):
        asked = asked_of(site, "wrong", "floods", "good")
        try:
            made, failures = asked.plan(HOST, Ledger(), Settings())
            again, more = asked.plan(HOST, Ledger(), Settings())
        finally:
            asked.close()
        assert moves_of(made.plan, HOST) == moves_of(again.plan, HOST) == {"ttyS0": "2"}
        told = {(one.policy, one.code) for one in (*failures, *more) if one.code != "late"}
        assert told == {("wrong", "garbage"), ("floods", "garbage")}
        assert len([one for one in (*failures, *more) if one.aside]) == 2, "counted once"


def test_what_a_policy_prints_is_logged_in_a_few_lines(
    site: InstalledSite, caplog: pytest.LogCaptureFixture
) -> None:
    site.install("floods", FLOODS)
    asked = asked_of(site, "floods")
    try:
        with caplog.at_level(logging.INFO):
            _, failures = asked.plan(HOST, Ledger(), Settings())
    finally:
        asked.close()
    lines = [record.getMessage() for record in caplog.records if "printed" in record.getMessage()]
    assert failures == () and len(lines) == bounds.MAX_LOGGED_LINES + 1
    assert re.fullmatch(r"a policy host printed \d+ lines more", lines[-1])


MUCH = """
@hookimpl
def irqbal_limit(snapshot):
    parts = len(snapshot.irqs) + sum(len(i.rx) + len(i.tx) for i in snapshot.interfaces)
    for number in range(256):
        exempt = tuple(irq.number for irq in snapshot.irqs if irq.number % 256 != number)[:16]
        yield Limit(CpuSet.of(number % 64), "x" * 300, exempt=exempt)
    for irq in snapshot.irqs:
        yield Limit(CpuSet.of(irq.number % 64), "y" * 300, irqs=(irq.number,))
@hookimpl
def irqbal_place(snapshot):
    for _ in range(1024 + len(snapshot.irqs)):
        yield Note("z" * 700)
"""


def test_policies_that_say_as_much_as_they_may_stop_no_plan(site: InstalledSite) -> None:
    snapshot = host(cpus(64), nic("eth0", 160), nic("eth1", 160), lone("i8042"))
    for number in range(4):
        site.install(f"much{number}", MUCH)
    good = irq_of(snapshot, "i8042").number
    site.install(
        "good", f"@hookimpl\ndef irqbal_place():\n    yield Placement({good}, CpuSet.of(9), 'g')"
    )
    asked = asked_of(site, *(f"much{number}" for number in range(4)), "good", "spread_by_rate")
    try:
        begin = time.monotonic()
        made, failures = asked.plan(snapshot, Ledger(), Settings())
        took = time.monotonic() - begin
        checked = check_plan(made.plan, snapshot, Settings(), made.limits)
    finally:
        asked.close()
    assert {one.code for one in failures} <= {"late"} and asked.aside == {}
    assert took < 60 and len(checked.notes) > 1024


def test_all_strangers_together_have_one_time_in_a_plan(
    site: InstalledSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "FIRST_DEADLINE", 2.0)
    names = [f"slow{number}" for number in range(8)]
    for name in names:
        site.install(name, "import time\n@hookimpl\ndef irqbal_place():\n    time.sleep(0.9)")
    asked = asked_of(site, *names)
    try:
        _, failures = asked.plan(HOST, Ledger(), Settings())
    finally:
        asked.close()
    late = [one.policy for one in failures if one.code == "late"]
    assert 4 <= len(late) <= 7 and late[-1] == "slow7", failures


def test_who_uses_up_the_time_of_others_is_set_aside(
    site: InstalledSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each policy of the distribution keeps within its own time; together they leave none."""
    for name in ("FIRST_DEADLINE", "STRANGERS_DEADLINE"):
        monkeypatch.setattr(bounds, name, 2.0)
    slow = "import time\n@hookimpl\ndef irqbal_limit():\n    time.sleep(0.9)\n    return []\n"
    for number in range(3):
        site.install(f"slow{number}", slow, distribution="irqbal-slow")
    place = f"@hookimpl\ndef irqbal_place():\n    yield Placement({TTY}, CpuSet.of(2), 'g')"
    site.install("good", place)
    asked = asked_of(site, "slow0", "slow1", "slow2", "good")
    moves, told = [], set()
    try:
        for _ in range(8):
            made, failures = asked.plan(HOST, Ledger(), Settings())
            moves.append(moves_of(made.plan, HOST))
            told |= {(one.policy, one.code) for one in failures}
            while asked.busy:
                time.sleep(0.05)
        aside = {failure.code for failure in asked.aside.values()}
    finally:
        asked.close()
    assert aside == {"slow"} and ("good", "slow") not in told, told
    assert moves[-1] == {"ttyS0": "2"}


def test_the_last_word_of_who_is_late_is_about_the_same_irqs(
    site: InstalledSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number is another IRQ's by now."""
    source = f"""
    import time
    @hookimpl
    def irqbal_limit(snapshot):
        return [Limit(CpuSet.of(0), "away", irqs=({TTY}, {RTC}))]
    @hookimpl
    def irqbal_place(snapshot):
        if snapshot.cycle > 1: time.sleep(1.5)
        return [Placement({TTY}, CpuSet.of(2), "tty"), Placement({RTC}, CpuSet.of(3), "rtc")]
    """
    site.install("late", source)
    asked = asked_of(site, "late")
    try:
        made, _ = asked.plan(changed(HOST, cycle=1), Ledger(), Settings())
        assert moves_of(made.plan, HOST) == {"ttyS0": "2", "rtc0": "3"}
        monkeypatch.setattr(bounds, "STRANGERS_DEADLINE", 0.5)
        other = changed(HOST, "ttyS0", identity="platform/1/disk")
        made, failures = asked.plan(changed(other, cycle=2), Ledger(), Settings())
    finally:
        asked.close()
    assert [one.code for one in failures] == ["late"]
    # The limit is what it says now; the placement was for another IRQ.
    assert moves_of(made.plan, other) == {"ttyS0": "1-3", "rtc0": "3"}
    assert [limit.irqs for _, limit in made.limits] == [(TTY, RTC)]


def test_a_note_of_many_digits_costs_no_time() -> None:
    """The log and the history compare texts without their numbers."""
    refused = tuple(Refusal(n, "p", "unmovable", f"{'7' * 4000}x{n}") for n in range(50))
    record = Record(1, 1.8e9, 0.0, "tick", False, Plan(refused=refused))
    begin = time.process_time()
    assert len(DecisionMaker("boot").of(record, HOST)) == 50
    assert _NUMBERS.sub("#", "7" * 100_000 + " s") == "# s"
    assert time.process_time() - begin < 10


def test_what_a_stranger_says_of_its_options_is_plain_text_about_itself(
    site: InstalledSite,
) -> None:
    forged = r"""
    import sys
    from irqbal.plugins import protocol
    from irqbal.problems import LocatedProblem
    bind = protocol.BindResult
    def lies(refused=(), problems=(), needs={}, hooks={}):
        told = (
            LocatedProblem(1, "[x][0]", "of nobody"),
            LocatedProblem(1, "policies[0].evil.a", "\x1b]0;owned\x07\nfake: valid"),
        )
        return bind((protocol.BindRefusal(0, "its \x1b[2J options", config=True),), told)
    protocol.BindResult = lies
    @hookimpl
    def irqbal_place(): return []
    """
    site.install("evil", forged)
    asked = PolicySupervisor([PolicyEntry(site.found()["evil"], 0, Node(1, {}))])
    try:
        problems = asked.bind(PATIENCE)
        (failure,) = asked.aside.values()
    finally:
        asked.close()
    assert [item.key for item in problems] == ["policies[0].evil.a"]
    for text in (problems[0].text, failure.reason):
        assert text.isprintable(), text


def test_who_never_gets_a_cpu_is_set_aside_in_the_end(
    site: InstalledSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers that hang together crowd each other out."""
    site.install("hang", HANGS)
    asked = asked_of(site, "hang")
    monkeypatch.setattr(HookClock, "left", lambda clock: 0.1)
    monkeypatch.setattr(HookClock, "is_crowded_out", lambda clock: clock.spent > 0.3)
    codes = []
    try:
        deadline = time.monotonic() + machine.WAIT
        while not asked.aside and time.monotonic() < deadline:
            asked.plan(HOST, Ledger(), Settings())
            while asked.busy:
                time.sleep(0.02)
        codes = [one.code for one in asked.aside.values()]
    finally:
        asked.close()
    assert codes == ["crowded"]


def test_who_works_between_two_requests_is_found_out(site: InstalledSite) -> None:
    spins = """
import sys
from irqbal.plugins import protocol
reads = protocol.read_frame
def spin(sock):
    import time
    end = time.process_time() + 1.5
    while time.process_time() < end: pass
    return reads(sock)
@hookimpl
def irqbal_place(snapshot):
    protocol.read_frame = spin
    return []
"""
    site.install("spins", spins)
    asked = asked_of(site, "spins")
    try:
        _, failures = asked.plan(HOST, Ledger(), Settings())
        pid = asked.pids["irqbal-spins 0.1"]
        used = cpu_seconds(pid) or 0.0
        machine.wait_for(lambda: (cpu_seconds(pid) or 0.0) > used + bounds.IDLE_CPU + 0.1)
        _, later = asked.plan(HOST, Ledger(), Settings())
    finally:
        asked.close()
    assert failures == ()
    assert [(one.policy, one.code) for one in later] == [("spins", "garbage")]
    assert "of CPU without being asked" in later[0].reason


def test_a_stranger_s_word_on_its_options_keeps_no_daemon_from_starting(
    site: InstalledSite, tmp_path: Path
) -> None:
    source = """
    from typing import Annotated
    class Mine(Options, frozen=True):
        depth: Annotated[int, Meta(description="how deep")]
    @hookimpl
    def irqbal_options(): return Mine
    @hookimpl
    def irqbal_place(): return []
    """
    site.install("needs", source)
    text, first = daemon_with(site, tmp_path, "needs", "pin_nic_queues", seconds=5)
    assert first, text
    assert "policies[0].needs" in text and "irqbal goes on without this one" in text
    done = subprocess.run(
        [str(site.python), "-m", "irqbal", "check", "-c", str(tmp_path / "irqbal.yaml")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "policies[0].needs" in done.stderr


FORGES_PROBLEMS = """
import sys
from irqbal.plugins import protocol
from irqbal.problems import LocatedProblem
bind = protocol.BindResult
def forged(refused=(), problems=(), needs={}, hooks={}):
    many = tuple(LocatedProblem(1, "policies[0].evil", "x" * 60000) for _ in range(64))
    return bind(refused, many, needs, {index: ("irqbal_place",) * 9999 for index in needs})
protocol.BindResult = forged
@hookimpl
def irqbal_place(): return []
"""


def test_problems_of_a_policy_that_is_bound_are_none(site: InstalledSite) -> None:
    site.install("evil", FORGES_PROBLEMS)
    asked = asked_of(site, "evil")
    hooks = asked.hooks()
    asked.close()
    assert hooks == {0: ("irqbal_place",)}


def test_a_queue_that_is_none_ends_its_host(site: InstalledSite) -> None:
    source = """
import sys
sys.modules["__main__"].is_queue = lambda queue: True
@hookimpl
def irqbal_identify(irq): return Queue("x" * 5000, 1, "rx")
"""
    site.install("evil", source)
    nameless = changed(host(cpus(4), nic("eth0", 1)), "eth0-TxRx-0", queues=())
    asked = asked_of(site, "evil")
    try:
        made, failures = asked.plan(nameless, Ledger(), Settings())
        _, later = asked.plan(nameless, Ledger(), Settings())
    finally:
        asked.close()
    assert made.plan.queues == {}
    assert {(one.policy, one.code) for one in (*failures, *later)} == {("evil", "garbage")}


# The order of a plan


def opens(number: int) -> str:
    return f"""
@hookimpl
def irqbal_place(snapshot, draft):
    yield Note("claims " + " ".join(str(n) for n in sorted(draft.claims)))
    yield Placement({number}, CpuSet.of(1, 2), "opened", open=True)
"""


CHOOSES = f"""
@hookimpl
def irqbal_place(snapshot, draft):
    yield Note("claims " + " ".join(str(n) for n in sorted(draft.claims)))
    yield Placement({TTY}, CpuSet.of(2), "chosen")
    yield Placement({I8042}, CpuSet.of(0), "too late")
"""
"""The policy chooses for an IRQ that an earlier one left open, and for one that is not open."""


@pytest.fixture
def sockets(
    request: pytest.FixtureRequest,
    site: InstalledSite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """Children, or what systemd would start."""
    if request.param == "children":
        yield request.param
        return
    with hosts(tmp_path / "hosts", site.python) as folder:
        monkeypatch.setenv(SOCKET_FOLDER_VARIABLE, str(folder))
        yield request.param


@pytest.mark.parametrize("sockets", ["children", "units"], indirect=True)
def test_own_and_strangers_policies_take_turns_in_the_order_of_the_yaml(
    site: InstalledSite, sockets: str
) -> None:
    """own / stranger / own / stranger: the second leaves a claim open that the fourth narrows; the
    third, irqbal's own, sees it too.
    """
    site.install("second", opens(TTY)).install("fourth", CHOOSES)
    found = {**find(), **site.found()}
    rules = Node(1, {"rules": Node(1, [Node(1, {"irq": Node(1, "i8042"), "cpus": Node(1, "3")})])})
    late = Node(1, {"rules": Node(1, [Node(1, {"irq": Node(1, "ttyS0"), "cpus": Node(1, "1-2")})])})
    asked = PolicySupervisor(
        [
            PolicyEntry(found["pin_irqs"], 0, rules),
            PolicyEntry(found["second"], 1, Node(1, {})),
            PolicyEntry(found["pin_irqs"], 2, late),
            PolicyEntry(found["fourth"], 3, Node(1, {})),
        ]
    )
    try:
        assert asked.bind(PATIENCE) == []
        result, failures = asked.plan(HOST, Ledger(), Settings())
    finally:
        asked.close()
    assert failures == ()
    notes = [(policy, note.text) for policy, note in result.plan.notes]
    assert ("second", f"claims {I8042}") in notes
    assert ("fourth", f"claims {I8042} {TTY}") in notes
    assert moves_of(result.plan, HOST) == {"i8042": "3", "ttyS0": "1-2"} or moves_of(
        result.plan, HOST
    ) == {"i8042": "3", "ttyS0": "2"}


# Taking time

DAWDLES = """
import time
@hookimpl
def irqbal_options():
    time.sleep(1.9)
    return Options
@hookimpl
def irqbal_needs(options):
    time.sleep(1.9)
@hookimpl
def irqbal_identify(irq):
    time.sleep(1.9)
@hookimpl
def irqbal_limit(snapshot):
    time.sleep(1.9)
@hookimpl
def irqbal_place(snapshot):
    time.sleep(1.9)
"""
HANGS = "@hookimpl\ndef irqbal_place(snapshot):\n    while True: pass\n"


def test_who_dawdles_or_hangs_delays_nobody(site: InstalledSite, tmp_path: Path) -> None:
    site.install("slow", DAWDLES).install("slower", DAWDLES).install("hang", HANGS)
    names = ("slow", "hang", "pin_nic_queues", "slower")
    text, first = daemon_with(site, tmp_path, *names, seconds=10, interval="1s")
    assert first and first[0] < 10 * 6, text  # ten times what is promised: this machine is shared
    assert "(deadline)" in text


@pytest.mark.parametrize("sockets", ["children"], indirect=True)
def test_a_policy_that_failed_is_tried_again(
    site: InstalledSite, sockets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "RETRY_DELAYS", (0.5, 1000.0))
    mended = site.packages / "mended"
    site.install(
        "fails",
        f"import os\n@hookimpl\ndef irqbal_place():\n    if not os.path.exists({str(mended)!r}): "
        f"os._exit(3)\n    yield Placement({RTC}, CpuSet.of(3), 'here')",
    )
    asked = PolicySupervisor([PolicyEntry(site.found()["fails"], 0, Node(1, {}))])
    try:
        assert asked.bind(PATIENCE) == []
        made, (failure,) = asked.plan(HOST, Ledger(), Settings())
        assert (failure.policy, failure.code, failure.aside) == ("fails", "crashed", True)
        assert failure.again is not None and failure.again > time.time() - 1
        assert moves_of(made.plan, HOST) == {}
        mended.write_text("")
        news = ""
        deadline = time.monotonic() + machine.WAIT
        while not news and time.monotonic() < deadline:
            news = asked.tend()
            time.sleep(0.05)
        assert news == "ready now: fails"
        made, failures = asked.plan(HOST, Ledger(), Settings())
        assert failures == () and asked.aside == {}
        assert moves_of(made.plan, HOST) == {"rtc0": "3"}
    finally:
        asked.close()


def test_who_is_not_ready_is_starting_and_joins_later(site: InstalledSite) -> None:
    ready = site.packages / "ready"
    site.install(
        "late",
        f"import os, time\nwhile not os.path.exists({str(ready)!r}): time.sleep(0.02)\n"
        f"@hookimpl\ndef irqbal_place():\n    yield Placement({RTC}, CpuSet.of(3), 'here')",
    )
    asked = PolicySupervisor([PolicyEntry(site.found()["late"], 0, Node(1, {}))])
    try:
        assert asked.bind(0.1) == []
        made, failures = asked.plan(HOST, Ledger(), Settings())
        assert (made.plan.starting, failures) == (("late",), ())
        ready.write_text("")
        deadline = time.monotonic() + machine.WAIT
        while not asked.tend() and time.monotonic() < deadline:
            time.sleep(0.05)
        made, failures = asked.plan(HOST, Ledger(), Settings())
        assert (made.plan.starting, failures) == ((), ())
        assert moves_of(made.plan, HOST) == {"rtc0": "3"}
    finally:
        asked.close()


# Living on


@pytest.mark.root("only root has something to drop")
def test_a_host_whose_daemon_was_killed_ends_and_holds_no_lock(
    site: InstalledSite, tmp_path: Path
) -> None:
    site.install("hang", HANGS)
    config = tmp_path / "irqbal.yaml"
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: 1s\napi: {{listen: []}}\npolicies: [hang]\n"
    )
    tmp_path.chmod(0o755)
    log = tmp_path / "log"
    words = ["-m", "irqbal", "daemon", "--simulate", "2x4,nic=4", "-c", str(config)]
    with log.open("wb") as out:
        process = subprocess.Popen([str(site.python), *words], stdout=out, stderr=out)
    try:
        children = _children(process.pid, 2)
    finally:
        process.kill()
        process.wait(machine.WAIT)
    machine.wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), log)
    lock = tmp_path / "state/run/lock"
    assert lock.exists()
    done = subprocess.run(["flock", "-n", str(lock), "true"], check=False)
    assert done.returncode == 0


def _children(pid: int, count: int) -> list[int]:
    found: list[int] = []

    def enough() -> bool:
        found[:] = [
            int(word)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for word in (task / "children").read_text().split()
        ]
        return len(found) >= count

    machine.wait_for(enough)
    return found


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_observers_that_a_reload_replaced_keep_no_descriptor(site: InstalledSite) -> None:
    site.install("watches", "@hookimpl\ndef irqbal_cycle_done(record): ...")
    entry = PolicyEntry(site.found()["watches"], 0, Node(1, {}))

    async def replaced() -> int:
        with ThreadPoolExecutor(1) as thread:
            asked = ObserverSupervisor([entry])
            assert asked.bind(PATIENCE) == []
            during = _descriptors()
            Observers(asked, thread).stop()
            thread.submit(lambda: None).result()
            return during

    before = _descriptors()
    for _ in range(2):
        assert asyncio.run(replaced()) > before
        assert _descriptors() <= before


@pytest.mark.root("only root has something to drop")
def test_a_stop_ends_a_reload_that_waits_for_a_stranger(
    site: InstalledSite, tmp_path: Path
) -> None:
    site.install("slow", "import time\ntime.sleep(60)\n@hookimpl\ndef irqbal_place(): ...")
    config = tmp_path / "irqbal.yaml"
    text = f"state_dir: {tmp_path / 'state'}\ninterval: 1s\napi: {{listen: []}}\npolicies: "
    config.write_text(text + "[spread_by_rate]\n")
    tmp_path.chmod(0o755)
    log = tmp_path / "log"
    command = (str(site.python), "-m", "irqbal")
    words = ("--simulate", "2x4,nic=4", "-c", str(config))
    with machine.daemon(*words, log=log, command=command) as process:
        config.write_text(text + "[slow, spread_by_rate]\n")
        process.send_signal(signal.SIGHUP)
        time.sleep(0.4)
        begin = time.monotonic()
        process.terminate()
        assert process.wait(machine.WAIT) == 0
        assert time.monotonic() - begin < 10
    assert "Traceback" not in log.read_text()


def test_one_of_irqbals_own_that_failed_is_tried_again_without_another_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "RETRY_DELAYS", (0.3,))
    asked = PolicySupervisor([PolicyEntry(find()["spread_by_rate"], 0, Node(1, {}))])
    try:
        assert asked.bind() == []
        for _ in range(bounds.RAISES_UNTIL_ASIDE):
            asked._planner.count_raises([HookRaised(0, "as if it had raised")])
        assert set(asked.aside) == {0}
        machine.wait_for(lambda: asked.tend() == "ready now: spread_by_rate")
        asked.plan(HOST, Ledger(), Settings())
        assert asked.aside == {} and asked.hooks()[0]
    finally:
        asked.close()


def test_the_default_installation_has_one_child() -> None:
    found = find()
    entries = [PolicyEntry(found[name], at, Node(1, {})) for at, name in enumerate(sorted(found))]
    asked = PolicySupervisor([entry for entry in entries if entry.plugin.own])
    try:
        assert asked.bind() == []
        assert asked.pids == {} and asked.pid is not None
        own = Path(f"/proc/{os.getpid()}/task")
        children = [
            int(word) for task in own.iterdir() for word in (task / "children").read_text().split()
        ]
        hosts = [pid for pid in children if b"policy_host" in _command(pid)]
        assert hosts == [asked.pid]
    finally:
        asked.close()


def test_every_attack_in_the_document_has_its_test() -> None:
    text = (TOP / "docs/security.md").read_text()
    named = set(re.findall(r"\| `(test_\w+)` \|", text))
    sources = [path.read_text() for path in (TOP / "tests").rglob("test_*.py")]
    assert len(named) >= 8
    assert [name for name in named if not any(f"def {name}(" in item for item in sources)] == []


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
