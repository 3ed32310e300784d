"""`irqbal capture`."""

from __future__ import annotations

from pathlib import Path

import click

from irqbal.cli.common import Common, command_options
from irqbal.kernel.capture import capture
from irqbal.render.console import echo


@click.command("capture")
@command_options
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
def command(common: Common, out: Path) -> None:
    """Write the kernel files that irqbal reads to OUT, a .tar.gz for bug reports. MAC addresses,
    UUIDs, and the names of programs and containers are left out.
    """
    summary = capture(common.root, out)
    echo(f"{out}: {summary}")
