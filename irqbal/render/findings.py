"""Findings, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from irqbal.findings.finding import Finding
from irqbal.render.console import plain
from irqbal.render.finding_texts import describe

_STYLES = {"warning": "bold red", "notice": "yellow"}
"""How a code is printed, by severity."""


def print_findings(out: Console, findings: Sequence[Finding]) -> None:
    """Code, sentence and advice of each; then how many there are."""
    for finding in findings:
        described = describe(finding)
        line = Text(plain(described.code), _STYLES[finding.severity])
        line.append(plain(f": {described.text}; {described.advice}"), "not bold default")
        out.print(line)
    warnings = sum(finding.severity == "warning" for finding in findings)
    notices = len(findings) - warnings
    parts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((warnings, "warning"), (notices, "notice"))
        if count
    ]
    out.print(f"{', '.join(parts)}." if parts else "No findings.")
