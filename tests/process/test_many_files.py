"""A host with many IRQs keeps thousands of files open: what waits for a descriptor must not end at
1024 of them.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

import machine
from builders import changed, cpus, host, lone
from irqbal.config.reader import parse
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.service.assembly import bind
from machine import IRQBAL, wait_for
from served import Served, free_port
from trees import Nic, TreeSpec, make_tree


@pytest.fixture
def many_files() -> Iterator[None]:
    """So many open files that the next descriptor is above what select takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    held = [os.open(Path(os.devnull), os.O_RDONLY) for _ in range(1100)]
    yield
    for fd in held:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_policy_host_is_started_asked_and_ended_above_1024_descriptors() -> None:
    plans = []
    for _ in range(2):
        policies = bind(parse("", "(defaults)"), "(defaults)")
        try:
            snapshot = changed(host(cpus(4), lone("a", "b")), settling=True)
            answer, failures = policies.plan(snapshot, Ledger(), Settings())
            assert failures == () and answer.raised == ()
            plans.append(answer.plan)
        finally:
            policies.close()
    assert plans[0] == plans[1]


def test_a_daemon_with_few_descriptors_uses_what_there_is(tmp_path: Path) -> None:
    """300 IRQs want 600 files, and the limit is 128."""
    root = tmp_path / "tree"
    make_tree(root, TreeSpec(devices=(Nic("ice", queues=300),)))
    config, log, port = tmp_path / "irqbal.yaml", tmp_path / "log", free_port()
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: 300ms\nhistory: {{every: 300ms}}\n"
        f'api: {{listen: ["127.0.0.1:{port}"]}}\n'
    )
    command = ("prlimit", "--nofile=128:128", IRQBAL)
    words = ("--root", str(root), "-c", str(config))
    with machine.daemon(*words, log=log, command=command) as process:
        served = Served(process.pid, port, tmp_path / "state", log)
        wait_for(served.socket.exists, log)
        first = served.get("/api/v1/status")["last"]["cycle"]
        socks = [served.connection() for _ in range(200)]
        for sock in socks:
            sock.connect()
        wait_for(lambda: served.get("/api/v1/status")["last"]["cycle"] > first + 3, log)
        assert served.get("/api/v1/cpus/history")["points"] is not None
        for sock in socks:
            sock.close()
    assert "Traceback" not in log.read_text() and "cannot be read" not in log.read_text()
