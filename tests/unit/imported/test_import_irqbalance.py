"""irqbalance's configuration as irqbal's: how its files and its policy scripts' output are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import cpus, host, lone, nic
from irqbal.config.reader import parse
from irqbal.imported.environment import (
    EnvironmentLine,
    IrqbalanceSettings,
    parse_environment,
    read_settings,
)
from irqbal.imported.verdicts import ScriptVerdict, parse_verdict
from irqbal.imported.yaml_writer import to_yaml

FILES = Path(__file__).parent / "irqbalance"


# What distributions ship


@pytest.mark.parametrize("name", ["debian", "fedora"])
def test_a_file_that_sets_nothing_gives_the_defaults(name: str) -> None:
    assert parse_environment((FILES / name).read_text()) == []


# Every option


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("A=1\n#B=2\n ;C=3\nD", [EnvironmentLine(1, "A", "1")]),
        ("export A = 'x y' # z", [EnvironmentLine(1, "A", "x y")]),
        ('A="x \\\n y"\nB=1', [EnvironmentLine(1, "A", "x  y"), EnvironmentLine(3, "B", "1")]),
        ("A=x y  # z", [EnvironmentLine(1, "A", "x y")]),
        ("A=\nA='", [EnvironmentLine(1, "A", ""), EnvironmentLine(2, "A", "'")]),
    ],
)
def test_an_environment_file_is_read_as_systemd_does(
    text: str, lines: list[EnvironmentLine]
) -> None:
    assert parse_environment(text) == lines


def test_what_is_wrong_is_a_comment_and_never_breaks_the_yaml() -> None:
    lines = parse_environment(
        "IRQBALANCE_BANNED_CPUS=zz\nIRQBALANCE_ARGS=--wat "
        "'\nOPTIONS=--wat\nONESHOT=no\nENABLED=0\nA=\x1b: {\nA=2"
    )
    asked = read_settings(lines)
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
        {numbers["eth0-TxRx-0"]: ScriptVerdict(node=1)},
        snapshot,
    )
    assert (
        f'{{irq: "{numbers["two"]}", leave: true}}' in text and "two is no name of its own" in text
    )
    assert '{irq: "o[[]n]e", leave: true}' in text and '{irq: "eth0-TxRx-0", node: 1}' in text
    assert parse(text, "x").policies[1].name == "pin_irqs"


@pytest.mark.parametrize(
    ("output", "verdict", "remarks"),
    [
        ("", ScriptVerdict(), 0),
        ("ban=true\nnuma_node=2\n", ScriptVerdict(ban=True, node=2), 0),
        ("BAN=False", ScriptVerdict(), 0),
        ("balance_level=none", ScriptVerdict(level="none"), 0),
        (
            "numa_node=-1\nhintpolicy=exact\nbalance_level=cache",
            ScriptVerdict(node=-1, level="cache"),
            3,
        ),
        ("ban=maybe\nnuma_node=x\nword\n\n", ScriptVerdict(), 3),
    ],
)
def test_what_a_script_prints_is_read_as_irqbalance_does(
    output: str, verdict: ScriptVerdict, remarks: int
) -> None:
    parsed = parse_verdict(output)
    assert (parsed.verdict, len(parsed.remarks)) == (verdict, remarks)
