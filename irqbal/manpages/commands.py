"""Commands on a manual page: what `--help` prints, for every command below a group."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence

import click

from irqbal.manpages.roff import ManualPage, bold, italic

_STATUS = re.compile(r"(\d+) ([^;]+?)(?:[;.]|$)", re.S)


def options(command: click.Command, known: Sequence[click.Option] = ()) -> list[click.Option]:
    """The options of a command, except hidden ones and those in `known`."""
    everywhere = {(tuple(option.opts), option.help) for option in known}
    found = [
        param for param in command.params if isinstance(param, click.Option) and not param.hidden
    ]
    return [option for option in found if (tuple(option.opts), option.help) not in everywhere]


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, with its name as typed, such as `override set`."""
    if not isinstance(command, click.Group):
        return
    ctx = click.Context(command, info_name="irqbal")
    for name in command.list_commands(ctx):
        below = command.get_command(ctx, name)
        if below is not None and not below.hidden:
            yield f"{path}{name}", below
            yield from commands(below, f"{path}{name} ")


def describe(
    page: ManualPage, name: str, command: click.Command, known: Sequence[click.Option]
) -> None:
    """Add a command: its name and arguments as a subheading, its help, and its own options."""
    words = [bold(name), *(italic(word) for word in arguments(command))]
    page.subheading(" ".join(words))
    explain(page, command.help or "")
    for option in options(command, known):
        describe_option(page, option)


def explain(page: ManualPage, text: str) -> None:
    """Add help text in click's form: a paragraph that starts with \\b is printed line by line."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first == "\b":
            page.example(rest.splitlines())
        else:
            page.text(paragraph)


def arguments(command: click.Command) -> list[str]:
    """A command's arguments as words, such as IRQ, [FILE], add|list|revoke; a group has COMMAND."""
    found = []
    for param in command.params:
        if isinstance(param, click.Argument):
            word = _metavar(param)
            found.append(word if param.required else f"[{word}]")
    return [*found, "COMMAND"] if isinstance(command, click.Group) else found


def describe_option(page: ManualPage, option: click.Option) -> None:
    """Add an option: its names, its value, its help, its range and default."""
    names = ", ".join(bold(name) for name in sorted(option.opts, key=len))
    names += "".join(f", {bold(name)}" for name in option.secondary_opts)
    value = "" if option.is_flag or option.count else f" {italic(_metavar(option))}"
    page.item(f"{names}{value}", " ".join([option.help or "", *_facts(option)]))


def _facts(option: click.Option) -> Iterator[str]:
    if isinstance(option.type, click.IntRange | click.FloatRange) and option.type.max is not None:
        least = "More than 0, at most" if option.type.min_open else f"{option.type.min} to"
        yield f"{least} {option.type.max}."
    if isinstance(option.show_default, str):
        yield f"Default: {option.show_default}."
    elif option.show_default:
        yield f"Default: {option.default}."


def _metavar(param: click.Parameter) -> str:
    """The word that stands for a parameter's value."""
    if param.metavar is not None:
        return param.metavar
    kind = param.type
    if isinstance(kind, click.Choice):
        return "|".join(map(str, kind.choices))
    if isinstance(param, click.Argument):
        return (param.name or "").upper()
    if isinstance(kind, click.Path):
        return "FILE" if kind.file_okay and not kind.dir_okay else "DIR"
    if isinstance(kind, click.IntRange | click.FloatRange):
        return "NUMBER"
    return kind.name.upper()


def statuses(text: str, more: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The exit statuses in a text such as `Exit status: 0 done; 1 …`, as (number, meaning). `more`
    adds statuses that the text does not have. Raises ValueError if the text has none.
    """
    _, found, rest = " ".join(text.split()).partition("Exit status: ")
    if not found:
        raise ValueError("no exit status is documented")
    pairs: dict[str, str] = dict(_STATUS.findall(rest))
    added = {number: meaning for number, meaning in more if number not in pairs}
    return list((pairs | added).items())


def examples(text: str) -> list[str]:
    """The lines below `Examples:` in a text."""
    _, _, rest = inspect.cleandoc(text).partition("Examples:\n")
    return [line.strip() for line in rest.partition("\n\n")[0].splitlines()]
