"""`irqbal explain`."""

from __future__ import annotations

import click

from irqbal.cli.common import Common, balancer_of, command_options, one_cycle, seconds_option
from irqbal.errors import HostError
from irqbal.model.view import Irq, Snapshot
from irqbal.render.console import console
from irqbal.render.explanation import explained, print_explanation


@click.command("explain")
@command_options
@seconds_option(0.3)
@click.argument("irq")
def command(common: Common, seconds: float, irq: str) -> None:
    """Explain why IRQ is where it is: limits, claims and refusals in order.

    IRQ is a number, or a name such as eth0-TxRx-3.
    """
    balancer = balancer_of(common, dry_run=True, explain_all=True)
    result = one_cycle(balancer, seconds, "explain")
    found = find_irq(result.planned_on, irq)
    steps = result.record.plan.explanations.get(found.number, ())
    print_explanation(console(), explained(found, steps))


def find_irq(snapshot: Snapshot, text: str) -> Irq:
    """An IRQ by number or name. Raises HostError if there is none, or more than one; the text then
    names them.
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
            f"{text} names several IRQs: "
            f"{', '.join(f'{irq.number} ({irq.action})' for irq in matches)}; use a number"
        )
    raise HostError(f"there is no IRQ {text}; `irqbal topology` lists them")
