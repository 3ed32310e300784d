"""`irqbal plan`."""

from __future__ import annotations

import click

from irqbal.cli.common import Common, balancer_of, command_options, one_cycle, seconds_option
from irqbal.render.console import console, echo_json
from irqbal.render.plan import print_plan
from irqbal.wire import to_json


@click.command("plan")
@command_options
@seconds_option(1.0)
@click.option("--json", "as_json", is_flag=True, help="Print the cycle's record as JSON.")
def command(common: Common, seconds: float, as_json: bool) -> None:
    """Show what the policies would move, keep and refuse now, without writing it."""
    balancer = balancer_of(common, dry_run=True)
    result = one_cycle(balancer, seconds, "plan")
    if as_json:
        echo_json(to_json(result.record))
    else:
        print_plan(console(), result.record, result.planned_on)
