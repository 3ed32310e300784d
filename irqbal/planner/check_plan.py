"""Checks a plan that the policy host returned. The plan is data from an unprivileged process, so
everything that must not be written is removed here. Pure.
"""

from __future__ import annotations

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Move, Plan, Refusal, SteeringMove
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings

_MAX_FLOWS = 1 << 20
"""Entries of a queue's RFS flow table, at most: far above any useful size."""


def check_plan(plan: Plan, snapshot: Snapshot, settings: Settings) -> Plan:
    """The plan without the items that break a fixed rule. Each such item becomes a refusal with the
    code `check`.
    """
    refused = list(plan.refused)
    # An override waits while all of its CPUs are offline; until then policies place the IRQ.
    wills = {
        override.identity: override.cpus
        for override in snapshot.overrides
        if override.cpus & snapshot.online
    }
    moves: list[Move] = []
    seen: set[int] = set()
    waiting = 0
    for move in plan.moves:
        reason = (
            _move_fault(move, snapshot)
            or ("it is moved twice in one plan" if move.irq in seen else "")
            or _will_fault(move, snapshot, wills.get(move.identity), settings.banned)
        )
        seen.add(move.irq)
        if not reason and move.cause in ("place", "drift") and not snapshot.settling:
            waiting += 1
            if waiting > settings.max_moves:
                reason = "the plan moves more than max_moves"
        if reason:
            refused.append(Refusal(move.irq, move.policy, "check", f"not written: {reason}"))
        else:
            moves.append(move)
    steering: list[SteeringMove] = []
    for setting in plan.steering:
        reason = _steering_fault(setting, snapshot, settings.banned)
        if reason:
            refused.append(
                Refusal(None, setting.policy, "check", f"not written: {setting.identity}: {reason}")
            )
        else:
            steering.append(setting)
    default = plan.default
    if default is not None:
        online = default.after & snapshot.online
        fault = ""
        if not online:
            fault = "the default mask would have no online CPU"
        elif online & settings.banned:
            fault = f"the default mask would hold the banned CPUs {online & settings.banned}"
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
    if not move.after <= _possible(snapshot):
        return f"CPUs {move.after} do not all exist"
    return ""


def _will_fault(move: Move, snapshot: Snapshot, will: CpuSet | None, banned: CpuSet) -> str:
    """Whether this move is against what people want: their overrides as they are, and the CPUs that
    the configuration bans. Empty if it is not.
    """
    if move.policy == "override" or will is not None:
        # Overrides outrank everything, bans included; only a person can set one.
        if will is None or move.policy != "override" or move.after != will & snapshot.online:
            wanted = "none" if will is None else str(will & snapshot.online)
            return f"CPUs {move.after} by {move.policy} are not the override's ({wanted})"
        return ""
    if move.after & banned & snapshot.online:
        return f"CPUs {move.after & banned} are banned in the configuration"
    return ""


def _steering_fault(move: SteeringMove, snapshot: Snapshot, banned: CpuSet) -> str:
    """Why this setting must not be written; empty if it may. XPS names CPUs that send, which keep
    their queues whatever is banned; the CPUs of RPS receive.
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
    if move.setting == "rps" and cpus & banned & snapshot.online:
        return f"CPUs {cpus & banned} are banned in the configuration"
    if move.setting == "xps" and not cpus & snapshot.online:
        return f"CPUs {cpus} hold no online CPU"
    return "" if cpus <= _possible(snapshot) else f"CPUs {cpus} do not all exist"


def _possible(snapshot: Snapshot) -> CpuSet:
    """Every CPU of the host, online or not."""
    return CpuSet(cpu.number for cpu in snapshot.cpus)
