"""`irqbal completion`: a script for shell completion, made by click."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from irqbal.render.console import echo

PROGRAM, VARIABLE = "irqbal", "_IRQBAL_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script for shell completion of commands, options and file names.

    \b
    bash:  irqbal completion bash > /etc/bash_completion.d/irqbal
    zsh:   irqbal completion zsh > "${fpath[1]}/_irqbal"
    fish:  irqbal completion fish > ~/.config/fish/completions/irqbal.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    # The base class's `source`: the one for bash starts bash to check its version.
    echo(ShellComplete.source(found(ctx.find_root().command, {}, PROGRAM, VARIABLE)))
