"""`irqbal completion`: a script for shell completion."""

from __future__ import annotations

import click

from irqbal.client.cli.shell_script import SHELLS, script
from irqbal.render.console import echo

PROGRAM, VARIABLE = "irqbal", "_IRQBAL_COMPLETE"


@click.command("completion")
@click.argument("shell", type=SHELLS)
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script for shell completion: commands, options, files, and names of IRQs and
    devices.

    \b
    bash:  irqbal completion bash > /etc/bash_completion.d/irqbal
    zsh:   irqbal completion zsh > "${fpath[1]}/_irqbal"
    fish:  irqbal completion fish > ~/.config/fish/completions/irqbal.fish
    """
    echo(script(ctx.find_root().command, PROGRAM, VARIABLE, shell))
