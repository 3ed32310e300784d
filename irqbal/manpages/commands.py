"""Commands on a manual page: what `--help` prints, for every command below a group."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import click

from irqbal.manpages.roff import ManualPage, bold, italic

_EXAMPLES = "Examples:"
_STATUS = re.compile(r"(\d+) ([^;]+?)(?:[;.]|$)", re.S)


def options(command: click.Command, known: Sequence[click.Option] = ()) -> list[click.Option]:
    """The options of a command, except hidden ones and those in `known`."""
    everywhere = {(tuple(option.opts), option.help) for option in known}
    found = [
        param for param in command.params if isinstance(param, click.Option) and not param.hidden
    ]
    return [option for option in found if (tuple(option.opts), option.help) not in everywhere]


def sections(group: click.Group) -> Iterator[tuple[str, list[tuple[str, click.Command]]]]:
    """The headings of a group's help, each with its commands and what is below them."""
    ctx = click.Context(group, info_name="irqbal")
    by_name = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    for heading, named in getattr(group, "sections", {}).items():
        found: list[tuple[str, click.Command]] = []
        for name in named:
            command = by_name[name]
            if command is not None:
                found += [(name, command), *commands(command, f"{name} ")]
        yield heading, found


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
    """Add a command: its name and arguments, and below them its help, its own options, and its
    examples.
    """
    words = [bold(name), *(italic(word) for word in arguments(command))]
    first, _, rest = inspect.cleandoc(command.help or "").partition("\n\n")
    page.item(" ".join(words), first)
    page.begin_below()
    if rest:
        explain(page, rest)
    for option in options(command, known):
        describe_option(page, option)
    if command.epilog:
        explain(page, command.epilog)
    page.end_below()


def explain(page: ManualPage, text: str) -> None:
    """Add help text in click's form: a paragraph that starts with \\b is printed line by line."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first == "\b":
            heading, _, lines = rest.partition("\n")
            if heading == _EXAMPLES:
                page.text(heading)
            page.example(textwrap.dedent(lines if heading == _EXAMPLES else rest).splitlines())
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
    _, _, rest = inspect.cleandoc(text).partition(f"{_EXAMPLES}\n")
    return [line.strip() for line in rest.partition("\n\n")[0].splitlines()]
