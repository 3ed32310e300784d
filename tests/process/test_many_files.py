"""A host with many IRQs keeps thousands of files open: what waits for a descriptor must not end at
1024 of them.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import changed, cpus, host, lone
from irqbal.config.reader import parse
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.service.assembly import bind


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
