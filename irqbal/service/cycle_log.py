"""Log lines about a cycle: one for each move, new refusals and notes, and at level debug a summary
with the plan's trigger.
"""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

from irqbal.model.plan import Move, Outcome, Record
from irqbal.model.queues import queues_text
from irqbal.model.view import Irq, Snapshot
from irqbal.service.cycle_result import CycleResult

log = logging.getLogger("irqbal")

_NUMBERS = re.compile(r"(?<![\d.])\d++(?:\.\d++)?(?= (?:s|times|minutes|%))")
MOST_REMEMBERED = 10_000
"""Lines that are remembered before those of earlier cycles are removed."""
MOST_LINES = 200
"""Lines that one cycle logs; the history has the rest."""
_QUIET = frozenset({"cooldown", "budget"})
"""Refusals that are not logged: they are frequent and end by themselves."""


class _Verbs(NamedTuple):
    now: str
    done: str


_MOVED, _SET = _Verbs("move", "moved"), _Verbs("set", "set")


class CycleLog:
    """Logs cycles. A line about an IRQ is not repeated in the next cycle unless it changed."""

    def __init__(self) -> None:
        self._last_logged: dict[str, int] = {}
        """The last cycle that had each line, by the line's text without its numbers."""
        self._cycle = 0
        self._lines = 0
        self._remove_at = MOST_REMEMBERED

    def log(self, result: CycleResult) -> None:
        """Log one cycle."""
        record, snapshot = result.record, result.planned_on
        self._cycle, self._lines = record.cycle, 0
        outcomes = {outcome.identity: outcome for outcome in record.outcomes}
        for move in record.plan.moves:
            self._move(
                move,
                snapshot.irq_by_number.get(move.irq),
                outcomes.get(move.identity),
                record.dry_run,
            )
        for setting in record.plan.steering:
            outcome = outcomes.get(setting.identity)
            what = f"{setting.setting} of {setting.interface} queue {setting.queue}"
            self._result(
                setting.identity,
                f"{what}: {setting.before or '-'} -> {setting.after or '-'}",
                f"{setting.policy}: {setting.reason}",
                outcome,
                record.dry_run,
                _SET,
            )
        default = record.plan.default
        if default is not None:
            self._result(
                "default",
                f"default_smp_affinity: {default.before} -> {default.after}",
                f"{default.policy}: {default.reason}",
                outcomes.get("default_smp_affinity"),
                record.dry_run,
                _SET,
            )
        self._news(record, snapshot)
        if self._lines > MOST_LINES:
            log.info("and %d lines more (irqbal decisions)", self._lines - MOST_LINES)
        log.debug(
            "cycle %d (%s): %d moves, %d kept, %d refused, %d drifted, imbalance %.2f, busiest CPU "
            "%.1f %%, %.1f ms%s",
            record.cycle,
            result.trigger,
            len(record.plan.moves),
            len(record.plan.kept),
            len(record.plan.refused),
            len(record.plan.drifted),
            record.imbalance,
            record.busiest * 100,
            record.seconds * 1000,
            f", {record.skipped_rows} rows of /proc/interrupts skipped"
            if record.skipped_rows
            else "",
        )

    def _move(self, move: Move, irq: Irq | None, outcome: Outcome | None, dry_run: bool) -> None:
        what = f"IRQ {move.irq} ({name_of(irq)}): {move.before or '-'} -> {move.after}"
        self._result(
            move.identity, what, f"{move.policy}: {move.reason} [{move.cause}]", outcome, dry_run
        )

    def _result(
        self,
        key: str,
        what: str,
        why: str,
        outcome: Outcome | None,
        dry_run: bool,
        verbs: _Verbs = _MOVED,
    ) -> None:
        # Why it is to move differs from plan to plan, since loads do. What is not done is news
        # once.
        if dry_run:
            self._once(key, logging.INFO, f"would {verbs.now} {what}", f"; {why}")
        elif outcome is None or outcome.result == "written":
            self._line(logging.INFO, f"{verbs.done} {what}; {why}")
        elif outcome.result != "unchanged":
            level = logging.INFO if outcome.result in ("transient", "gone") else logging.WARNING
            self._once(key, level, f"not {verbs.done}: {what}: {outcome.detail}", f"; {why}")

    def _news(self, record: Record, snapshot: Snapshot) -> None:
        for number in record.plan.drifted:
            irq = snapshot.irq_by_number.get(number)
            mask = irq.affinity if irq is not None else "?"
            text = f"drift: another program set IRQ {number} ({name_of(irq)}) to {mask}"
            self._line(logging.WARNING, text)
        for failure in record.plan.failures:
            if failure.aside:
                continue  # logged when it happened, with the time of the next try
            late = failure.code == "late"
            what = "is late" if late else "failed"
            self._once(
                f"failure {failure.policy}",
                logging.WARNING if late else logging.ERROR,
                f"policy {failure.policy} {what}: {failure.reason}",
            )
        if record.plan.starting:
            self._once(
                "starting",
                logging.INFO,
                f"planned without {', '.join(record.plan.starting)}: still starting",
            )
        for refusal in record.plan.refused:
            if refusal.code in _QUIET:
                continue
            irq = None if refusal.irq is None else snapshot.irq_by_number.get(refusal.irq)
            about = (
                f"IRQ {refusal.irq} ({name_of(irq)})" if refusal.irq is not None else refusal.policy
            )
            advice = f" ({refusal.advice})" if refusal.advice else ""
            level = (
                logging.WARNING
                if refusal.code in ("given-up", "check", "limited")
                else logging.INFO
            )
            self._once(
                f"refused {refusal.irq} {refusal.code}", level, f"{about}: {refusal.reason}{advice}"
            )
        for policy, note in record.plan.notes:
            advice = f"; {note.advice}" if note.advice else ""
            self._once(f"note {policy} {note.irq}", logging.INFO, f"{policy}: {note.text}{advice}")

    def _line(self, level: int, text: str) -> None:
        """Log a line, unless this cycle has logged too many."""
        self._lines += 1
        if self._lines <= MOST_LINES:
            log.log(level, "%s", text)

    def _once(self, key: str, level: int, text: str, detail: str = "") -> None:
        """Log the text, with a detail that may differ, unless the last cycle had it too. Texts of
        notes and refusals that differ only in rates and times count as the same.
        """
        stable = (
            f"{key} {_NUMBERS.sub('#', text)}"
            if key.startswith(("note", "refused"))
            else f"{key} {text}"
        )
        if self._last_logged.get(stable, -2) < self._cycle - 1:
            self._line(level, text + detail)
        self._last_logged[stable] = self._cycle
        if len(self._last_logged) > self._remove_at:
            self._last_logged = {
                line: cycle for line, cycle in self._last_logged.items() if cycle >= self._cycle - 1
            }
            # Not with each line again where all of them are new.
            self._remove_at = max(MOST_REMEMBERED, 2 * len(self._last_logged))


def name_of(irq: Irq | None) -> str:
    """An IRQ's action, queue and device, for the log; `gone` for None."""
    if irq is None:
        return "gone"
    parts = [irq.action]
    if irq.queues:
        parts.append(queues_text(irq.queues))
    if irq.device is not None:
        parts.append(irq.device)
    return ", ".join(parts)
