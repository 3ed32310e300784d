"""From a cycle's record to the decisions that the history stores.

Moves, changed settings, drift and failures are recorded in every cycle in which they happen. A
refusal is recorded when it begins and hourly while it lasts, not in each of 8640 cycles a day; so
are the moves that a dry run does not make.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from irqbal.history.samples import Decision
from irqbal.model.plan import Outcome, Record
from irqbal.model.readings import DEFAULT
from irqbal.model.view import Snapshot

REPEAT = 3600.0
"""Seconds after which a refusal that still holds is recorded again."""
MAX_REMEMBERED = 10_000
"""Texts that are remembered before those older than REPEAT are removed."""

_QUANTITIES = re.compile(r"(?<![\d.])\d++(?:\.\d++)?(?= (?:s|times|minutes|%))")
"""Numbers in a reason that change while the refusal is the same."""
_PASSING = frozenset({"cooldown", "budget"})
"""Codes of refusals that are not recorded: the next cycles make the move."""

_New = Callable[..., Decision]
"""`Decision` with sequence 0 (it is numbered when it is stored), boot id, time and cycle filled
in.
"""


class DecisionMaker:
    """Remembers what was recorded within the last hour. `boot` is the boot id."""

    def __init__(self, boot: str) -> None:
        self._boot = boot
        self._recorded: dict[str, float] = {}
        """Text of a refusal, without quantities -> when it was recorded (seconds since the
        epoch).
        """
        self._remove_at = MAX_REMEMBERED

    def of(self, record: Record, snapshot: Snapshot) -> list[Decision]:
        """The decisions of this cycle; `snapshot` is the one that it was planned on."""
        new = partial(Decision, 0, self._boot, record.wall, record.cycle, cause=record.cause)
        return [
            *self._moves(new, record, snapshot),
            *self._settings(new, record),
            *_drifts(new, record, snapshot),
            *_failures(new, record),
            *self._refusals(new, record, snapshot),
        ]

    def _moves(self, new: _New, record: Record, snapshot: Snapshot) -> Iterator[Decision]:
        outcomes = _outcomes(record)
        for move in record.plan.moves:
            if record.dry_run and not self._is_due(
                f"{move.identity} {move.after} dry run", record.wall
            ):
                continue
            irq = snapshot.irq_by_number.get(move.irq)
            yield new(
                kind="move",
                identity=move.identity,
                irq=move.irq,
                name="" if irq is None else irq.action,
                policy=move.policy,
                code=move.cause,
                before=str(move.before),
                after=str(move.after),
                result=_result(outcomes.get(move.identity)),
                done=_is_done(outcomes.get(move.identity)),
                reason=move.reason,
            )

    def _settings(self, new: _New, record: Record) -> Iterator[Decision]:
        """Steering of NIC queues, and the default mask."""
        outcomes = _outcomes(record)
        for setting in record.plan.steering:
            if record.dry_run and not self._is_due(
                f"{setting.identity} {setting.after} dry run", record.wall
            ):
                continue
            yield new(
                kind="steering",
                identity=setting.identity,
                policy=setting.policy,
                before=setting.before,
                after=setting.after,
                result=_result(outcomes.get(setting.identity)),
                done=_is_done(outcomes.get(setting.identity)),
                reason=setting.reason,
            )
        default = record.plan.default
        if default is not None and (
            not record.dry_run or self._is_due(f"default {default.after}", record.wall)
        ):
            yield new(
                kind="default",
                identity=DEFAULT,
                policy=default.policy,
                before=str(default.before),
                after=str(default.after),
                result=_result(outcomes.get(DEFAULT)),
                done=_is_done(outcomes.get(DEFAULT)),
                reason=default.reason,
            )

    def _refusals(self, new: _New, record: Record, snapshot: Snapshot) -> Iterator[Decision]:
        for refusal in record.plan.refused:
            irq = None if refusal.irq is None else snapshot.irq_by_number.get(refusal.irq)
            identity = "" if irq is None else irq.identity
            reason = f"{refusal.reason}; {refusal.advice}" if refusal.advice else refusal.reason
            if refusal.code in _PASSING or not self._is_due(
                f"{identity} {refusal.policy} {refusal.code} {reason}", record.wall
            ):
                continue
            yield new(
                kind="refusal",
                identity=identity,
                irq=refusal.irq,
                name="" if irq is None else irq.action,
                policy=refusal.policy,
                code=refusal.code,
                reason=reason,
            )

    def _is_due(self, text: str, wall: float) -> bool:
        """Whether this was not recorded within the last hour; it counts as recorded then."""
        key = _QUANTITIES.sub("#", text)
        last = self._recorded.get(key)
        if last is not None and 0 <= wall - last < REPEAT:
            return False
        self._recorded[key] = wall
        if len(self._recorded) > self._remove_at:
            self._recorded = {
                text: when for text, when in self._recorded.items() if wall - when < REPEAT
            }
            # Not with each text again where all of them are new.
            self._remove_at = max(MAX_REMEMBERED, 2 * len(self._recorded))
        return True


def _drifts(new: _New, record: Record, snapshot: Snapshot) -> Iterator[Decision]:
    for number in record.plan.drifted:
        irq = snapshot.irq_by_number.get(number)
        yield new(
            kind="drift",
            identity="" if irq is None else irq.identity,
            irq=number,
            name="" if irq is None else irq.action,
            after="" if irq is None else str(irq.affinity),
            reason="another program changed the mask",
        )


def _failures(new: _New, record: Record) -> Iterator[Decision]:
    for failure in record.plan.failures:
        yield new(kind="failure", policy=failure.policy, code=failure.code, reason=failure.reason)


def _outcomes(record: Record) -> dict[str, Outcome]:
    """Identity -> what came of its write."""
    return {outcome.identity: outcome for outcome in record.outcomes}


def _result(outcome: Outcome | None) -> str:
    """What came of a write, in words; empty if nothing was written."""
    return "" if outcome is None else outcome.detail or outcome.result


def _is_done(outcome: Outcome | None) -> bool:
    """Whether the kernel has what was decided."""
    return outcome is not None and outcome.result in ("written", "unchanged")
