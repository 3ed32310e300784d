"""The help of both programs: sections, whole lines, examples that are good; and what a mistyped
command may have meant.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import irqbal.cli.main
import irqbal.client.cli.main
from irqbal.manpages import commands

PROGRAMS: dict[str, click.Group] = {
    "irqbal": irqbal.cli.main.cli,
    "irqbal-client": irqbal.client.cli.main.cli,
}
EVERY = [
    (program, name, command)
    for program, group in PROGRAMS.items()
    for name, command in commands.commands(group)
]


def parse(program: str, words: list[str]) -> None:
    """Parse a whole command line as click does before it calls the command. Raises
    click.UsageError.
    """
    command: click.Command = PROGRAMS[program]
    ctx = command.make_context(program, list(words))
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        assert found is not None
        command, ctx = found, found.make_context(name, rest, parent=ctx)


def examples(command: click.Command) -> list[str]:
    return commands.examples(command.epilog or "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_stands_in_one_section_on_one_whole_line(program: str) -> None:
    group = PROGRAMS[program]
    text = CliRunner().invoke(group, ["--help"], terminal_width=80).output
    assert "..." not in text.partition("COMMAND [ARGS]...")[2]
    assert "Look:" in text and "Change:" in text and "\nCommands:" not in text
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None and command.short_help
        lines = re.findall(rf"^  {name} +(.+)$", text, re.M)
        assert lines == [command.short_help], name


@pytest.mark.parametrize(
    ("program", "name", "command"), EVERY, ids=[f"{one[0]} {one[1]}" for one in EVERY]
)
def test_every_command_has_examples_that_can_be_parsed(
    program: str,
    name: str,
    command: click.Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("new.yaml", "one.yaml", "two.yaml"):
        (tmp_path / file).touch()
    assert examples(command)
    for line in examples(command):
        assert len(line) <= 90
        first, *words = shlex.split(line.partition(" > ")[0])
        assert first == program
        assert " ".join(words).find(name) >= 0, "an example is of its command"
        parse(program, words)
    shown = " ".join(_help(program, name).split())
    assert all(" ".join(line.split()) in shown for line in examples(command))


def _help(program: str, name: str) -> str:
    place = [] if program == "irqbal" else ["localhost", "1"]
    return CliRunner().invoke(PROGRAMS[program], [*place, *name.split(), "--help"]).output


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_examples_of_the_whole_program_can_be_parsed(program: str) -> None:
    found = commands.examples(PROGRAMS[program].epilog or "")
    assert len(found) >= 5
    for line in found:
        parse(program, shlex.split(line)[1:])


def test_an_example_that_is_wrong_is_found() -> None:
    """The parser on which the tests above rest."""
    for words in (["plan", "--secnods", "1"], ["token", "ad", "x"], ["explain"]):
        with pytest.raises(click.UsageError):
            parse("irqbal", words)


MISTYPED = [
    ("irqbal", "hsitory 24", "did you mean history?"),
    ("irqbal", "import_irqbalanc", "did you mean import-irqbalance?"),
    ("irqbal", "token revok x", "did you mean revoke?"),
    ("irqbal", "policy nwe", "did you mean new?"),
    ("irqbal", "plan --secnods 3", "Did you mean '--seconds'?"),
    ("irqbal", "nothing-like-it", "there is no command 'nothing-like-it'\n"),
    ("irqbal-client", "localhost 1 overide", "did you mean override?"),
    ("irqbal-client", "localhost 1 cpu-cuont", "did you mean cpu-count?"),
    ("irqbal-client", "localhost 1 override claer 24", "did you mean clear?"),
    ("irqbal-client", "localhost 1 irqs --devcie x", "Did you mean '--device'?"),
]


@pytest.mark.parametrize(("program", "words", "said"), MISTYPED)
def test_a_mistyped_command_or_option_is_answered_with_what_is_like_it(
    program: str, words: str, said: str
) -> None:
    done = CliRunner().invoke(PROGRAMS[program], words.split())
    assert done.exit_code == 2
    assert said in done.output


def test_a_commands_help_needs_no_host_and_port() -> None:
    done = CliRunner().invoke(PROGRAMS["irqbal-client"], ["explain", "--help"])
    assert done.exit_code == 0
    assert "HOST PORT explain [OPTIONS] IRQ" in done.output
