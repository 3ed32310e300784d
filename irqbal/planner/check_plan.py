"""Checks a plan that the policy host returned. The plan is data from an unprivileged process, so
everything that must not be written is removed here. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.draft import LimitTable
from irqbal.model.plan import DefaultMove, Limit, Move, Plan, Refusal, SteeringMove
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings

_MAX_FLOWS = 1 << 20
"""Entries of a queue's RFS flow table, at most: far above any useful size."""


def check_plan(
    plan: Plan,
    snapshot: Snapshot,
    settings: Settings,
    limits: Iterable[tuple[str, Limit]] = (),
) -> Plan:
    """The plan without the items that break a fixed rule or one of these limits, each with the
    policy that stated it. Each such item becomes a refusal with the code `check`.
    """
    refused = list(plan.refused)
    table = LimitTable(settings.banned, tuple(limits))
    # An override waits while all of its CPUs are offline; until then policies place the IRQ.
    wills = {
        override.identity: override.cpus
        for override in snapshot.overrides
        if override.cpus & snapshot.online
    }
    moves: list[Move] = []
    seen: set[int] = set()
    waiting = 0
    free = snapshot.settling or settings.learning
    for move in plan.moves:
        reason = (
            _move_fault(move, snapshot)
            or ("it is moved twice in one plan" if move.irq in seen else "")
            or _will_fault(move, snapshot, wills.get(move.identity), table)
        )
        seen.add(move.irq)
        if not reason and move.cause in ("place", "drift") and not free:
            waiting += 1
            if waiting > settings.max_moves:
                reason = "the plan moves more than max_moves"
        if reason:
            refused.append(Refusal(move.irq, move.policy, "check", f"not written: {reason}"))
        else:
            moves.append(move)
    steering: list[SteeringMove] = []
    for setting in plan.steering:
        reason = _steering_fault(setting, snapshot, table)
        if reason:
            refused.append(
                Refusal(None, setting.policy, "check", f"not written: {setting.identity}: {reason}")
            )
        else:
            steering.append(setting)
    default = plan.default
    if default is not None:
        fault = _default_fault(default, snapshot, table)
        if fault:
            refused.append(Refusal(None, "default", "check", f"not written: {fault}"))
            default = None
    return msgspec.structs.replace(
        plan, moves=tuple(moves), steering=tuple(steering), default=default, refused=tuple(refused)
    )


def _move_fault(move: Move, snapshot: Snapshot) -> str:
    """Why this mask must not be written; empty if it may."""
    irq = snapshot.irq_by_number.get(move.irq)
    if irq is None:
        return "there is no such IRQ"
    if irq.identity != move.identity or irq.generation != move.generation:
        return "the number belongs to another IRQ"
    if irq.unmovable:
        return irq.unmovable
    if not move.after & snapshot.online:
        return f"CPUs {move.after} hold no online CPU"
    if not move.after <= snapshot.possible:
        return f"CPUs {move.after} do not all exist"
    return ""


def _will_fault(move: Move, snapshot: Snapshot, will: CpuSet | None, table: LimitTable) -> str:
    """Whether this move is against what people want: their overrides as they are, the CPUs that the
    configuration bans, and limits. Empty if it is not.
    """
    if move.policy == "override" or will is not None:
        # Overrides outrank everything, bans included; only a person can set one.
        if will is None or move.policy != "override" or move.after != will & snapshot.online:
            wanted = "none" if will is None else str(will & snapshot.online)
            return f"CPUs {move.after} by {move.policy} are not the override's ({wanted})"
        return ""
    forbidden = move.after & table.forbidden(move.irq) & snapshot.online
    if forbidden:
        return f"CPUs {forbidden} are forbidden: {_reason(*table.reason_for(move.irq, forbidden))}"
    return ""


def _reason(policy: str, reason: str) -> str:
    return reason if policy == "banned_cpus" else f"{policy}: {reason}"


def _default_fault(move: DefaultMove, snapshot: Snapshot, table: LimitTable) -> str:
    """Why this default mask must not be written; empty if it may."""
    online = move.after & snapshot.online
    if not online:
        return "the default mask would have no online CPU"
    forbidden = online & table.everywhere
    if forbidden:
        reason = _reason(*table.reason_everywhere(forbidden))
        return f"the default mask would hold the forbidden CPUs {forbidden}: {reason}"
    return ""


def _steering_fault(move: SteeringMove, snapshot: Snapshot, table: LimitTable) -> str:
    """Why this setting must not be written; empty if it may. XPS names CPUs that send, which keep
    their queues whatever is forbidden to interrupts; the CPUs of RPS receive.
    """
    interface = snapshot.interface_by_name.get(move.interface)
    queues = () if interface is None else (interface.tx if move.setting == "xps" else interface.rx)
    if not 0 <= move.queue < len(queues):
        return "there is no such queue"
    try:
        if move.setting == "flows":
            if 0 <= int(move.after) <= _MAX_FLOWS:
                return ""
            return f"a flow table has 0 to {_MAX_FLOWS} entries, not {move.after}"
        cpus = CpuSet.parse(move.after)
    except ValueError as error:
        return str(error)
    if move.setting == "rps":
        forbidden = cpus & table.everywhere & snapshot.online
        if forbidden:
            return f"CPUs {forbidden} are forbidden: {_reason(*table.reason_everywhere(forbidden))}"
        if cpus & snapshot.isolated:
            return f"CPUs {cpus & snapshot.isolated} are isolated"
    if move.setting == "xps" and not cpus & snapshot.online:
        return f"CPUs {cpus} hold no online CPU"
    return "" if cpus <= snapshot.possible else f"CPUs {cpus} do not all exist"
