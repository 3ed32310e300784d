"""`irqbal verify --isolation` on a tree of files: which CPUs it watches, what it prints, and its
exit status. A real kernel disturbs a CPU in tests/vm.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from machine import IRQBAL, irqbal
from trees import Disk, Tree, TreeSpec, make_tree

SPEC = TreeSpec(cores=8, isolated="6-7", devices=(Disk("nvme", "nvme0", queues=8),))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return make_tree(tmp_path / "host", SPEC)


def watch(tree: Tree, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it; in the window the queue of CPU 7 fires three times."""
    process = subprocess.Popen(
        [IRQBAL, "verify", "--root", str(tree.folder), "--isolation", "2", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "to set and to remove it interrupts every CPU" in said, said + process.stderr.read()
    time.sleep(0.5)
    tree.count("nvme0q8", 3, cpu=7).flush()
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_what_came_is_listed_with_advice_and_no_budget_is_no_failure(tree: Tree) -> None:
    done = watch(tree)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done
    assert lines[0].startswith("DISTURBED: the isolated CPUs were interrupted")
    assert lines[1:3] == [
        "CPU 6: 0 interrupts and 0 softirqs in 2 s.",
        "CPU 7: 3 interrupts and 0 softirqs in 2 s.",
    ]
    number = tree.number("nvme0q8")
    fired = f"disturbed-irq: CPU 7: IRQ {number} (nvme0q8, nvme0/io-8) fired 3 times in 2 s"
    assert lines[3].startswith(fired) and "isolcpus=managed_irq,6-7" in lines[3]
    assert lines[4].startswith("not-visible: who caused this") and "no tracefs" in lines[4]


def test_a_budget_fails_where_it_is_exceeded_and_json_has_all_of_it(tree: Tree) -> None:
    done = watch(tree, "--allow", "nvme0q8=2", "--allow", "all=0", "--json")
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 1 and report["outcome"] == "over budget"
    assert report["cpus"] == "6-7" and report["traced"] is False
    assert [(one["cpu"], one["kind"], one["count"]) for one in report["disturbances"]] == [
        (7, "irq", 3)
    ]
    assert report["disturbances"][0]["allowed"] == 2
    assert report["findings"][0]["code"] == "over-budget"
    done = watch(tree, "--allow", f"{tree.number('nvme0q8')}=3", "--allow", "LOC=0")
    assert done.returncode == 0 and done.stdout.startswith("WITHIN BUDGET: every count")


def test_other_cpus_are_watched_when_they_are_named(tree: Tree, tmp_path: Path) -> None:
    quiet = irqbal(
        *("verify", "--root", str(tree.folder), "--isolation", "0.1", "--cpus", "2-3"),
        "--no-tracing",
    )
    assert quiet.stdout.startswith("QUIET: nothing interrupted") and quiet.stderr == ""
    assert "CPU 2: 0 interrupts" in quiet.stdout and "CPU 7" not in quiet.stdout
    config = tmp_path / "irqbal.yaml"
    config.write_text("policies:\n  - isolate_cores: {cpus: 1}\n")
    words = ("verify", "--root", str(tree.folder), "-c", str(config), "--isolation", "0.1")
    done = irqbal(*words, "--no-tracing", "--json")
    assert json.loads(done.stdout)["cpus"] == "1,6-7"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--isolation", "0.1", "--cpus", "99"], "none of the CPUs 99 is online"),
        (["--isolation", "0.1", "--allow", "LCO=1"], "no row, softirq or IRQ named lco"),
        (["--isolation", "0.1", "--allow", "LOC"], "is no budget"),
        (["--isolation", "nan"], "not a number of seconds"),
        (["--allow", "LOC=1"], "belong to --isolation"),
        (["--no-tracing"], "belong to --isolation"),
    ],
)
def test_what_makes_no_sense_is_refused(tree: Tree, words: list[str], said: str) -> None:
    done = irqbal("verify", "--root", str(tree.folder), *words, check=2)
    assert said in done.stderr and done.stdout == ""


def test_a_host_without_isolated_cpus_says_how_to_name_some(tmp_path: Path) -> None:
    bare = make_tree(tmp_path / "bare", TreeSpec())
    done = irqbal("verify", "--root", str(bare.folder), "--isolation", "0.1", check=2)
    assert "no CPU of this host is isolated" in done.stderr and "--cpus" in done.stderr
