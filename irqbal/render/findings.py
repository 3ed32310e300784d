"""Findings, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from irqbal.findings.finding import DescribedFinding
from irqbal.findings.host_state import verdict_of
from irqbal.render.console import plain
from irqbal.render.finding_texts import verdict_sentence

_STYLES = {"warning": "bold red", "notice": "yellow"}
"""How a code is printed, by severity."""


def print_findings(out: Console, findings: Sequence[DescribedFinding]) -> None:
    """The verdict in a sentence; code, sentence and advice of each; then how many there are."""
    warnings = sum(finding.severity == "warning" for finding in findings)
    notices = len(findings) - warnings
    verdict = verdict_of(findings)
    sentence = verdict_sentence(verdict, warnings, notices)
    out.print(f"{verdict.upper()}: {sentence}", style="bold")
    print_lines(out, findings)
    parts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((warnings, "warning"), (notices, "notice"))
        if count
    ]
    out.print(f"{', '.join(parts)}." if parts else "No findings.")


def print_lines(out: Console, findings: Sequence[DescribedFinding]) -> None:
    """Code, sentence and advice of each."""
    for finding in findings:
        line = Text(plain(finding.code), _STYLES.get(finding.severity, ""))
        line.append(plain(f": {finding.text}; {finding.advice}"), "not bold default")
        out.print(line)
