"""`irqbal daemon`."""

from __future__ import annotations

import logging

import click

from irqbal.cli.common import Common, command_options, is_root
from irqbal.cli.params import SPEC

log = logging.getLogger(__name__)


@click.command("daemon")
@command_options
@click.option("--dry-run", is_flag=True, help="Plan and report, but write no mask.")
@click.option(
    "--simulate",
    type=SPEC,
    metavar="SPEC",
    help="Run on a simulated host, such as 2x16x2,nodes=2,nic=16x2,traffic=skewed.",
)
@click.option("--force", is_flag=True, help="Start even if irqbalance is running.")
def command(common: Common, dry_run: bool, force: bool, simulate: str | None) -> int:
    """Run the daemon, which balances until it is stopped.

    SIGHUP makes it read the configuration again. SIGTERM ends it within a second.
    """
    # Imported here: Tab must not wait for the daemon.
    from irqbal.service.assembly import is_live
    from irqbal.service.lifetime import run
    from irqbal.service.run_mode import RunMode

    if simulate is not None:
        from irqbal.simulated.spec import parse_spec

        made_up = parse_spec(simulate)
    else:
        made_up = None
    if made_up is None and is_live(common.root) and not is_root() and not dry_run:
        log.warning(
            "masks cannot be written without root, so this is a dry run; run it as root to balance"
        )
        dry_run = True
    mode = RunMode(
        path=common.path,
        root=common.root,
        dry_run=dry_run,
        force=force,
        made_up=made_up,
        owns_run_dir=is_root(),
    )
    return run(common.config(), mode)
