"""What disturbed isolated CPUs, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from irqbal.findings.disturbances import Disturbance
from irqbal.findings.finding import DescribedFinding
from irqbal.render.findings import print_lines


def print_isolation(
    out: Console,
    found: Sequence[Disturbance],
    findings: Sequence[DescribedFinding],
    cpus: Sequence[int],
    seconds: float,
    *,
    budgeted: bool,
) -> None:
    """The outcome in a sentence, how often each CPU was interrupted, and all findings."""
    word = outcome(found, budgeted)
    out.print(f"{word.upper()}: {_sentence(word, found, seconds)}", style="bold")
    for cpu in cpus:
        mine = [one for one in found if one.cpu == cpu]
        # A TLB flush comes by a function call, which its own row counts too.
        hard = sum(one.count for one in mine if one.kind not in _NO_INTERRUPTS)
        soft = sum(one.count for one in mine if one.kind == "softirq")
        out.print(f"CPU {cpu}: {hard} interrupts and {soft} softirqs in {seconds:g} s.")
    print_lines(out, findings)


_NO_INTERRUPTS = ("softirq", "thread", "task", "tlb")


def outcome(found: Sequence[Disturbance], budgeted: bool) -> str:
    """One word for it; `budgeted`: there are budgets."""
    if any(one.is_over for one in found):
        return "over budget"
    if budgeted:
        return "within budget"
    return "disturbed" if found else "quiet"


def _sentence(word: str, found: Sequence[Disturbance], seconds: float) -> str:
    over = sum(one.is_over for one in found)
    return {
        "over budget": f"{over} count{' is' if over == 1 else 's are'} over what is allowed.",
        "within budget": "every count that has a budget is within it.",
        "disturbed": "the isolated CPUs were interrupted, or ran something; no budget was given.",
        "quiet": f"nothing interrupted the isolated CPUs in {seconds:g} s.",
    }[word]
