"""`irqbal-client completion`: a script for shell completion."""

from __future__ import annotations

import click

from irqbal.client.cli.shell_script import SHELLS, script
from irqbal.render.console import echo

PROGRAM = "irqbal-client"
VARIABLE = "_IRQBAL_CLIENT_COMPLETE"


@click.command("completion")
@click.argument("shell", type=SHELLS)
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script for shell completion. It needs no HOST and PORT.

    \b
    bash:  irqbal-client completion bash > /etc/bash_completion.d/irqbal-client
    zsh:   irqbal-client completion zsh > "${fpath[1]}/_irqbal-client"
    fish:  irqbal-client completion fish > ~/.config/fish/completions/irqbal-client.fish
    """
    echo(script(ctx.find_root().command, PROGRAM, VARIABLE, shell))
