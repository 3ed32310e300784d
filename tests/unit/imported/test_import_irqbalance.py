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
from irqbal.imported.formats import read_file, read_files
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
        ("A=1\n#B=2\n ;C=3\nD", [EnvironmentLine(1, "A", "1"), EnvironmentLine(4, "", "D")]),
        ("\ufeffA=1\nB=2\\", [EnvironmentLine(1, "A", "1"), EnvironmentLine(2, "B", "2")]),
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


@pytest.mark.parametrize(
    ("text", "banned"),
    [
        ("IRQBALANCE_BANNED_CPUS=3\nIRQBALANCE_BANNED_CPULIST=2-3", "0-1"),
        ("IRQBALANCE_BANNED_CPULIST=2-3\nIRQBALANCE_BANNED_CPUS=3", "0-1"),
        ("IRQBALANCE_BANNED_CPUS=\nIRQBALANCE_BANNED_CPULIST=2-3", "2-3"),
        ("IRQBALANCE_BANNED_CPULIST=", "None"),
        ("IRQBALANCE_BANNED_CPULIST=-", ""),
    ],
)
def test_the_mask_is_asked_before_the_list(text: str, banned: str) -> None:
    """As in cputree.c of irqbalance 1.9.4; without either, isolated CPUs are banned."""
    settings = read_file(text)
    assert (str(settings.banned), settings.understood) == (banned, True)


def test_gentoos_variable() -> None:
    assert read_file('IRQBALANCE_OPTS="--interval=5 --banirq=9"').interval == 5


def test_a_drop_in_of_systemd() -> None:
    settings = read_file(
        "[Unit]\nDescription=x\n[Service]\nEnvironment=A=1\nEnvironment=\n"
        'Environment="IRQBALANCE_ARGS=--banmod=igb -i 9" IRQBALANCE_BANNED_CPULIST=0-1\n'
        "ExecStart=\nExecStart=/usr/sbin/irqbalance --interval=5 \\\n $IRQBALANCE_ARGS\n"
    )
    assert (settings.modules, settings.irqs, settings.interval) == (["igb"], [9], 5)
    assert str(settings.banned) == "0-1" and settings.understood


@pytest.mark.parametrize(
    ("file", "drop_ins", "banned", "irqs"),
    [
        ("", ("IRQBALANCE_BANNED_CPULIST=1", "IRQBALANCE_BANNED_CPULIST=2"), "2", []),
        (
            "IRQBALANCE_ARGS=--banirq=9",
            ("IRQBALANCE_ARGS=--banirq=8",),
            "None",
            [9],
        ),
        ("IRQBALANCE_BANNED_CPULIST=1", ("IRQBALANCE_BANNED_CPUS=4",), "2", []),
    ],
)
def test_variables_of_several_files_are_merged_as_systemd_does(
    file: str, drop_ins: tuple[str, ...], banned: str, irqs: list[int]
) -> None:
    units = [(f"{at}.conf", f"[Service]\nEnvironment={text}") for at, text in enumerate(drop_ins)]
    settings = read_files(file, units)
    assert (str(settings.banned), settings.irqs, settings.understood) == (banned, irqs, True)


def test_options_that_the_unit_does_not_pass_on_do_not_count() -> None:
    unit = ("x.conf", "[Service]\nExecStart=\nExecStart=/usr/sbin/irqbalance --banirq=7")
    settings = read_files("IRQBALANCE_ARGS=--banirq=9", [unit])
    assert settings.irqs == [7]
    assert any("starts irqbalance without it" in remark for remark in settings.remarks)


@pytest.mark.parametrize(
    "text",
    [
        "IRQBALANCE_BANNED_CPULIST 1-3",
        "if true; then IRQBALANCE_DEBUG=1",
        ". /etc/other",
        "[Service]\nExecStart=/bin/sh -c 'irqbalance --banirq=1'",
        "[Service]\nUnsetEnvironment=IRQBALANCE_ARGS",
    ],
)
def test_lines_that_mean_nothing_here_are_named(text: str) -> None:
    settings = read_file(text)
    assert not settings.understood and settings.remarks


def test_openwrts_file() -> None:
    settings = read_file(
        "config irqbalance 'irqbalance'\n\toption enabled '0'\n\t# comment\n"
        "\toption deepestcache '2'\n\toption interval '7'\n\tlist banirq '36'\n\tlist banirq 69\n"
    )
    assert (settings.irqs, settings.interval, settings.understood) == ([36, 69], 7, True)
    assert any("do not enable" in remark for remark in settings.remarks)
    odd = read_file("config irqbalance\n\toption colour 'red'\nwhat\n")
    assert not odd.understood and len(odd.remarks) == 2


@pytest.mark.parametrize("text", ["IRQBALANCE_COLOUR=red", "IRQBALANCE_ARGS=--wat", "OPTIONS=word"])
def test_what_is_not_understood_is_said(text: str) -> None:
    settings = read_file(text)
    assert not settings.understood and "not understood" in settings.remarks[0]


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
        ("numa_node=1", ScriptVerdict(node=1), 0),
        ("numa_node=7", ScriptVerdict(), 1),
    ],
)
def test_what_a_script_prints_is_read_as_irqbalance_does(
    output: str, verdict: ScriptVerdict, remarks: int
) -> None:
    parsed = parse_verdict(output, {0, 1, 2})
    assert (parsed.verdict, len(parsed.remarks)) == (verdict, remarks)
