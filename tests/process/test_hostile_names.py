"""Names that nobody expects, from drivers, people and tokens: no output of irqbal lets them control
a terminal, a spreadsheet or a line of the log.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import machine
from irqbal.render.console import cell_text, plain
from machine import irqbal, wait_for
from served import Served, free_port
from trees import copy_host

ACTION, OTHER = "=i\x1b]0;title\x07y", "@v\x1b[2J\u202eirt"
INTERFACE = "=e\x1b[31mh\x07"
ALLOWED = "\n\t"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host whose devices have such names."""
    tree = copy_host("vm-8cpus", tmp_path / "tree")
    files = [tree / "proc/interrupts", *(tree / "sys/kernel/irq").glob("*/actions")]
    for file in files:
        text = file.read_text()
        file.write_text(text.replace("i8042", ACTION).replace("virtio2-input.0", OTHER))
    link = tree / "sys/class/net/eth0"
    target = Path(str(link.readlink()))
    real = link.parent / target
    real.rename(real.with_name(INTERFACE))
    link.unlink()
    (link.parent / INTERFACE).symlink_to(target.with_name(INTERFACE))
    return tree


def _harmless(text: str, what: object) -> None:
    for char in text:
        if char not in ALLOWED:
            assert unicodedata.category(char) not in ("Cc", "Cf"), (what, text)


def test_no_command_prints_what_controls_a_terminal(root: Path, tmp_path: Path) -> None:
    for words in (
        ("topology",),
        ("topology", "--json"),
        ("verify",),
        ("plan",),
        ("plan", "--json"),
        ("explain", "1"),
        ("explain", ACTION),
        ("capture", str(tmp_path / "out.tar.gz")),
        ("import-irqbalance",),
    ):
        done = irqbal(*words, "--root", str(root), check=None)
        _harmless(done.stdout + done.stderr, words)


@pytest.fixture
def served(root: Path, tmp_path: Path) -> Iterator[Served]:
    config, log, port = tmp_path / "irqbal.yaml", tmp_path / "log", free_port()
    config.write_text(
        f"state_dir: {tmp_path / 'state'}\ninterval: 300ms\nhistory: {{every: 300ms}}\n"
        f'api: {{listen: ["127.0.0.1:{port}"]}}\n'
    )
    with machine.daemon("--root", str(root), "-c", str(config), "--dry-run", log=log) as process:
        found = Served(process.pid, port, tmp_path / "state", log)
        wait_for(lambda: len(found.get("/api/v1/decisions")) > 3, log)
        yield found


def test_the_daemons_log_metrics_csv_and_client_are_free_of_it(served: Served) -> None:
    _harmless(served.said(), "log")
    metrics = served.ask("GET", "/metrics", where="unix").body.decode()
    _harmless(metrics, "/metrics")
    config = str(served.state.parent / "irqbal.yaml")
    for words in (("decisions",), ("decisions", "--json"), ("history", "all")):
        done = irqbal(*words, "-c", config)
        _harmless(done.stdout, words)
    out = served.state.parent / "out.csv"
    for what in ("samples", "decisions"):
        irqbal("export", str(out), "--what", what, "--format", "csv", "-c", config)
        _harmless(out.read_text(), what)
        for row in csv.reader(io.StringIO(out.read_text())):
            for cell in row:
                assert not re.match(r"[=+@\t\r]|-(?!\d)", cell), (what, row)


@given(st.text(max_size=30))
def test_a_cell_is_no_formula_and_numbers_stay_numbers(text: str) -> None:
    found = cell_text(text)
    assert not found.startswith(("=", "+", "@", "\t", "\r")) or re.fullmatch(r"[+]\d.*", found)
    assert plain(found) == found
    for number in ("-1", "+2.5", "-3e7", "0"):
        assert cell_text(number) == number
