"""Shell completion in bash, zsh and fish. click makes the scripts. bash splits words at colons, so
its script and its reader are irqbal's own.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from irqbal.render.console import echo

PROGRAM = "irqbal-client"
VARIABLE = "_IRQBAL_CLIENT_COMPLETE"

_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response reply
    local text="${COMP_LINE:0:COMP_POINT}"
    response=$(env COMP_TEXT="$text" %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    for reply in $response; do
        case ${reply%%%%,*} in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${reply#*,}") ;;
        esac
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """Parses the line itself: COMP_WORDS splits `unix:/path` and `[::1]` at colons."""

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Do nothing: click would start bash to learn its version."""

    def get_completion_args(self) -> tuple[list[str], str]:
        text = os.environ.get("COMP_TEXT", "")
        words = split_arg_string(text)[1:]
        return (words[:-1], words[-1]) if words and not text[-1:].isspace() else (words, "")

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Cut candidates after the last typed colon: bash replaces only the text behind it."""
        name, equals, value = incomplete.partition("=")
        typed = value if equals and name.startswith("--") else incomplete
        cut = typed.rfind(":") + 1
        found = super().get_completions(args, incomplete)
        return (
            [CompletionItem(item.value[cut:], item.type, item.help) for item in found]
            if cut
            else found
        )


def register() -> None:
    """Use this class for bash instead of click's."""
    add_completion_class(_Bash)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script for shell completion. It needs no HOST and PORT.

    \b
    bash:  irqbal-client completion bash > /etc/bash_completion.d/irqbal-client
    zsh:   irqbal-client completion zsh > "${fpath[1]}/_irqbal-client"
    fish:  irqbal-client completion fish > ~/.config/fish/completions/irqbal-client.fish
    """
    register()
    found = get_completion_class(shell)
    assert found is not None
    echo(found(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
