"""Overrides that users set and clear: stored and written in one cycle."""

from __future__ import annotations

import logging

import msgspec

from irqbal.api import views
from irqbal.api.backend import ApiError, Caller, OverrideResult
from irqbal.cpuset import CpuSet
from irqbal.model.plan import Record
from irqbal.model.view import Override
from irqbal.service.cycle_result import CycleResult
from irqbal.service.decision_log import DecisionLog, PersonsDecision
from irqbal.service.kernel_requests import ClearOverride, SetOverride
from irqbal.service.live_view import RunningDaemon

log = logging.getLogger(__name__)


class _Mask(msgspec.Struct, frozen=True):
    """One IRQ after a cycle: the result of its move, the detail, and the mask now (None: there is
    no such IRQ).
    """

    result: str
    detail: str
    affinity: CpuSet | None


class OverrideRequests:
    """Sets and clears overrides on behalf of users."""

    def __init__(self, daemon: RunningDaemon, decisions: DecisionLog) -> None:
        self._daemon, self._decisions = daemon, decisions

    async def set(self, override: Override, number: int, caller: Caller) -> OverrideResult:
        """Store an override and write its mask. Returns what the kernel did. Raises ApiError if the
        kernel refused.
        """
        request = SetOverride(override)
        result = await self._daemon.change(request)
        mask = _mask(result, override.identity, override.cpus)
        refusal = request.refusal
        self._decisions.add(
            PersonsDecision(
                kind="override",
                identity=override.identity,
                before=_before(result.record, override.identity),
                after=str(override.cpus),
                result=refusal.result if refusal else mask.result,
                reason=override.reason or "set by a person",
                who=str(caller),
            ),
            result,
        )
        log.info(
            "override of IRQ %d to %s by %s: %s",
            number,
            override.cpus,
            caller,
            refusal.detail if refusal else mask.result,
        )
        if refusal is not None:
            status = 503 if refusal.result == "unsaved" else 409
            code = refusal.code or refusal.result
            raise ApiError(status, code, f"{refusal.detail}; the override was not stored")
        warnings = tuple(
            item.reason
            for item in result.record.plan.refused
            if item.irq == number and item.policy == "override" and item.code == "warning"
        )
        return _answer(override, mask, result, warnings)

    async def clear(self, identity: str, caller: Caller) -> OverrideResult:
        """Remove an override; the policies place the IRQ at once. Raises ApiError without one."""
        current = self._daemon.balancer.overrides.current
        removed = next((item for item in current if item.identity == identity), None)
        if removed is None:
            raise ApiError(404, "no-override", f"{identity} has no override")
        result = await self._daemon.change(ClearOverride(identity))
        mask = _mask(result, identity)
        detail = mask.detail
        if mask.result == "unchanged" and mask.affinity is not None:
            detail = "no policy moved it: its mask stays"
        self._decisions.add(
            PersonsDecision(
                kind="override",
                identity=identity,
                before=str(removed.cpus),
                result=mask.result,
                reason="the override was removed",
                who=str(caller),
            ),
            result,
        )
        log.info("override of %s removed by %s: %s", identity, caller, mask.result)
        return _answer(removed, msgspec.structs.replace(mask, detail=detail), result)

    def expired(self, result: CycleResult) -> None:
        """Log and record the overrides that expired in this cycle."""
        for item in result.expired:
            log.info("the override of %s to %s has expired", item.identity, item.cpus)
            self._decisions.add(
                PersonsDecision(
                    kind="override",
                    identity=item.identity,
                    before=str(item.cpus),
                    reason="the override has expired",
                    who=item.who,
                ),
                result,
            )


def _answer(
    override: Override, mask: _Mask, result: CycleResult, warnings: tuple[str, ...] = ()
) -> OverrideResult:
    """The answer to the person, with what else the cycle moved."""
    identity = override.identity
    before = next((irq for irq in result.planned_on.irqs if irq.identity == identity), None)
    moves = views.cycle(result.record, result.planned_on).moves
    own = next((move for move in moves if move.identity == identity), None)
    return OverrideResult(
        override,
        mask.result,
        mask.detail,
        mask.affinity,
        warnings,
        None if before is None else before.affinity,
        "" if own is None else own.policy,
        tuple(move for move in moves if move is not own),
    )


def _mask(result: CycleResult, identity: str, wanted: CpuSet | None = None) -> _Mask:
    """What became of an IRQ's mask in this cycle. `wanted` is what the person asked for."""
    irq = next((irq for irq in result.after.irqs if irq.identity == identity), None)
    affinity = None if irq is None else irq.affinity
    outcome = next((item for item in result.record.outcomes if item.identity == identity), None)
    if outcome is not None:
        return _Mask(outcome.result, outcome.detail, affinity)
    if irq is None:
        return _Mask("unchanged", "there is no such IRQ now", None)
    if wanted is not None and irq.affinity & result.after.online != wanted & result.after.online:
        problem = result.record.problem or "the plan did not move it"
        detail = (
            f"{problem}: its mask is still {irq.affinity}; it is tried again with the next plan"
        )
        return _Mask("transient", detail, affinity)
    return _Mask("unchanged", "the mask was already right", affinity)


def _before(record: Record, identity: str) -> str:
    """The IRQ's mask before its move in this cycle; empty if it was not moved."""
    moves = record.plan.moves
    return next((str(move.before) for move in moves if move.identity == identity), "")
