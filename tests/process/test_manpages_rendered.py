"""The manual pages as groff and man make them: without a complaint, and complete."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import click
import pytest

import irqbal
import irqbal.cli.main
import irqbal.client.cli.main
from irqbal.config.schema import DEFAULT_POLICIES
from irqbal.manpages import commands, keys, roff

ROOT = Path(irqbal.__file__).parent.parent


NAMES = ("irqbal.8", "irqbal-client.1", "irqbal.yaml.5")


GROUPS = {"irqbal.8": irqbal.cli.main.cli, "irqbal-client.1": irqbal.client.cli.main.cli}


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    """Each page as a reader with a terminal of 80 columns has it, a word after the other."""
    return {name: " ".join(lines(name)) for name in NAMES}


def lines(name: str) -> list[str]:
    command = ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(ROOT / "man" / name)]
    env = {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "MANWIDTH": "80",
        "MAN_KEEP_FORMATTING": "",
        "GROFF_NO_SGR": "1",
        "MANOPT": "",
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.strip() for line in re.sub(r".\x08", "", done.stdout).splitlines()]


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", NAMES)
def test_groff_has_nothing_against_a_page(name: str) -> None:
    for device in ("ps", "utf8"):
        done = subprocess.run(
            ["groff", "-man", "-ww", "-z", f"-T{device}", str(ROOT / "man" / name)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", GROUPS)
def test_every_command_and_option_is_there_with_its_help(
    name: str, rendered: dict[str, str]
) -> None:
    text, count = words(rendered[name]), 0
    group = GROUPS[name]
    heads = {head for head, _ in commands.commands(group)}
    assert {head.split()[0] for head in heads} == set(group.list_commands(click.Context(group)))
    for head, command in [("", group), *commands.commands(group)]:
        titles = words(" ".join([head, *commands.arguments(command)]))
        assert titles in text
        for param in command.params:
            if isinstance(param, click.Option) and not param.hidden:
                count += 1
                assert ", ".join(sorted(param.opts, key=len)) in text
                assert words((param.help or "").replace("`", "")) in text, (head, param.opts)
        # What the whole is for the page says at greater length.
        for paragraph in (command.help or "").split("\n\n") if head else ():
            assert "\b" in paragraph or words(paragraph.replace("`", "")) in text, head
    assert count > 60


def test_every_key_is_there_with_its_note_and_default(rendered: dict[str, str]) -> None:
    text = words(rendered["irqbal.yaml.5"])
    known = list(keys.config_keys())
    assert {"interval", "history.keep.5m", "history.mongodb.url", "api.tls.cert", "api.listen"} <= {
        key.name for key in known
    }
    described = keys.policies()
    assert [policy.name for policy in described] == list(DEFAULT_POLICIES)
    for policy in described:
        assert f"{policy.name} {policy.about}" in text
    for key in [*known, *(key for policy in described for key in policy.keys)]:
        assert key.about and f"{key.name}: {key.takes} {words(key.about)}" in text
        end = "Must be given" if key.default is None else f"Default: {key.default}"
        if key.name != "state_dir":
            assert re.search(
                rf"{re.escape(f'{key.name}: {key.takes} ')}.{{,400}}?{re.escape(end)}\.", text
            ), key.name


@pytest.mark.parametrize("name", GROUPS)
def test_every_exit_status_is_explained(name: str, rendered: dict[str, str]) -> None:
    module = irqbal.cli.main if name == "irqbal.8" else irqbal.client.cli.main
    tree = ast.parse(Path(str(module.__file__)).read_text())
    found = {0}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "exit":
            found |= {
                item.value
                for item in node.args
                if isinstance(item, ast.Constant) and isinstance(item.value, int)
            }
        if (
            isinstance(node, ast.Return)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, int)
        ):
            found.add(node.value.value)
    text = rendered[name].partition("EXIT STATUS")[2].partition("ENVIRONMENT")[0]
    assert (
        {2, 130, 141} <= found <= {int(number) for number in re.findall(r"(?<!\S)(\d+)(?= )", text)}
    )


def test_every_variable_that_is_read_is_explained(rendered: dict[str, str]) -> None:
    found = set()
    for path in (ROOT / "irqbal").rglob("*.py"):
        found |= set(
            re.findall(
                r"""environ(?:\.get)?[(\[]"(\w+)"|"(\w+)" in os\.environ""", path.read_text()
            )
        )
    names = {name for pair in found for name in pair if name} - {"COMP_TEXT"}
    assert {"XDG_STATE_HOME", "NOTIFY_SOCKET", "JOURNAL_STREAM"} <= names
    assert not {
        name for name in names if name not in rendered["irqbal.8"] + rendered["irqbal-client.1"]
    }


def test_no_text_is_taken_for_roffs_own(tmp_path: Path) -> None:
    page = roff.ManualPage("x", 7, "a test", "none", "none")
    odd = [".SH not a heading", "'br", "C:\\n \\fBx", "-1 ~ ^ ` ' \" ×…µ", "\\"]
    page.example(odd)
    page.item(roff.bold(".x"), "`a` and --b-c, not d--e")
    path = tmp_path / "x.7"
    path.write_text(page.render())
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    text = [line.strip() for line in done.stdout.splitlines()]
    assert text[text.index(odd[0]) :][:5] == odd
    assert "\\fB\\-\\-b\\-c\\fP, not d\\-\\-e" in page.render()
