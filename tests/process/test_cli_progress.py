"""What commands show meanwhile: on a terminal, on standard error alone, and gone at the end."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from machine import IRQBAL
from places import TESTS
from recorded import record
from terminal import run_on_terminal

TREE = str(TESTS / "hosts/vm-8cpus")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(record(tmp_path_factory.mktemp("recorded") / "history.sqlite"))


CASES = {
    "plan": (["plan", "--root", TREE, "--seconds", "0.5", "--json"], "counting interrupts"),
    "verify": (["verify", "--root", TREE, "--seconds", "0.5", "--json"], "counting interrupts"),
    "simulate": (["simulate", "--cycles", "3", "--json"], "(defaults): 3 cycles"),
    "policies": (["policies", "--json"], "starting the policies"),
}


@pytest.mark.parametrize("name", CASES)
def test_progress_is_on_the_terminal_and_gone_at_the_end(name: str, tmp_path: Path) -> None:
    words, said = CASES[name]
    config = tmp_path / "irqbal.yaml"
    config.write_text(f"state_dir: {tmp_path / 'state'}\n")
    line = [IRQBAL, *words, *([] if name == "simulate" else ["-c", str(config)])]
    shown = run_on_terminal(line)
    assert json.loads(shown.out) is not None
    assert said in shown.terminal
    assert shown.left == ""
    piped = subprocess.run(line, capture_output=True, text=True, check=False)
    assert piped.stderr == ""


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_where_nothing_can_be_written_over_there_is_no_progress(more: dict[str, str]) -> None:
    shown = run_on_terminal([IRQBAL, "policies", "--json"], more=more)
    assert (shown.status, shown.terminal) == (0, "")


def test_an_export_leaves_only_its_last_sentence(store: str, tmp_path: Path) -> None:
    out = tmp_path / "x.jsonl"
    shown = run_on_terminal([IRQBAL, "export", str(out), "--store", store, "--start", "100y"], 200)
    assert "exporting samples" in shown.terminal
    assert shown.left == f"{out}: 120 samples"


def test_a_capture_says_what_it_holds_and_what_to_do(tmp_path: Path) -> None:
    out = tmp_path / "host.tar.gz"
    shown = run_on_terminal([IRQBAL, "capture", str(out), "--root", TREE])
    assert shown.status == 0
    assert "reading the kernel's files" in shown.terminal and shown.left == ""
    first, *_, last = shown.out.splitlines()
    assert first.startswith(f"{out} (") and "files and" in first and "kB unpacked" in first
    assert "left out or replaced" in shown.out
    assert "attach it to your report" in last
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_capture_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    out = tmp_path / "none/host.tar.gz"
    done = subprocess.run(
        [IRQBAL, "capture", str(out), "--root", TREE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert f"{out} cannot be written: No such file or directory; no archive was made" in done.stderr
