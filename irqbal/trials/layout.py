"""The masks and settings of one side of a trial. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Plan, steering_identity
from irqbal.model.readings import DEFAULT, Original
from irqbal.model.view import Snapshot

Layout = Mapping[str, str]
"""Values as text by identity: CPU lists of IRQs, XPS, RPS and `default_smp_affinity`; numbers of
flow-table entries.
"""


def present_layout(snapshot: Snapshot) -> dict[str, str]:
    """Everything of this host that irqbal may write, as it is."""
    found = {irq.identity: str(irq.affinity) for irq in snapshot.irqs if irq.movable}
    for interface in snapshot.interfaces:
        for at, tx in enumerate(interface.tx):
            if tx.xps is not None:
                found[steering_identity(interface.name, "xps", at)] = str(tx.xps)
        for at, rx in enumerate(interface.rx):
            if rx.rps is not None:
                found[steering_identity(interface.name, "rps", at)] = str(rx.rps)
            if rx.flows is not None:
                found[steering_identity(interface.name, "flows", at)] = str(rx.flows)
    if snapshot.default_affinity:
        found[DEFAULT] = str(snapshot.default_affinity)
    return found


def with_originals(layout: Layout, originals: Mapping[str, Original]) -> dict[str, str]:
    """The layout with the values from before irqbal, as far as they are of what is there now."""
    return {
        identity: _normal(identity, originals[identity].value) if identity in originals else value
        for identity, value in layout.items()
    }


def with_plan(layout: Layout, plan: Plan, snapshot: Snapshot) -> dict[str, str]:
    """The layout once this plan, made on the snapshot, is carried out: what it moves, and what it
    leaves where it is.
    """
    changed = dict(layout)
    here = present_layout(snapshot)
    for kept in plan.kept:
        irq = snapshot.irq_by_number.get(kept.irq)
        if kept.ours and irq is not None and irq.identity in changed:
            changed[irq.identity] = here[irq.identity]
    for move in plan.moves:
        changed[move.identity] = str(move.after)
    for setting in plan.steering:
        changed[setting.identity] = _normal(setting.identity, setting.after)
    if plan.default is not None:
        changed[DEFAULT] = str(plan.default.after)
    return changed


def differing(sides: Iterable[Layout]) -> tuple[str, ...]:
    """The identities whose value is not the same in all of these."""
    first, *others = sides
    return tuple(
        identity
        for identity, value in first.items()
        if any(other.get(identity, value) != value for other in others)
    )


def writes_of(
    layout: Layout, identities: Iterable[str], numbers: Mapping[str, int]
) -> list[tuple[Original, int | None]]:
    """What to write for these identities, as `Host.restore` takes it; IRQs that are gone are left
    out. The default mask comes last: nothing else depends on it.
    """
    found: list[tuple[Original, int | None]] = []
    for identity in sorted(identities, key=lambda name: (name == DEFAULT, name)):
        if identity == DEFAULT or _is_setting(identity):
            found.append((Original(identity, None, layout[identity]), None))
        elif identity in numbers:
            number = numbers[identity]
            found.append((Original(identity, number, layout[identity]), number))
    return found


def _is_setting(identity: str) -> bool:
    return identity.partition(":")[0] in ("xps", "rps", "flows")


def _normal(identity: str, value: str) -> str:
    """A value as it is read back."""
    return value.strip() if identity.startswith("flows:") else str(CpuSet.parse(value))
