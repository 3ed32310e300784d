"""Policy hosts as units that systemd starts: the daemon connects to a socket, and kills a host that
is stuck by its pid.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import machine
from activated import hosts
from builders import cpus, host, irq_of, lone, moves_of
from installed import InstalledSite, installation
from irqbal.errors import PolicyHostError
from irqbal.model.plan import Failure, Plan, Record
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds, process
from irqbal.plugins.observer_supervisor import ObserverSupervisor
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor, SupervisorStopped
from irqbal.problems import Node

HOST = host(cpus(4), lone("i8042", "ttyS0"))
GOOD = (
    "@hookimpl\ndef irqbal_place(snapshot):\n    yield "
    f"Placement({irq_of(HOST, 'i8042').number}, CpuSet.of(1), 'good')\n"
)


@pytest.fixture(scope="module")
def site() -> Iterator[InstalledSite]:
    with pytest.MonkeyPatch.context() as patch, installation(patch) as made:
        made.install("good", GOOD)
        for name, body in {
            "hang": "while True: pass",
            "exits": "import os; os._exit(3)",
            "reads": "import sys; sys.stdin.readline(); sys.exit(7)",
            "forges": "import os\n    for fd in range(3, 9):\n        try: os.write(fd, b'\\xff' * "
            "64)\n        except OSError: pass",
        }.items():
            made.install(
                name, f"@hookimpl\ndef irqbal_place(snapshot):\n    {body}\n    yield Note('x')\n"
            )
        made.install(
            "watches",
            "@hookimpl\ndef irqbal_cycle_done(record):\n    raise ValueError('seen %d' % "
            "record.cycle)\n",
        )
        yield made


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All strangers together have more time than a slow machine needs; a test that is about that
    time sets its own.
    """
    for name in ("FIRST_DEADLINE", "STRANGERS_DEADLINE"):
        monkeypatch.setattr(bounds, name, 60.0)


@pytest.fixture
def sockets(site: InstalledSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with hosts(tmp_path / "hosts", site.python) as folder:
        monkeypatch.setenv(process.SOCKET_FOLDER_VARIABLE, str(folder))
        yield folder


def entries_of(site: InstalledSite, *names: str) -> list[PolicyEntry]:
    found = site.found()
    return [PolicyEntry(found[name], index, Node(1, {})) for index, name in enumerate(names)]


def bound(site: InstalledSite, *names: str) -> PolicySupervisor:
    made = PolicySupervisor(entries_of(site, *names))
    assert made.bind(PATIENCE) == []
    return made


def ask(policies: PolicySupervisor) -> tuple[Plan, tuple[Failure, ...]]:
    answer, failures = policies.plan(HOST, Ledger(), Settings())
    return answer.plan, failures


def gone(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_connection_starts_an_unprivileged_host_that_is_no_child_of_the_daemon(
    site: InstalledSite, sockets: Path
) -> None:
    policies = bound(site, "good")
    made, failures = ask(policies)
    assert (moves_of(made, HOST), failures) == ({"i8042": "1"}, ())
    pid = policies.pids["irqbal-good 0.1"]
    assert pid is not None and policies.pid not in (None, pid)
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"^Uid:\t[1-9]", status, re.M) and not re.search(
        rf"^PPid:\t{os.getpid()}$", status, re.M
    )
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null"), (
        "who reads standard input reads nothing of ours"
    )
    policies.close()
    machine.wait_for(lambda: gone(pid))


@pytest.mark.parametrize(
    ("bad", "code"),
    [("hang", "deadline"), ("exits", "crashed"), ("reads", "crashed"), ("forges", "garbage")],
)
def test_a_policy_that_misbehaves_is_ended_and_set_aside(
    site: InstalledSite, sockets: Path, bad: str, code: str
) -> None:
    policies = bound(site, bad, "good")
    first = policies.pids[f"irqbal-{bad} 0.1"]
    assert first is not None
    made, (failure,) = ask(policies)
    assert (failure.policy, failure.code, failure.aside) == (bad, code, True)
    assert moves_of(made, HOST) == {"i8042": "1"}
    machine.wait_for(lambda: gone(first))
    assert policies.pids[f"irqbal-{bad} 0.1"] is None
    if code == "crashed":
        assert "journalctl -u 'irqbal-policies@*'" in failure.reason
    policies.close()


def test_a_stop_from_another_thread_ends_a_call_under_way(
    site: InstalledSite, sockets: Path
) -> None:
    policies = bound(site, "hang")
    pid = policies.pids["irqbal-hang 0.1"]
    assert pid is not None
    threading.Timer(0.3, policies.stop).start()
    with pytest.raises(SupervisorStopped):
        ask(policies)
    machine.wait_for(lambda: gone(pid))
    policies.close()


def test_observers_have_a_socket_of_their_own(site: InstalledSite, sockets: Path) -> None:
    observers = ObserverSupervisor(entries_of(site, "watches"))
    assert observers.bind(PATIENCE) == []
    (failure,) = observers.observe(Record(41, 0.0, 0.1, "tick", False, Plan()))
    assert "seen 41" in failure.reason
    observers.close()


def test_without_a_listener_the_error_names_the_unit_to_start(
    site: InstalledSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(process.SOCKET_FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(PolicyHostError, match=r"systemctl start irqbal-planner.socket"):
        bound(site, "good")


def test_a_host_that_is_closed_before_it_is_ready_exits_by_itself(
    site: InstalledSite, sockets: Path
) -> None:
    found = site.found()
    for _ in range(3):
        policies = PolicySupervisor([PolicyEntry(found["good"], 0, Node(1, {}))])
        policies.spawn()
        assert policies.pid is None
        policies.close()
    listener = next(
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        if str(sockets / "policies").encode() in _command(path)
    )
    children = Path(f"/proc/{listener}/task/{listener}/children")
    machine.wait_for(lambda: all(gone(int(pid)) for pid in children.read_text().split()))


def _command(path: Path) -> bytes:
    try:
        return (path / "cmdline").read_bytes()
    except OSError:
        return b""
