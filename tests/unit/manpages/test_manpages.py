"""The manual pages are those of the present commands and keys, and their examples are good."""

from __future__ import annotations

from pathlib import Path

import pytest

import irqbal
import irqbal.cli.main
import irqbal.client.cli.main
from irqbal.config.reader import parse
from irqbal.manpages import keys
from irqbal.manpages.pages import pages

ROOT = Path(irqbal.__file__).parent.parent
NAMES = ("irqbal.8", "irqbal-client.1", "irqbal.yaml.5")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("name", NAMES)
def test_the_pages_are_those_of_the_commands_and_keys(name: str, made: dict[str, str]) -> None:
    """Failed? `make man` writes them anew; look at what changed before you commit it."""
    assert set(made) == set(NAMES) == {path.name for path in (ROOT / "man").iterdir()}
    assert (ROOT / "man" / name).read_text() == made[name]


def test_the_defaults_that_are_written_out_are_the_defaults_and_the_examples_are_good() -> None:
    found = parse(keys.defaults(keys.policies()), "page")
    wanted = parse("", "empty")
    for field in (
        "interval",
        "on_exit",
        "on_drift",
        "banned_cpus",
        "max_moves",
        "history",
        "api",
        "observers",
    ):
        assert getattr(found, field) == getattr(wanted, field)
    assert [entry.name for entry in found.policies] == [entry.name for entry in wanted.policies]
    from irqbal.manpages.texts import YAML_EXAMPLES

    for _, text in YAML_EXAMPLES:
        parse(text, "example")
