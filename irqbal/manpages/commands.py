"""What click knows of a command, on a page: the same that `--help` prints, of every command and
each below it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Sequence

import click

from irqbal.manpages.roff import ManualPage, bold, italic

_STATUS = re.compile(r"(\d+) ([^;]+?)(?:[;.]|$)", re.S)


def options(command: click.Command, known: Sequence[click.Option] = ()) -> list[click.Option]:
    """The options of a command, but for those that mean the same everywhere."""
    everywhere = {(tuple(option.opts), option.help) for option in known}
    found = [
        param for param in command.params if isinstance(param, click.Option) and not param.hidden
    ]
    return [option for option in found if (tuple(option.opts), option.help) not in everywhere]


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Everything below a group, as one types it: `override set` and the command behind it."""
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
    """A subheading with what must be given, the help, and the command's own options."""
    words = [bold(name), *(italic(word) for word in arguments(command))]
    page.subheading(" ".join(words))
    explain(page, command.help or "")
    for option in options(command, known):
        describe_option(page, option)


def explain(page: ManualPage, text: str) -> None:
    """Help in click's form: paragraphs, and what follows a \\b as it stands."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        if first == "\b":
            page.example(rest.splitlines())
        else:
            page.text(paragraph)


def arguments(command: click.Command) -> list[str]:
    """IRQ, [FILE], add|list|revoke; COMMAND of a group."""
    found = []
    for param in command.params:
        if isinstance(param, click.Argument):
            word = _metavar(param)
            found.append(word if param.required else f"[{word}]")
    return [*found, "COMMAND"] if isinstance(command, click.Group) else found


def describe_option(page: ManualPage, option: click.Option) -> None:
    """Its names, its value, its help, and what it is unless given."""
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
    """What stands for the value."""
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
    """`Exit status: 0 done; 1 …` as pairs; and these, where the text has none of that number.
    Raises ValueError if there is none.
    """
    _, found, rest = " ".join(text.split()).partition("Exit status: ")
    if not found:
        raise ValueError("no exit status is documented")
    pairs = dict(_STATUS.findall(rest))
    return list({**pairs, **{number: said for number, said in more if number not in pairs}}.items())


def examples(text: str) -> list[str]:
    """The lines below `Examples:`."""
    _, _, rest = inspect.cleandoc(text).partition("Examples:\n")
    return [line.strip() for line in rest.partition("\n\n")[0].splitlines()]
