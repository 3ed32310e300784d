"""`irqbal capture`."""

from __future__ import annotations

from pathlib import Path

import click

from irqbal.cli.common import Common, command_options
from irqbal.errors import HostError
from irqbal.kernel.capture import capture
from irqbal.render.console import echo
from irqbal.render.progress import working


@click.command("capture")
@command_options
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
def command(common: Common, out: Path) -> None:
    """Write the kernel files that irqbal reads to OUT, a .tar.gz for bug reports. MAC addresses,
    UUIDs, and the names of programs and containers are left out.
    """
    try:
        with working("reading the kernel's files"):
            summary = capture(common.root, out)
    except OSError as error:
        raise HostError(
            f"{out} cannot be written: {error.strerror or error}; no archive was made: choose "
            "another folder, or make room"
        ) from error
    for sentence in summary.sentences(out):
        echo(sentence)
