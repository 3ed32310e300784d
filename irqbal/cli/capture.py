"""`irqbal capture`."""

from __future__ import annotations

from pathlib import Path

import click

from irqbal.cli.common import command_options, common_of
from irqbal.kernel.capture import capture


@click.command("capture")
@command_options
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
def command(
    ctx: click.Context, root: Path | None, config_path: Path | None, debug: bool, out: Path
) -> None:
    """Write the kernel files that irqbal reads to OUT, a .tar.gz for bug reports. MAC addresses,
    UUIDs, and the names of programs and containers are left out.
    """
    common = common_of(ctx, root, config_path, debug)
    summary = capture(common.root, out)
    click.echo(f"{out}: {summary}")
