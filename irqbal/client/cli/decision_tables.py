"""Plans, overrides and decisions as tables."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console

from irqbal.api.contract import responses
from irqbal.client.cli.tables import number, say, when
from irqbal.render.explanation import (
    ExplainedIrq,
    Fact,
    load_text,
    movable_fact,
    print_explanation,
    queue_facts,
    queues_text,
)
from irqbal.render.plan import ShownPlan, print_shown_plan
from irqbal.render.tables import Column, print_rows
from irqbal.wire import from_builtins

_NUMBER = Column("IRQ", right=True)
_NAME = Column("NAME", wrap=True)


def explanation(out: Console, item: responses.Explanation) -> None:
    """Why one IRQ is where it is."""
    irq = item.irq
    queues = queues_text(irq.queues)
    local = "local" if irq.local else "not local"
    facts = [
        Fact("identity", f"{irq.identity}, generation {irq.generation}"),
        *queue_facts(queues, irq.evidence),
        Fact(
            "affinity",
            f"{irq.affinity}, effective {irq.effective or '-'}, {local} to its device",
        ),
        Fact("rate", load_text(irq.rate, irq.load)),
        movable_fact(irq.movable, irq.unmovable),
    ]
    if irq.planned is not None:
        facts.append(Fact("placed", f"would be put on {irq.planned} by {irq.policy}: {irq.reason}"))
    elif irq.policy:
        ago = "" if irq.placed_ago is None else f", {float(irq.placed_ago):.0f} s ago"
        facts.append(Fact("placed", f"by {irq.policy}{ago}: {irq.reason}"))
    if item.cycle is not None and item.time is not None:
        facts.append(
            Fact("plan", f"of cycle {item.cycle}, {when(item.time)}: {item.trigger or 'asked for'}")
        )
    elif item.steps:
        facts.append(Fact("plan", "made now, for this question; not carried out"))
    if item.override is not None:
        override = item.override
        until = f"until {when(override.expires)}" if override.expires else "until it is cleared"
        facts.append(
            Fact(
                "override", f"{override.cpus} by {override.who}, {until}: {override.reason or '-'}"
            )
        )
    print_explanation(
        out,
        ExplainedIrq(
            title=f"IRQ {irq.number}: {irq.name}{queues and f' ({queues})'}",
            facts=tuple(facts),
            placed=bool(irq.policy),
            steps=item.steps,
        ),
    )


def cycle(out: Console, item: responses.Cycle, outlook: str = "") -> None:
    """Moves, steering, refusals and notes of a cycle or a dry run; `outlook` is its forecast."""
    kind = "dry run" if item.dry_run else "cycle"
    say(
        out,
        f"{kind} {item.cycle} ({item.cause}) at {when(item.at)}, {item.seconds * 1000:.1f} ms",
        "bold",
    )
    # The API's types have the fields of those that are printed, and more.
    shown = from_builtins(item, ShownPlan, attributes=True)
    print_shown_plan(out, msgspec.structs.replace(shown, outlook=outlook if item.dry_run else ""))


def overrides(out: Console, items: Sequence[responses.OverrideView]) -> None:
    """All overrides."""
    if not items:
        say(out, "There are no overrides.")
        return
    columns = (
        _NUMBER,
        _NAME,
        Column("CPUS", wrap=True),
        Column("UNTIL"),
        Column("BY", wrap=True, drop=1),
        Column("REASON", wrap=True),
    )
    rows = [
        (
            number(item.irq),
            item.name,
            str(item.cpus),
            when(item.expires) if item.expires else "cleared",
            item.who,
            item.reason,
        )
        for item in items
    ]
    print_rows(out, columns, rows)


def decisions(out: Console, items: Sequence[responses.DecisionView]) -> None:
    """Decisions, the oldest first, so that the newest stands right above the prompt."""
    if not items:
        say(out, "No decisions in that time.")
        return
    columns = (
        Column("TIME"),
        Column("KIND"),
        Column("IRQ", right=True, drop=3),
        Column("ABOUT", wrap=True),
        Column("CHANGE", wrap=True),
        Column("RESULT", drop=2),
        Column("BY", wrap=True, drop=1),
        Column("REASON", wrap=True),
    )
    rows = [
        (
            when(item.at),
            item.kind,
            number(item.irq),
            item.name or item.identity,
            f"{item.before or '-'} -> {item.after or '-'}" if item.before or item.after else "",
            item.result,
            item.who or item.policy,
            item.reason,
        )
        for item in reversed(items)
    ]
    print_rows(out, columns, rows)


def restored(out: Console, item: responses.RestoreAnswer) -> None:
    """The settings that were put back."""
    if not item.outcomes:
        say(out, "Nothing to restore: irqbal has changed nothing since boot. It is paused now.")
        return
    columns = (
        _NUMBER,
        Column("WHAT", wrap=True),
        Column("RESULT"),
        Column("NOW", wrap=True),
        Column("DETAIL", wrap=True),
    )
    print_rows(
        out,
        columns,
        [
            (number(one.irq), one.identity, one.result, one.found or "-", one.detail)
            for one in item.outcomes
        ],
    )
    say(out, "irqbal is paused until it is resumed or restarted.")
