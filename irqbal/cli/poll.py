"""`irqbal poll`."""

from __future__ import annotations

import logging

import click

from irqbal.cli.common import Common, Seconds, command_options, is_root
from irqbal.cli.params import SPEC


@click.command("poll")
@command_options
@click.option(
    "--simulate",
    type=SPEC,
    metavar="SPEC",
    help="Observe a simulated host, such as 2x16x2,nodes=2,nic=16x2,traffic=skewed.",
)
@click.argument("seconds", required=False, type=Seconds(0.1, 3600))
def command(common: Common, simulate: str | None, seconds: float | None) -> int:
    """Observe this host without ever writing to the kernel, and record a sample every SECONDS.

    SECONDS (0.1 to 3600) defaults to `history: every:` of the configuration, 60 s. The API and the
    dashboard work as the daemon's do, but refuse every request that would write. Samples are
    shipped to MongoDB if the configuration says so.
    """
    # Imported here: Tab must not wait for the daemon.
    from irqbal.service.lifetime import run
    from irqbal.service.run_mode import RunMode

    if not common.debug:
        logging.getLogger().setLevel(logging.INFO)
    simulated = None
    if simulate is not None:
        from irqbal.simulated.spec import parse_spec

        simulated = parse_spec(simulate)
    mode = RunMode(
        path=common.path,
        root=common.root,
        force=True,
        made_up=simulated,
        poll=True,
        every=seconds,
        owns_run_dir=is_root(),
    )
    return run(common.config(), mode)
