"""What a finding is: a code, what it is about, and the values that its sentence needs.

`irqbal.render.finding_texts` makes the sentence and the advice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

FindingCode = Literal[
    "mask",
    "steering",
    "writer",
    "possible-writer",
    "remote-queue",
    "isolated",
    "isolated-thread",
    "shared-core",
    "beside-disk",
    "queue-count",
    "unknown-queues",
    "saturated",
    "policy-failed",
    "no-plan",
    "dry-run",
    "paused",
    "trial",
    "override-ends",
    "drift",
    "outbox",
    "no-history",
    "refused",
    "policy-note",
    "over-budget",
    "disturbed-irq",
    "disturbed-timer",
    "disturbed-call",
    "disturbed-tlb",
    "disturbed-reschedule",
    "disturbed-row",
    "disturbed-softirq",
    "disturbed-thread",
    "disturbed-task",
    "not-visible",
]
Severity = Literal["warning", "notice"]
"""`warning`: the host does not do what its configuration or its topology calls for. `notice`: the
host works as configured and could be faster.
"""
SEVERITIES: dict[FindingCode, Severity] = {
    "no-plan": "warning",
    "saturated": "warning",
    "policy-failed": "warning",
    "writer": "warning",
    "isolated": "warning",
    "isolated-thread": "warning",
    "unknown-queues": "warning",
    "remote-queue": "warning",
    "mask": "warning",
    "steering": "warning",
    "outbox": "warning",
    "over-budget": "warning",
    "paused": "notice",
    "trial": "notice",
    "dry-run": "notice",
    "override-ends": "notice",
    "drift": "notice",
    "possible-writer": "notice",
    "no-history": "notice",
    "refused": "notice",
    "policy-note": "notice",
    "shared-core": "notice",
    "beside-disk": "notice",
    "queue-count": "notice",
    "disturbed-irq": "notice",
    "disturbed-timer": "notice",
    "disturbed-call": "notice",
    "disturbed-tlb": "notice",
    "disturbed-reschedule": "notice",
    "disturbed-row": "notice",
    "disturbed-softirq": "notice",
    "disturbed-thread": "notice",
    "disturbed-task": "notice",
    "not-visible": "notice",
}
"""The worst first, which is the order in which findings are listed."""
_RANKS = {str(code): rank for rank, code in enumerate(SEVERITIES)}


def rank_of(code: str) -> int:
    """The place of a finding of this code in a list, the worst first; the last one of a code that
    only a newer irqbal knows.
    """
    return _RANKS.get(code, len(_RANKS))


def severity_of(code: str) -> Severity:
    """How much a finding of this code matters; of one that only a newer irqbal knows, a notice."""
    return next((severity for known, severity in SEVERITIES.items() if known == code), "notice")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a finding is about.

    `name` is unique among subjects of one kind: an IRQ's number, `eth0/tx-3`, `eth0`, the first CPU
    of a core, a CPU, a thread's pid, a program's description, a policy; for the host itself what
    of it. `irq` is the number of the IRQ that the
    subject is or serves; None if there is none, or more than one.
    """

    kind: Literal["irq", "queue", "interface", "core", "cpu", "thread", "program", "policy", "host"]
    name: str
    irq: int | None = None


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be. `args` are the texts that fill the sentence of this
    code, by the names that its template uses.
    """

    code: FindingCode
    subject: Subject
    args: dict[str, str]

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return SEVERITIES[self.code]


class DescribedFinding(msgspec.Struct, frozen=True):
    """A finding in words, as it is shown, stored and shipped. Readers accept codes that they do not
    know: a newer irqbal may have stored it. `kind` and `subject` are those of its Subject.
    """

    code: str
    text: str
    advice: str
    irq: int | None = None
    severity: str = ""
    kind: str = ""
    subject: str = ""


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Warnings before notices, by code; those of one code stay in their order. What a policy
    remarks of an IRQ that fires on an isolated CPU is left out where a finding says that already.
    """
    found = list(findings)
    isolated = {finding.subject.irq for finding in found if finding.code == "isolated"}
    return sorted(
        (
            finding
            for finding in found
            if finding.code != "policy-note" or finding.subject.irq not in isolated
        ),
        key=lambda finding: rank_of(finding.code),
    )
