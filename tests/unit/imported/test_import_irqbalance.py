"""irqbalance's configuration as irqbal's: how its files and its policy scripts' output are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import cpus, host, lone, nic
from irqbal.config.reader import parse
from irqbal.imported.irqbalance import (
    ConvertedLine,
    IrqbalanceSettings,
    Said,
    parse_environment,
    parse_said,
    read,
    to_yaml,
)

FILES = Path(__file__).parent / "irqbalance"


# What distributions ship


@pytest.mark.parametrize("name", ["debian", "fedora"])
def test_a_file_that_sets_nothing_gives_the_defaults(name: str) -> None:
    assert parse_environment((FILES / name).read_text()) == []


# Every option


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("A=1\n#B=2\n ;C=3\nD", [ConvertedLine(1, "A", "1")]),
        ("export A = 'x y' # z", [ConvertedLine(1, "A", "x y")]),
        ('A="x \\\n y"\nB=1', [ConvertedLine(1, "A", "x  y"), ConvertedLine(3, "B", "1")]),
        ("A=x y  # z", [ConvertedLine(1, "A", "x y")]),
        ("A=\nA='", [ConvertedLine(1, "A", ""), ConvertedLine(2, "A", "'")]),
    ],
)
def test_an_environment_file_is_read_as_systemd_does(text: str, lines: list[ConvertedLine]) -> None:
    assert parse_environment(text) == lines


def test_what_is_wrong_is_a_comment_and_never_breaks_the_yaml() -> None:
    lines = parse_environment(
        "IRQBALANCE_BANNED_CPUS=zz\nIRQBALANCE_ARGS=--wat "
        "'\nOPTIONS=--wat\nONESHOT=no\nENABLED=0\nA=\x1b: {\nA=2"
    )
    asked = read(lines)
    assert asked.banned is None and len(asked.remarks) == 6
    assert "not a CPU mask" in asked.remarks[1] and "No closing quotation" in asked.remarks[2]
    assert "--wat not recognized" in asked.remarks[3]


# Policy scripts


def test_names_that_are_not_alone_are_told_apart_by_device_or_number() -> None:
    snapshot = host(cpus(2), nic("eth0", 2), lone("two", "two", "o[n]e"))
    numbers = {irq.action: irq.number for irq in snapshot.irqs}
    text = to_yaml(
        "x",
        IrqbalanceSettings(irqs=[numbers["two"], numbers["o[n]e"]]),
        {numbers["eth0-TxRx-0"]: Said(node=1)},
        snapshot,
    )
    assert (
        f'{{irq: "{numbers["two"]}", leave: true}}' in text and "two is no name of its own" in text
    )
    assert '{irq: "o[[]n]e", leave: true}' in text and '{irq: "eth0-TxRx-0", node: 1}' in text
    assert parse(text, "x").policies[1].name == "pin_irqs"


@pytest.mark.parametrize(
    ("output", "said", "remarks"),
    [
        ("", Said(), 0),
        ("ban=true\nnuma_node=2\n", Said(ban=True, node=2), 0),
        ("BAN=False", Said(), 0),
        ("balance_level=none", Said(level="none"), 0),
        ("numa_node=-1\nhintpolicy=exact\nbalance_level=cache", Said(node=-1, level="cache"), 3),
        ("ban=maybe\nnuma_node=x\nword\n\n", Said(), 3),
    ],
)
def test_what_a_script_prints_is_read_as_irqbalance_does(
    output: str, said: Said, remarks: int
) -> None:
    found, told = parse_said(output)
    assert (found, len(told)) == (said, remarks)
