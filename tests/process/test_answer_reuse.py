"""A stranger's policy whose answer still holds is not asked again."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from builders import changed, cpus, host, irq_of, lone, nic
from installed import InstalledSite, installation
from irqbal.cpuset import CpuSet
from irqbal.model.view import Override, Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor
from irqbal.problems import Node

HOST = host(cpus(4), nic("eth0", 1), lone("i8042", "ttyS0"))
COUNTING = """
from irqbal import Duration, Needs
asked = {"limit": 0, "place": 0}

@hookimpl
def irqbal_needs(options):
    return Needs(NEEDS)

@hookimpl
def irqbal_limit(snapshot):
    asked["limit"] += 1
    yield Note(f"limit {asked['limit']}")

@hookimpl
def irqbal_place(snapshot, draft):
    asked["place"] += 1
    yield Note(f"place {asked['place']}")
"""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[InstalledSite]:
    for name in ("FIRST_DEADLINE", "STRANGERS_DEADLINE"):
        monkeypatch.setattr(bounds, name, 60.0)
    with installation(monkeypatch) as made:
        yield made


def entries_of(site: InstalledSite, *names: str) -> list[PolicyEntry]:
    """The entries of a YAML that names these."""
    return [PolicyEntry(site.found()[name], index, Node(1, {})) for index, name in enumerate(names)]


class Counted:
    """A supervisor of one policy that says how often it was asked."""

    def __init__(self, site: InstalledSite, needs: str) -> None:
        site.install("counting", COUNTING.replace("NEEDS", needs))
        self.supervisor = PolicySupervisor(entries_of(site, "counting"))
        assert self.supervisor.bind(PATIENCE) == []

    def asked(self, snapshot: Snapshot) -> tuple[str, str]:
        """What the plan on this snapshot has of it."""
        answer, failures = self.supervisor.plan(snapshot, Ledger(), Settings())
        assert failures == ()
        first, second = (note.text for _, note in answer.plan.notes)
        return first, second


def louder(snapshot: Snapshot, **more: object) -> Snapshot:
    """Another cycle with other loads."""
    cycle = msgspec.structs.replace(snapshot, now=snapshot.now + 10, cycle=snapshot.cycle + 1)
    loud = [msgspec.structs.replace(irq, rate=irq.rate + 7, load=0.2) for irq in cycle.irqs]
    busy = [msgspec.structs.replace(cpu, softirq_time=0.3) for cpu in cycle.cpus]
    return msgspec.structs.replace(cycle, irqs=tuple(loud), cpus=tuple(busy), **more)


@pytest.fixture
def lasting(site: InstalledSite) -> Iterator[Counted]:
    counted = Counted(site, "on=('queues', 'topology')")
    yield counted
    counted.supervisor.close()


def test_loads_and_time_alone_ask_nobody_who_does_not_depend_on_them(lasting: Counted) -> None:
    assert lasting.asked(HOST) == ("limit 1", "place 1")
    later = louder(HOST)
    assert lasting.asked(later) == ("limit 1", "place 1")
    assert lasting.asked(louder(later)) == ("limit 1", "place 1")


def test_any_other_change_of_the_host_asks_again(lasting: Counted) -> None:
    assert lasting.asked(HOST) == ("limit 1", "place 1")
    changes = [
        changed(HOST, "ttyS0", affinity=CpuSet.of(2)),
        changed(HOST, "ttyS0", affinity=CpuSet.of(2), generation=2),
        msgspec.structs.replace(HOST, cpus=cpus(4, offline="3")),
        msgspec.structs.replace(
            HOST, overrides=(Override(irq_of(HOST, "i8042").identity, CpuSet.of(1)),)
        ),
        HOST,
    ]
    for at, snapshot in enumerate(changes, 2):
        assert lasting.asked(snapshot) == (f"limit {at}", f"place {at}")
        assert lasting.asked(louder(snapshot)) == (f"limit {at}", f"place {at}")


def test_an_earlier_policys_other_claim_asks_for_placements_again(site: InstalledSite) -> None:
    site.install(
        "earlier",
        "@hookimpl\ndef irqbal_place(snapshot):\n    yield Placement("
        f"{irq_of(HOST, 'ttyS0').number}, CpuSet.of(snapshot.cycle % 2), 'turns')",
    )
    site.install("counting", COUNTING.replace("NEEDS", "on=('topology',)"))
    supervisor = PolicySupervisor(entries_of(site, "earlier", "counting"))
    try:
        assert supervisor.bind(PATIENCE) == []
        said = []
        for cycle in (1, 3, 4, 5):
            snapshot = msgspec.structs.replace(HOST, cycle=cycle)
            answer, failures = supervisor.plan(snapshot, Ledger(), Settings())
            assert failures == ()
            said.append([note.text for _, note in answer.plan.notes])
        assert said == [["limit 1", f"place {count}"] for count in (1, 1, 2, 3)]
    finally:
        supervisor.close()


@pytest.mark.parametrize("needs", ["", "on=('load',)", "on=('time',)", "on=(), again=Duration(60)"])
def test_who_depends_on_loads_or_time_is_asked_each_time(site: InstalledSite, needs: str) -> None:
    counted = Counted(site, needs)
    try:
        assert counted.asked(HOST) == ("limit 1", "place 1")
        assert counted.asked(louder(HOST)) == ("limit 2", "place 2")
    finally:
        counted.supervisor.close()
