"""Scripts and readers for shell completion in bash, zsh and fish, for `irqbal` and
`irqbal-client`. click makes the scripts. bash splits words at colons and equals signs, so its
script and its reader are irqbal's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from irqbal.render.console import plain

SHELLS = click.Choice(["bash", "zsh", "fish"])
_SPECIAL = re.compile(r"([^\w@%+=:,./#~-])")
"""What bash would not take as a part of a word."""

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


class LineBash(BashComplete):
    """Parses the line itself: COMP_WORDS splits `unix:/path`, `[::1]` and `nodes=2` at colons and
    equals signs.
    """

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Do nothing: click would start bash to learn its version."""

    def get_completion_args(self) -> tuple[list[str], str]:
        text = os.environ.get("COMP_TEXT", "")
        words = split_arg_string(text)[1:]
        return (words[:-1], words[-1]) if words and not text[-1:].isspace() else (words, "")

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Cut candidates after the last typed colon or equals sign: bash replaces only the text
        behind it. Names that others chose are escaped: they are put into a command line.
        """
        name, equals, value = incomplete.partition("=")
        typed = value if equals and name.startswith("--") else incomplete
        cut = max(typed.rfind(":"), typed.rfind("=")) + 1
        return [
            CompletionItem(_SPECIAL.sub(r"\\\1", item.value[cut:]), item.type, item.help)
            if item.type == "plain"
            else item
            for item in super().get_completions(args, incomplete)
        ]


def register() -> None:
    """Use this class for bash instead of click's."""
    add_completion_class(LineBash)


def script(command: click.Command, program: str, variable: str, shell: str) -> str:
    """The script of this program for a shell, one of `SHELLS`."""
    register()
    found = get_completion_class(shell)
    assert found is not None
    return found(command, {}, program, variable).source()


def matching(names: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """The names (each with a word about it) that begin so, each once. One with characters that
    control a terminal is not offered.
    """
    found: dict[str, str] = {}
    for name, about in names:
        if name and name.startswith(incomplete) and plain(name) == name:
            found.setdefault(name, plain(about))
    return [CompletionItem(name, help=about) for name, about in found.items()]
