"""`irqbal apply`."""

from __future__ import annotations

import click

from irqbal.cli.common import Common, balancer_of, command_options, one_cycle, seconds_option
from irqbal.render.console import console
from irqbal.render.plan import print_plan
from irqbal.service.assembly import folders, refuse_irqbalance
from irqbal.state.lock import Lock


@click.command("apply")
@command_options
@seconds_option(1.0)
@click.option("--force", is_flag=True, help="Write even if irqbalance is running.")
def command(common: Common, seconds: float, force: bool) -> int:
    """Run one cycle: plan, save the original values, write.

    Exit status 1 if the kernel refused a write.
    """
    refuse_irqbalance(common.root, force)
    config = common.config()
    lock = Lock(folders(config, common.root).run)
    try:
        balancer = balancer_of(common, dry_run=config.dry_run)
        result = one_cycle(balancer, seconds, "apply")
    finally:
        lock.release()
    record = result.record
    print_plan(console(), record, result.planned_on)
    return int(
        any(outcome.result in ("refused", "unsaved", "differs") for outcome in record.outcomes)
    )
