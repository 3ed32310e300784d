"""Why one IRQ is where it is: its facts, then the plan's steps about it in order."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from irqbal.model.plan import Step
from irqbal.model.queues import QueueEvidence
from irqbal.model.queues import queues_text as queues_text
from irqbal.model.view import Irq
from irqbal.render.console import plain
from irqbal.render.tables import Column, print_rows

_STEP_STYLES = {
    "move": "bold green",
    "keep": "green",
    "refuse": "red",
    "limit": "yellow",
    "evict": "yellow",
    "hold": "yellow",
    "override": "magenta",
}
_NAME_WIDTH = 10
"""Characters of the longest name of a fact, `last cycle`."""


class Fact(msgspec.Struct, frozen=True):
    """A name of at most ten characters, and a text."""

    name: str
    text: str
    style: str = ""


class ExplainedIrq(msgspec.Struct, frozen=True, kw_only=True):
    """What an explanation shows. `placed`: a policy or an override has placed this IRQ."""

    title: str
    facts: tuple[Fact, ...]
    placed: bool
    steps: tuple[Step, ...]


def irq_title(irq: Irq | None) -> str:
    """An IRQ's action and queue; empty for None."""
    if irq is None:
        return ""
    return f"{irq.action} ({queues_text(irq.queues)})" if irq.queues else irq.action


def explained(irq: Irq, steps: Iterable[Step]) -> ExplainedIrq:
    """The explanation of an IRQ of a snapshot."""
    facts = [
        Fact("identity", f"{irq.identity}, generation {irq.generation}"),
        *queue_facts(queues_text(irq.queues), irq.evidence),
        Fact("affinity", f"{irq.affinity}, effective {irq.effective or '-'}"),
        Fact("rate", load_text(irq.rate, irq.load)),
        movable_fact(irq.movable, irq.unmovable),
    ]
    if irq.placed is not None:
        placed = irq.placed
        facts.append(Fact("placed", f"on {placed.cpus} by {placed.policy}, {placed.age:.0f} s ago"))
    return ExplainedIrq(
        title=f"IRQ {irq.number}: {irq_title(irq)}",
        facts=tuple(facts),
        placed=irq.placed is not None,
        steps=tuple(steps),
    )


def load_text(rate: float, load: float) -> str:
    """`rate` in interrupts a second, `load` in seconds of CPU a second."""
    return f"{rate:.1f} interrupts/s, load {load * 100:.2f} % of a CPU"


_EVIDENCE: dict[str, str] = {
    "netlink": "the kernel says so (netdev netlink)",
    "rank": "by its rank among the device's vectors of its kind",
    "name": "by the number in its name",
    "only vector": "the device has no other vector",
    "policy": "a policy says so (irqbal_identify)",
}
"""`QueueEvidence` in words."""


def queue_facts(queues: str, evidence: QueueEvidence | str) -> list[Fact]:
    """Which queues the IRQ serves and how irqbal knows; nothing if none is known."""
    if not queues:
        return []
    how = _EVIDENCE.get(evidence, evidence)
    return [Fact("queue", f"{queues}: {how}" if how else queues)]


def movable_fact(movable: bool, unmovable: str) -> Fact:
    """Whether the kernel lets this IRQ be moved; `unmovable` says why not."""
    return Fact("movable", "yes") if movable else Fact("movable", f"no: {unmovable}", "yellow")


def print_explanation(out: Console, item: ExplainedIrq) -> None:
    """The title, the facts, and a table of the steps."""
    out.print(plain(item.title), style="bold")
    print_facts(out, item.facts)
    rows: list[list[str | Text]] = [
        [
            step.policy,
            Text(plain(step.what), _STEP_STYLES.get(step.what, "")),
            "-" if step.cpus is None else str(step.cpus),
            step.reason,
        ]
        for step in item.steps
    ]
    if rows:
        columns = (
            Column("POLICY", style="cyan"),
            Column("STEP"),
            Column("CPUS", wrap=True),
            Column("REASON", wrap=True),
        )
        print_rows(out, columns, rows)
    elif not item.placed:
        out.print("  No limit binds it and no policy claims it: irqbal leaves it as it is.")


def print_facts(out: Console, facts: Iterable[Fact]) -> None:
    """A line a fact; on a terminal a long text goes on below its own beginning."""
    for fact in facts:
        name, text = plain(fact.name), plain(fact.text)
        if out.soft_wrap:
            out.print(f"  {name:<{_NAME_WIDTH}} {text}")
            continue
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=_NAME_WIDTH + 2, style="dim")
        grid.add_column(overflow="fold")
        grid.add_row(f"  {name}", Text(text, fact.style))
        out.print(grid)
