"""The hosts on which a policy's contract is checked: ordinary, odd, and very large ones."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Failure, Limit, Outcome, Plan, Record
from irqbal.model.view import Override, Snapshot
from irqbal.planner.draft import DraftBuilder, Settings
from irqbal.planner.ledger import Ledger
from irqbal.testing.build import changed, cpus, host, lone, nic, nvme, over

LOADS = {
    "eth0-TxRx-0": 0.4,
    "eth0-TxRx-1": 0.2,
    "eth0-TxRx-2": 0.05,
    "eth1-rx-0": 0.3,
    "eth1-tx-0": 0.1,
    "nvme0q1": 0.1,
}


class Case(msgspec.Struct, frozen=True):
    """A host, and the limits that another policy has set before the policy is called."""

    name: str
    snapshot: Snapshot
    limits: tuple[Limit, ...] = ()
    settings: Settings = Settings()

    def draft(self, snapshot: Snapshot) -> DraftBuilder:
        """A draft with the case's limits, for its snapshot or a later one of the same host."""
        draft = DraftBuilder(snapshot, Ledger(), self.settings)
        draft.limit("another_policy", self.limits)
        return draft


def cases() -> Iterator[Case]:
    """Every host but the large one."""
    ordinary = host(
        cpus(8, nodes=2, threads=2),
        nic("eth0", 4),
        nic("eth1", 2, node=1, pairs=True),
        nvme("nvme0", 4),
        lone("i8042", "acpi"),
        over("bond0", "eth0", "eth1"),
        loads=LOADS,
    )
    yield Case("an ordinary host", ordinary)
    yield Case("a host that has just started", changed(ordinary, settling=True))
    yield Case("a host without load", host(cpus(4), nic("eth0", 8, active=2), lone("timer")))
    yield Case("a host without IRQs", host(cpus(1)))
    odd = cpus(12, nodes=3, offline="1,4-7", isolated="2,11")
    parts = (nic("eth0", 6), nic("eth1", 4, node=1), nvme("nvme0", 6), lone("i8042"))
    yield Case("a host with offline and isolated CPUs", host(odd, *parts, loads=LOADS))
    override = Override(ordinary.irqs[0].identity, CpuSet.of(3), "a test", "a person")
    yield Case(
        "a host with limits and an override",
        changed(ordinary, overrides=(override,)),
        (
            Limit(CpuSet.of(0, 1), "kept free"),
            Limit(CpuSet.of(5), "kept free of one", irqs=(ordinary.irqs[1].number,)),
        ),
        Settings(banned=CpuSet.of(2)),
    )


def large() -> Case:
    """A host with 512 CPUs and 2049 IRQs, nearly all of them loaded."""
    parts = [nic(f"eth{index}", 64, node=index % 4) for index in range(32)]
    idle = host(cpus(512, nodes=4, threads=2, l3=8), *parts, lone("acpi"))
    dice = random.Random(1)
    irqs = [
        msgspec.structs.replace(irq, load=load, rate=load * 1e4, noise=load * 0.02)
        for irq in idle.irqs
        for load in [dice.paretovariate(1.5) * 0.01]
    ]
    return Case("512 CPUs with 2049 IRQs", changed(idle, irqs=tuple(irqs), settling=True))


def noisy(snapshot: Snapshot, dice: random.Random, share: float) -> Snapshot:
    """The same snapshot with each IRQ's load changed by up to this share, up or down."""
    irqs = []
    for irq in snapshot.irqs:
        factor = 1 + dice.uniform(-share, share)
        irqs.append(
            msgspec.structs.replace(
                irq, load=irq.load * factor, rate=irq.rate * factor, noise=irq.load * share
            )
        )
    return changed(snapshot, irqs=tuple(irqs))


def record() -> Record:
    """The record of a cycle with a drifted mask and a failed policy, for observers."""
    plan = Plan(
        drifted=(32,),
        failures=(Failure("broken", "deadline", "it did not return in time", aside=True),),
    )
    return Record(
        7,
        1_700_000_000.0,
        0.01,
        "tick",
        False,
        plan,
        (Outcome("a/0/x", "written", 32, found="3"),),
        1.1,
        0.4,
    )
