"""Snapshots as `irqbal.testing` makes them for policies' authors, and plans of made-up policies,
for tests of the planner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from irqbal.model.draft import Draft
from irqbal.model.plan import Limit, Placement, Plan, Steering
from irqbal.model.unmovable import MANAGED
from irqbal.model.view import Snapshot
from irqbal.planner.decide import decide
from irqbal.planner.draft import DraftBuilder, Settings
from irqbal.planner.drift import find_changes
from irqbal.planner.ledger import Ledger
from irqbal.testing import HostPart
from irqbal.testing.build import (
    Maker,
    applied,
    changed,
    cpus,
    host,
    irq_of,
    lone,
    moves_of,
    nic,
    nvme,
    over,
    refusals,
    s,
)


class Says(msgspec.Struct, frozen=True):
    """A policy in a test: its name, its limits, and its placements (or a function that makes
    them).
    """

    name: str
    limits: tuple[Any, ...] = ()
    places: tuple[Any, ...] = ()
    place: Callable[[Snapshot, Draft], Iterable[Any]] | None = None


def limit(
    cpus: str,
    reason: str = "kept free",
    irqs: tuple[int, ...] | None = None,
    exempt: tuple[int, ...] = (),
) -> Says:
    """A policy `limiter` with one limit."""
    return Says("limiter", (Limit(s(cpus), reason, irqs, exempt),))


def wants(snapshot: Snapshot, name: str, **places: str) -> Says:
    """A policy that wants IRQs (by action, `_` for `-`) on CPU sets."""
    return Says(
        name,
        (),
        tuple(
            Placement(irq_of(snapshot, action.replace("_", "-")).number, s(cpus), f"{name} says so")
            for action, cpus in places.items()
        ),
    )


def plan(
    snapshot: Snapshot, *policies: Says, ledger: Ledger | None = None, **settings: Any
) -> Plan:
    """The plan that these policies lead to; settings are those of `irqbal.planner.Settings`."""
    return planned(snapshot, ledger or Ledger(), Settings(**settings), *policies)[0]


def planned(
    snapshot: Snapshot, ledger: Ledger, settings: Settings, *policies: Says
) -> tuple[Plan, Ledger]:
    """The plan, and the ledger with what was found changed: all limits first, then the placements
    in order.
    """
    changes, ledger = find_changes(snapshot, ledger)
    draft = DraftBuilder(snapshot, ledger, settings)
    for policy in policies:
        draft.limit(policy.name, policy.limits)
    for policy in policies:
        draft.place(
            policy.name,
            policy.places if policy.place is None else tuple(policy.place(snapshot, draft.view())),
        )
    return decide(draft, changes), ledger


__all__ = [
    "MANAGED",
    "HostPart",
    "Limit",
    "Maker",
    "Placement",
    "Says",
    "Steering",
    "applied",
    "changed",
    "cpus",
    "host",
    "irq_of",
    "limit",
    "lone",
    "moves_of",
    "nic",
    "nvme",
    "over",
    "plan",
    "planned",
    "refusals",
    "s",
    "wants",
]
