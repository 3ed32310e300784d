"""`irqbal explain`."""

from __future__ import annotations

import click

from irqbal.api.contract import responses
from irqbal.cli.common import Common, balancer_of, command_options, one_cycle, seconds_option
from irqbal.client.cli.decision_tables import explanation
from irqbal.client.http import Client, local_socket
from irqbal.errors import HostError
from irqbal.model.irq_names import find_irq
from irqbal.model.view import Irq, Snapshot
from irqbal.render.console import console
from irqbal.render.explanation import explained, print_explanation
from irqbal.service.assembly import folders
from irqbal.state.lock import lock_holder

MOST_NAMED = 12
"""IRQs that an answer names, of those that a text may mean."""


@click.command("explain")
@command_options
@seconds_option(0.3)
@click.option("--now", is_flag=True, help="Plan anew, also where a daemon runs.")
@click.argument("irq")
def command(common: Common, seconds: float, now: bool, irq: str) -> None:
    """Explain why IRQ is where it is: limits, claims and refusals in order.

    IRQ is a number, or anything that a command prints for it: a name such as eth0-TxRx-3, a queue
    such as eth0/rx-3, an identity. Where a daemon runs, the plan that placed the IRQ is shown, with
    what it was made for.
    """
    places = folders(common.config(), common.root)
    if not now and lock_holder(places.run) is not None:
        answer = Client(local_socket(places.run)).ask(
            "explain", responses.Explanation, {"irq": irq}
        )
        explanation(console(), answer)
        return
    balancer = balancer_of(common, dry_run=True, explain_all=True)
    result = one_cycle(balancer, seconds, "explain")
    found = the_irq(result.planned_on, irq)
    steps = result.record.plan.explanations.get(found.number, ())
    print_explanation(console(), explained(found, steps))


def the_irq(snapshot: Snapshot, text: str) -> Irq:
    """An IRQ by number or name. Raises HostError if there is none, or more than one; the text then
    names them.
    """
    found = find_irq(snapshot, text)
    if found.irq is not None:
        return found.irq
    if found.candidates:
        some = [f"{irq.number} ({irq.action})" for irq in found.candidates[:MOST_NAMED]]
        more = len(found.candidates) - len(some)
        raise HostError(
            f"{text} names several IRQs: {', '.join(some)}{f' and {more} more' if more else ''}; "
            "use a number"
        )
    meant = f"; did you mean {' or '.join(found.similar)}?" if found.similar else ""
    raise HostError(f"there is no IRQ {text}{meant or '; `irqbal topology` lists them'}")
