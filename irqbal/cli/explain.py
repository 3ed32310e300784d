"""`irqbal explain`."""

from __future__ import annotations

from pathlib import Path

import click

from irqbal.cli.common import balancer_of, command_options, common_of, one_cycle
from irqbal.errors import HostError
from irqbal.model.view import Irq, Snapshot
from irqbal.render.console import console
from irqbal.render.explanation import explained, print_explanation


@click.command("explain")
@command_options
@click.option(
    "--seconds",
    type=click.FloatRange(0.05, 3600),
    default=0.3,
    show_default=True,
    help="Time between the two readings.",
)
@click.argument("irq")
def command(
    ctx: click.Context,
    root: Path | None,
    config_path: Path | None,
    debug: bool,
    seconds: float,
    irq: str,
) -> None:
    """Say why IRQ (a number, or a name such as eth0-TxRx-3) is where it is: limits, claims and
    refusals in order.
    """
    balancer = balancer_of(common_of(ctx, root, config_path, debug), dry_run=True, explain_all=True)
    result = one_cycle(balancer, seconds, "explain")
    found = find_irq(result.planned_on, irq)
    steps = result.record.plan.explanations.get(found.number, ())
    print_explanation(console(), explained(found, steps))


def find_irq(snapshot: Snapshot, text: str) -> Irq:
    """By number or by name. Raises HostError with the candidates if there is none, or more than
    one.
    """
    if text.isdigit() and int(text) in snapshot.irq_by_number:
        return snapshot.irq_by_number[int(text)]
    matches = [irq for irq in snapshot.irqs if text in snapshot.names_of(irq)[1:]]
    exact = [
        irq
        for irq in matches
        if text == irq.action or (irq.queue is not None and text == str(irq.queue))
    ]
    matches = exact or matches
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise HostError(
            f"{text} may be any of {', '.join(f'{irq.number} ({irq.action})' for irq in matches)}: "
            "name one by number"
        )
    raise HostError(f"there is no IRQ {text}; `irqbal topology` lists them")
