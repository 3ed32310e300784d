"""What a person should know or do about a host, as the API shows it: findings about its snapshot
and about its daemon, with a verdict.
"""

from __future__ import annotations

import time

from irqbal.api import responses
from irqbal.api.backend import View
from irqbal.findings.host_state import EndingOverride, HostState, look_at, verdict_of
from irqbal.findings.verify import Context, verify
from irqbal.model.view import Override, Snapshot
from irqbal.render.finding_texts import describe, verdict_sentence
from irqbal.wire import Moment

MOST_SHOWN = 200
"""Findings in an answer, the worst first: a person reads no more."""


def findings_answer(
    view: View, state: HostState, enabled: frozenset[str] | None
) -> responses.FindingsAnswer:
    """The host's findings, the worst first. `enabled` are the names of its policies, None if they
    are not known.
    """
    context = Context(writers=view.snapshot.writers, enabled=enabled)
    found = [*verify(view.snapshot, context), *look_at(view.snapshot, state)]
    found.sort(key=lambda finding: finding.severity != "warning")
    verdict = verdict_of(found)
    items = []
    for finding in found[:MOST_SHOWN]:
        words = describe(finding)
        subject = finding.subject
        items.append(
            responses.FindingItem(
                finding.code,
                finding.severity,
                subject.kind,
                subject.name,
                subject.irq,
                words.text,
                words.advice,
            )
        )
    return responses.FindingsAnswer(
        verdict, verdict_sentence(verdict, found), Moment(view.wall), len(found), tuple(items)
    )


def state_of(view: View, status: responses.Status) -> HostState:
    """What a host's last cycle and its daemon's status say of it."""
    plan = view.record.plan
    return HostState(
        dry_run=status.dry_run,
        moves=len(plan.moves) if status.dry_run else 0,
        settings=len(plan.steering) if status.dry_run else 0,
        paused=status.paused,
        problem=view.record.problem,
        failed={item.policy: item.reason for item in status.aside},
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
