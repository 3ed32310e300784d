"""`irqbal explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from irqbal.cli.common import Common, balancer_of, command_options, one_cycle, seconds_option
from irqbal.cli.params import HOST_IRQ
from irqbal.errors import HostError
from irqbal.render.console import console, echo_json

if TYPE_CHECKING:
    # Imported where they are called: Tab must not wait for what draws and plans.
    from irqbal.model.view import Irq, Snapshot
    from irqbal.service.cycle_result import CycleResult

MOST_NAMED = 12
"""IRQs that an answer names, of those that a text may mean."""


@click.command("explain")
@command_options
@seconds_option(0.3)
@click.option("--now", is_flag=True, help="Plan anew, also where a daemon runs.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer as JSON.")
@click.argument("irq", type=HOST_IRQ)
def command(common: Common, seconds: float, now: bool, as_json: bool, irq: str) -> None:
    """Explain why IRQ is where it is: limits, claims and refusals in order.

    IRQ is a number, or anything that a command prints for it: a name such as eth0-TxRx-3, a queue
    such as eth0/rx-3, an identity. Where a daemon runs, the plan that placed the IRQ is shown, with
    what it was made for.
    """
    from irqbal.service.assembly import folders
    from irqbal.state.lock import lock_holder

    places = folders(common.config(), common.root)
    if not now and lock_holder(places.run) is not None:
        _ask_daemon(places.run, irq, as_json)
        return
    balancer = balancer_of(common, dry_run=True, explain_all=True)
    result = one_cycle(balancer, seconds, "explain")
    found = the_irq(result.planned_on, irq)
    if as_json:
        _print_json(result, found)
    else:
        from irqbal.render.explanation import explained, print_explanation

        steps = result.record.plan.explanations.get(found.number, ())
        print_explanation(console(), explained(found, steps))


def _ask_daemon(run: Path, irq: str, as_json: bool) -> None:
    from irqbal.api.contract import responses
    from irqbal.client.cli.decision_tables import explanation
    from irqbal.client.http import Client, local_socket

    client = Client(local_socket(run))
    data = client.fetch("explain", {"irq": irq})
    answer = client.read(data, responses.Explanation)
    if as_json:
        echo_json(data.rstrip(b"\n"))
    else:
        explanation(console(), answer)


def _print_json(result: CycleResult, irq: Irq) -> None:
    """The answer that the API gives, of a plan that was made for the question."""
    from irqbal.api import responses, views
    from irqbal.api.backend import View
    from irqbal.wire import to_json

    view = View(0, result.planned_on, result.record, result.totals, result.record.wall)
    steps = result.record.plan.explanations.get(irq.number, ())
    shown = views.IrqViews(view, {}).irq(irq)
    echo_json(to_json(responses.Explanation(shown, steps, None)))


def the_irq(snapshot: Snapshot, text: str) -> Irq:
    """An IRQ by number or name. Raises HostError if there is none, or more than one; the text then
    names them.
    """
    from irqbal.model.irq_names import find_irq

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
