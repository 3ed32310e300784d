"""Findings, one line each."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from irqbal.findings.finding import Finding
from irqbal.render.console import plain
from irqbal.render.finding_texts import describe

_STYLES = {"warning": "bold red", "notice": "yellow"}
"""How a code is printed, by severity."""


def print_findings(out: Console, findings: Iterable[Finding]) -> None:
    """Code, sentence and advice of each."""
    for finding in findings:
        described = describe(finding)
        line = Text(plain(described.code), _STYLES[finding.severity])
        line.append(plain(f": {described.text}; {described.advice}"), "not bold default")
        out.print(line)
