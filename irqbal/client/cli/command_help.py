"""The help of `irqbal` and `irqbal-client`: commands in sections, each with a line about it and
examples, and what a mistyped command may have meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import click
import msgspec

MOST_MEANT = 3
"""Names that are offered for a mistyped one."""


class CommandInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the help says about a command besides its own text. `below`: its subcommands.

    `about` is the line in the list of commands: it is never cut, so it must fit 80 columns.
    `module`: where the command object is, for a group that imports it when it is called.
    """

    about: str
    examples: tuple[str, ...]
    below: Mapping[str, CommandInfo] = msgspec.field(default_factory=dict)
    module: str = ""


Sections = Mapping[str, Mapping[str, CommandInfo]]
"""Heading -> its commands by name, in the order of the help."""


def flat(sections: Sections) -> dict[str, CommandInfo]:
    """All commands by name, in the order of the help."""
    return {name: info for section in sections.values() for name, info in section.items()}


def describe(command: click.Command, info: CommandInfo) -> None:
    """Give a command its line and its examples, and its subcommands theirs."""
    command.short_help = info.about
    command.epilog = "\n".join(["\b", "Examples:", *(f"  {line}" for line in info.examples)])
    if isinstance(command, click.Group):
        for name, below in info.below.items():
            describe(command.commands[name], below)


def write_sections(
    group: click.Group, ctx: click.Context, formatter: click.HelpFormatter, sections: Sections
) -> None:
    """Write the lists of commands, a section for each heading. Commands that no section names stand
    in one of their own.
    """
    named = flat(sections)
    others = [name for name in group.list_commands(ctx) if name not in named]
    lists = {
        heading: [(name, info.about) for name, info in section.items()]
        for heading, section in sections.items()
    }
    lists["Commands"] = [(name, _about(group, ctx, name)) for name in others]
    widest = max((len(name) for rows in lists.values() for name, _ in rows), default=0)
    for heading, rows in lists.items():
        if rows:
            with formatter.section(heading):
                # All sections have their texts in one column.
                formatter.write_dl([(name.ljust(widest), about) for name, about in rows])


def _about(group: click.Group, ctx: click.Context, name: str) -> str:
    command = group.get_command(ctx, name)
    return "" if command is None else command.get_short_help_str(limit=1000)


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean … or …?` with the known names that are like this one; empty if none is."""
    # Only who mistypes needs it, and the daemon imports this module.
    from difflib import get_close_matches

    names = {one.casefold(): one for one in known}
    found = get_close_matches(name[:100].casefold(), names, MOST_MEANT)
    return f"; did you mean {' or '.join(names[one] for one in found)}?" if found else ""


def check_command(group: click.Group, ctx: click.Context, args: list[str]) -> None:
    """Raise click.UsageError if the first argument is no command of this group; the text names the
    commands that may have been meant.
    """
    name = args[0]
    if ctx.resilient_parsing or name.startswith("-") or group.get_command(ctx, name) is not None:
        return
    known = group.list_commands(ctx)
    guess = meant(name.replace("_", "-"), [one.replace("_", "-") for one in known])
    raise click.UsageError(f"there is no command {name!r}{guess}", ctx)
