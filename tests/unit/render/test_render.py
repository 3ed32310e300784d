"""Tables that fit, names that are harmless, sparklines."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from irqbal.render.console import console, plain
from irqbal.render.sparkline import sparkline
from irqbal.render.tables import Column, print_rows


def printed(width: int, columns: list[Column], rows: list[list[str]]) -> list[str]:
    out = Console(width=width, file=io.StringIO(), markup=False, emoji=False)
    print_rows(out, columns, rows)
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def test_a_narrow_table_leaves_out_what_matters_least() -> None:
    columns = [
        Column("IRQ", right=True),
        Column("DEVICE", drop=1),
        Column("CHIP", drop=2),
        Column("WHY", wrap=True),
    ]
    rows = [["7", "0000:01:00.0", "IO-APIC", "because a policy of somebody said so"]]
    assert printed(80, columns, rows)[0].split() == ["IRQ", "DEVICE", "CHIP", "WHY"]
    assert printed(40, columns, rows)[0].split() == ["IRQ", "DEVICE", "WHY"]
    narrow = printed(24, columns, rows)
    assert narrow[0].split() == ["IRQ", "WHY"]
    assert narrow[1] == "  7  because a policy of"


def test_names_are_shown_as_they_are_but_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    names = [["i915[bold]x"], ["0000:100:00.0"], ["\x1b[2Jevil\r\x9b"], ["two\nlines"]]
    print_rows(console(), [Column("NAME", wrap=True)], names)
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown[1:] == ["i915[bold]x", "0000:100:00.0", "\ufffd[2Jevil\ufffd\ufffd", "two lines"]


def test_a_sparkline_shows_its_values() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 20) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, None, 7], 20) == "▁ █"
    assert sparkline([], 20) == ""
    assert sparkline([0, 0], 20) == "▁▁"
    # A little is more than nothing.
    assert sparkline([0.001, 100], 20) == "▂█"
    assert sparkline([5, 5], 20, top=10) == "▅▅"
    long = sparkline([float(value) for value in range(1000)], 60)
    assert 50 <= len(long) <= 60
    assert list(long) == sorted(long)


def test_characters_that_turn_the_direction_of_a_line_are_shown_as_unknown() -> None:
    assert plain("eth0\u202egnp.exe\u2066x\u200f") == "eth0�gnp.exe�x�"
    assert plain("naïve – 中文 ▁") == "naïve – 中文 ▁"


def test_cpu_sets_are_broken_between_numbers_and_rooms_are_shared() -> None:
    columns = [
        Column("IRQ", right=True),
        Column("TO", wrap=True),
        Column("POLICY"),
        Column("REASON", wrap=True),
    ]
    rows = [
        ["9", "64-127,192-255,301-511", "pin_nic_queues", "queue 0 of eth0, a CPU of its own node"]
    ]
    lines = printed(60, columns, rows)
    assert all(len(line) <= 60 for line in lines) and "pin_nic_queues" in lines[1]
    assert [line[5:21].strip() for line in lines[1:3]] == ["64-127,192-255,", "301-511"]
    # Who lacks most gets most.
    assert lines[1].endswith("queue 0 of eth0, a") and printed(100, columns, rows)[1].endswith(
        "a CPU of its own node"
    )
