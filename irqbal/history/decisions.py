"""From a cycle's record to the decisions that are kept. Pure, but for remembering what was said
already.
"""

from __future__ import annotations

import re

from irqbal.history.samples import Decision
from irqbal.model.plan import Record
from irqbal.model.view import Snapshot

REPEAT = 3600.0
"""Seconds after which a refusal that still stands is recorded again."""

_NUMBERS = re.compile(r"\d+(?:\.\d+)?(?= (?:s|times|minutes|%))")
_PASSING = frozenset({"cooldown", "budget"})


class DecisionMaker:
    """A refusal is recorded when it begins, and hourly while it stands: not in each of 8640 cycles
    a day.
    """

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._said: dict[str, float] = {}

    def of(self, record: Record, snapshot: Snapshot) -> list[Decision]:
        """All that this cycle decided; `sequence` is given when they are stored."""
        found = [*self._moves(record, snapshot), *self._settings(record)]
        wall, cycle = record.wall, record.cycle
        for number in record.plan.drifted:
            irq = snapshot.irq_by_number.get(number)
            identity, name = ("", "") if irq is None else (irq.identity, irq.action)
            found.append(
                Decision(
                    0,
                    self._boot,
                    wall,
                    cycle,
                    "drift",
                    identity,
                    number,
                    name,
                    after="" if irq is None else str(irq.affinity),
                    reason="somebody else changed the mask",
                )
            )
        for failure in record.plan.failures:
            found.append(
                Decision(
                    0,
                    self._boot,
                    wall,
                    cycle,
                    "failure",
                    policy=failure.policy,
                    code=failure.code,
                    reason=failure.reason,
                )
            )
        for refusal in record.plan.refused:
            irq = None if refusal.irq is None else snapshot.irq_by_number.get(refusal.irq)
            reason = f"{refusal.reason}; {refusal.advice}" if refusal.advice else refusal.reason
            identity = "" if irq is None else irq.identity
            if refusal.code in _PASSING or not self._news(
                f"{identity} {refusal.policy} {refusal.code} {reason}", wall
            ):
                continue
            name = "" if irq is None else irq.action
            found.append(
                Decision(
                    0,
                    self._boot,
                    wall,
                    cycle,
                    "refusal",
                    identity,
                    refusal.irq,
                    name,
                    refusal.policy,
                    refusal.code,
                    reason=reason,
                )
            )
        return found

    def _moves(self, record: Record, snapshot: Snapshot) -> list[Decision]:
        outcomes = {outcome.identity: outcome for outcome in record.outcomes}
        found = []
        for move in record.plan.moves:
            outcome = outcomes.get(move.identity)
            result = "" if outcome is None else outcome.detail or outcome.result
            if record.dry_run and not self._news(
                f"{move.identity} {move.after} dry run", record.wall
            ):
                continue
            irq = snapshot.irq_by_number.get(move.irq)
            found.append(
                Decision(
                    0,
                    self._boot,
                    record.wall,
                    record.cycle,
                    "move",
                    move.identity,
                    move.irq,
                    "" if irq is None else irq.action,
                    move.policy,
                    move.cause,
                    str(move.before),
                    str(move.after),
                    result,
                    move.reason,
                )
            )
        return found

    def _settings(self, record: Record) -> list[Decision]:
        outcomes = {outcome.identity: outcome for outcome in record.outcomes}
        found = []
        for setting in record.plan.steering:
            outcome = outcomes.get(setting.identity)
            result = "" if outcome is None else outcome.detail or outcome.result
            if record.dry_run and not self._news(
                f"{setting.identity} {setting.after} dry run", record.wall
            ):
                continue
            found.append(
                Decision(
                    0,
                    self._boot,
                    record.wall,
                    record.cycle,
                    "steering",
                    setting.identity,
                    policy=setting.policy,
                    before=setting.before,
                    after=setting.after,
                    result=result,
                    reason=setting.reason,
                )
            )
        default = record.plan.default
        if default is not None and (
            not record.dry_run or self._news(f"default {default.after}", record.wall)
        ):
            outcome = outcomes.get("default_smp_affinity")
            found.append(
                Decision(
                    0,
                    self._boot,
                    record.wall,
                    record.cycle,
                    "default",
                    "default_smp_affinity",
                    policy=default.policy,
                    before=str(default.before),
                    after=str(default.after),
                    result="" if outcome is None else outcome.detail or outcome.result,
                    reason=default.reason,
                )
            )
        return found

    def _news(self, text: str, wall: float) -> bool:
        key = _NUMBERS.sub("#", text)
        last = self._said.get(key)
        if last is not None and 0 <= wall - last < REPEAT:
            return False
        self._said[key] = wall
        if len(self._said) > 10_000:
            self._said = {said: when for said, when in self._said.items() if wall - when < REPEAT}
        return True
