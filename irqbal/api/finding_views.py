"""What a person should know or do about a host, as the API shows it: findings about its snapshot
and about its daemon, with a verdict.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from irqbal.api import responses
from irqbal.api.backend import View
from irqbal.findings.finding import DescribedFinding, severity_of, worst_first
from irqbal.findings.host_state import (
    VERDICTS,
    EndingOverride,
    HostState,
    look_at,
    verdict_of,
)
from irqbal.findings.verify import Context, verify
from irqbal.model.view import Override, Snapshot
from irqbal.render.finding_texts import describe, verdict_sentence
from irqbal.wire import Moment

MOST_SHOWN = 200
"""Findings in an answer, the worst first: a person reads no more."""


def findings_answer(view: View, state: HostState, context: Context) -> responses.FindingsAnswer:
    """The host's findings, the worst first."""
    found = worst_first([*verify(view.snapshot, context), *look_at(view.snapshot, state)])
    verdict = verdict_of(found)
    urgent = sum(finding.severity == "warning" for finding in found)
    return responses.FindingsAnswer(
        verdict,
        verdict_sentence(verdict, urgent, len(found) - urgent),
        Moment(view.wall),
        len(found),
        tuple(map(_item, map(describe, found[:MOST_SHOWN]))),
        dict(Counter(finding.code for finding in found)),
    )


def stored_answer(
    verdict: str, findings: Sequence[DescribedFinding], counts: Mapping[str, int], wall: float
) -> responses.FindingsAnswer:
    """The first findings that a daemon shipped at `wall` (seconds since the epoch), and the number
    of all by code.
    """
    count = sum(counts.values())
    urgent = sum(number for code, number in counts.items() if severity_of(code) == "warning")
    word = next(item for item in VERDICTS if item == verdict)
    return responses.FindingsAnswer(
        verdict,
        verdict_sentence(word, urgent, count - urgent),
        Moment(wall),
        count,
        tuple(map(_item, findings)),
        dict(counts),
    )


def _item(words: DescribedFinding) -> responses.FindingItem:
    return responses.FindingItem(
        words.code,
        words.severity,
        words.kind,
        words.subject,
        words.irq,
        words.text,
        words.advice,
    )


def described_items(answer: responses.FindingsAnswer) -> tuple[DescribedFinding, ...]:
    """An answer's findings, as they are stored."""
    return tuple(
        DescribedFinding(
            item.code, item.text, item.advice, item.irq, item.severity, item.kind, item.subject
        )
        for item in answer.findings
    )


def state_of(view: View, status: responses.Status) -> HostState:
    """What a host's last cycle and its daemon's status say of it."""
    plan = view.record.plan
    return HostState(
        dry_run=status.dry_run,
        moves=len(plan.moves) if status.dry_run else 0,
        settings=len(plan.steering) + (plan.default is not None) if status.dry_run else 0,
        paused=status.paused,
        trial=status.trial,
        problem=view.record.problem,
        failed={item.policy: item.reason for item in status.aside},
        spreading="spread_by_rate" in status.policies,
        refused=plan.refused,
        notes=plan.notes,
    )


def ending(overrides: tuple[Override, ...], snapshot: Snapshot) -> tuple[EndingOverride, ...]:
    """The overrides that end by themselves, with the time left."""
    now = time.time()
    by_identity = {irq.identity: irq for irq in snapshot.irqs}
    found = []
    for item in overrides:
        if item.expires is not None:
            irq = by_identity.get(item.identity)
            found.append(
                EndingOverride(
                    None if irq is None else irq.number,
                    item.identity if irq is None else irq.action,
                    item.expires - now,
                )
            )
    return tuple(found)
