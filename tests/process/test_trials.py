"""Trials through a running daemon, and without one: whatever happens, everything is as before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machine import IRQBAL, kill, wait_for
from served import Served, serve
from tree_kernel import KernelProcess

SPEC = "2x8,nodes=2,nic=8x2,nvme=8x1,traffic=skewed"
QUICK: dict[str, Any] = {"window": "1s", "settle": "0s", "windows": 14}
LONG: dict[str, Any] = {"window": "10m", "windows": 40}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve(spec=SPEC, rest="interval: 1s\n") as found:
        wait_for(lambda: found.get("/api/v1/status")["last"]["cycle"] >= 4)
        yield found


def start(served: Served, **body: Any) -> Any:
    return served.ask("POST", "/api/v1/trials", body, served.admin)


def beat(served: Served, name: str, **body: Any) -> Any:
    return served.ask("POST", f"/api/v1/trials/{name}/beat", body, served.admin)


def end(served: Served, name: str) -> Any:
    return served.ask("POST", f"/api/v1/trials/{name}/end", token=served.admin)


def follow(served: Served, name: str, numbers: bool = False) -> Any:
    """The trial once it has ended."""
    limit = time.monotonic() + 120
    told = set()
    while True:
        trial = beat(served, name).json
        if trial["phase"] == "ended":
            return trial
        if numbers and trial["phase"] == "measuring" and trial["window"] not in told:
            told.add(trial["window"])
            value = 100 + trial["window"] % 3 + (30 if trial["side"] == "b" else 0)
            beat(served, name, window=trial["window"], number=value)
        assert time.monotonic() < limit, trial
        time.sleep(0.1)


def test_both_sides_take_turns_and_then_all_is_as_before(served: Served) -> None:
    before = served.masks()
    begun = start(served, **{**QUICK, "window": "4s", "windows": 4})
    assert begun.status == 200, begun.body
    name = begun.json["id"]
    # What was seen last of each window: what the API shows is up to a cycle old.
    seen: dict[int, tuple[str, tuple[tuple[int, str], ...]]] = {}
    while (trial := beat(served, name).json)["phase"] != "ended":
        masks = tuple(sorted(served.masks().items()))
        status = served.get("/api/v1/status")
        still = beat(served, name).json
        if (still["window"], still["phase"]) == (trial["window"], "measuring"):
            seen[trial["window"]] = trial["side"], masks
            assert status["paused"] and status["trial"] == name
        time.sleep(0.2)
    assert {side for side, _ in seen.values()} == {"a", "b"}
    by_side = {side: {masks for found, masks in seen.values() if found == side} for side in "ab"}
    assert by_side["b"] == {tuple(sorted(before.items()))}
    # The masks from before irqbal: each IRQ may fire anywhere.
    assert len(by_side["a"]) == 1 and by_side["a"] != by_side["b"]
    assert served.masks() == before
    assert len(trial["done"]) == 4 and trial["result"]["pairs"] == 2
    assert trial["result"]["verdict"] == "too-few"
    assert {item["measure"] for item in trial["result"]["compared"]} >= {"busiest", "mean"}
    assert trial["summary"] and not served.get("/api/v1/status")["paused"]
    listed = served.get("/api/v1/trials")
    assert listed[0]["id"] == name
    kept = json.loads((served.state / "trials.json").read_text())
    assert kept[-1]["id"] == name
    reasons = [item["reason"] for item in served.get("/api/v1/decisions?kind=action")]
    assert trial["summary"] in reasons and any("settings differ" in item for item in reasons)


def test_the_verdict_is_about_the_number_that_the_client_gives(served: Served) -> None:
    name = start(served, **QUICK, command=True, more_is_better=True).json["id"]
    trial = follow(served, name, numbers=True)
    assert trial["result"]["primary"] == "command"
    assert trial["result"]["verdict"] == "better", trial["summary"]
    assert trial["result"]["compared"][0]["b"] - trial["result"]["compared"][0]["a"] > 20


def test_policies_that_are_sent_are_compared(served: Served) -> None:
    before = served.masks()
    policies = "policies:\n  - pin_irqs: {rules: [{irq: 'ice-eth0-*', cpus: '3'}]}\n"
    begun = start(served, **LONG, policies=policies, against="policies: [spread_by_rate]\n")
    assert begun.status == 200, begun.body
    name = begun.json["id"]
    wait_for(lambda: beat(served, name).json["phase"] == "measuring", seconds=60)
    masks = served.masks()
    queues = [irq["number"] for irq in served.get("/api/v1/irqs?device=eth0&movable=true")]
    side = beat(served, name).json["side"]
    on_three = sum(masks[number] == "3" for number in queues)
    assert on_three >= 8 if side == "b" else on_three < 8
    assert end(served, name).json["result"]["verdict"] == "ended"
    assert served.masks() == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"windows": 7}, 400, "body"),
        ({"windows": 0}, 400, "body"),
        ({"window": "0s"}, 422, "lengths"),
        ({"window": "2h"}, 422, "lengths"),
        ({"settle": "11m"}, 422, "lengths"),
        ({"policies": "policies: [nosuch]"}, 422, "config"),
        ({"against": "policies: ["}, 422, "config"),
    ],
)
def test_what_makes_no_trial_is_refused_and_nothing_changes(
    served: Served, body: dict[str, Any], status: int, code: str
) -> None:
    before = served.masks()
    found = start(served, **body)
    assert (found.status, found.code) == (status, code), found.body
    assert served.masks() == before
    wait_for(lambda: not served.get("/api/v1/status")["paused"])


def test_two_sides_that_are_the_same_are_no_trial(served: Served) -> None:
    same = "policies: []\n"
    found = start(served, policies=same, against=same)
    assert (found.status, found.code) == (409, "same-sides")


def test_while_a_trial_runs_nothing_else_changes_and_restore_ends_it(served: Served) -> None:
    before = served.masks()
    name = start(served, **LONG).json["id"]
    number = served.irq()["number"]
    for method, path, body in (
        ("PUT", f"/api/v1/irqs/{number}/override", {"cpus": "1"}),
        ("POST", "/api/v1/pause", None),
        ("POST", "/api/v1/resume", None),
        ("POST", "/api/v1/trials", LONG),
    ):
        found = served.ask(method, path, body, served.admin)
        assert (found.status, found.code) == (409, "trial-running"), (path, found.body)
    found = served.get("/api/v1/findings")["findings"]
    assert [item["code"] for item in found if item["code"] in ("paused", "trial")] == ["trial"]
    assert served.ask("POST", "/api/v1/restore", token=served.admin).status == 200
    trial = served.get(f"/api/v1/trials/{name}")
    assert trial["result"]["verdict"] == "ended" and "restored" in trial["summary"]
    assert served.ask("POST", "/api/v1/resume", token=served.admin).status == 200
    wait_for(lambda: served.masks() == before, seconds=60)


@pytest.mark.long
def test_a_trial_whose_client_is_gone_ends_and_puts_everything_back(served: Served) -> None:
    before = served.masks()
    name = start(served, **LONG).json["id"]
    wait_for(lambda: served.get(f"/api/v1/trials/{name}")["phase"] == "ended", seconds=90)
    trial = served.get(f"/api/v1/trials/{name}")
    assert "has said nothing for 30 s" in trial["summary"]
    assert served.masks() == before
    wait_for(lambda: not served.get("/api/v1/status")["paused"])


def test_an_unknown_trial_is_a_404(served: Served) -> None:
    for found in (
        served.ask("GET", "/api/v1/trials/nosuch"),
        beat(served, "nosuch"),
        end(served, "nosuch"),
    ):
        assert (found.status, found.code) == (404, "no-such-trial")


def test_a_daemon_that_ends_puts_everything_back_first() -> None:
    with serve(spec=SPEC, rest="interval: 1s\n") as served:
        wait_for(lambda: served.get("/api/v1/status")["last"]["cycle"] >= 4)
        name = start(served, **LONG).json["id"]
        wait_for(lambda: beat(served, name).json["phase"] == "measuring")
        os.kill(served.pid, signal.SIGTERM)
        wait_for(
            lambda: not Path(f"/proc/{served.pid}").exists() or is_zombie(served.pid), seconds=60
        )
        assert "the daemon ended" in served.said() and "everything is as before" in served.said()
        kept = json.loads((served.state / "trials.json").read_text())
        assert kept[-1]["result"]["verdict"] == "ended"


def is_zombie(pid: int) -> bool:
    """Whether it has ended, and nobody has waited for it yet."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


# The command


def command(config: Path, *words: str, root: Path | None = None) -> list[str]:
    below = [] if root is None else ["--root", str(root)]
    return [IRQBAL, "trial", "-c", str(config), *below, *words]


class TrialTree:
    """A made-up host as plain files, whose kernel is played, and a configuration for it."""

    def __init__(self, folder: Path) -> None:
        self.kernel = KernelProcess(folder, SPEC, 0.5)
        self.root = self.kernel.tree
        self.config = folder / "irqbal.yaml"
        self.config.write_text(f"interval: 1s\nstate_dir: {folder}/state\n")
        self.state = folder / "state"

    def masks(self) -> dict[str, str]:
        return {
            path.parent.name: path.read_text().strip()
            for path in (self.root / "proc/irq").glob("*/smp_affinity_list")
        }

    def assert_masks(self, wanted: dict[str, str]) -> None:
        """The kernel of the tree may be writing a file anew at this moment."""
        wait_for(lambda: self.masks() == wanted, seconds=60)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[TrialTree]:
    made = TrialTree(tmp_path)
    yield made
    made.kernel.stop()


WORDS = ("--window", "1s", "--settle", "0s", "--windows", "14", "--learn", "3")


def test_without_a_daemon_it_learns_compares_and_puts_everything_back(tree: TrialTree) -> None:
    before = tree.masks()
    done = subprocess.run(
        command(tree.config, *WORDS, "--json", "--measure", "echo latency 12.5", root=tree.root),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    trial = json.loads(done.stdout)
    assert len(trial["done"]) == 14, done.stderr
    assert trial["result"]["primary"] == "command"
    assert {window["values"]["command"] for window in trial["done"]} == {12.5}
    assert trial["result"]["verdict"] == "no-difference" and done.returncode == 0
    tree.assert_masks(before)
    assert json.loads((tree.state / "trials.json").read_text())[0]["id"] == trial["id"]
    said = subprocess.run(
        [IRQBAL, "decisions", "-c", str(tree.config), "--root", str(tree.root), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert trial["summary"] in said.stdout


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_a_signal_ends_it_and_puts_everything_back(tree: TrialTree, number: int) -> None:
    before = tree.masks()
    words = ("--window", "10m", "--settle", "0s", "--learn", "2")
    process = subprocess.Popen(
        command(tree.config, *words, root=tree.root),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: tree.masks() != before, seconds=60)
        time.sleep(4)
        process.send_signal(number)
        out, _ = process.communicate(timeout=60)
    finally:
        kill(process)
    tree.assert_masks(before)
    assert process.returncode == 1 and "ended by a signal" in out


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.long)]
)
def test_a_signal_while_it_learns_puts_everything_back(tree: TrialTree, number: int) -> None:
    before = tree.masks()
    process = subprocess.Popen(
        command(tree.config, "--learn", "600", root=tree.root), stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: tree.masks() != before, seconds=60)
        process.send_signal(number)
        process.wait(60)
    finally:
        kill(process)
    assert process.returncode == 128 + number
    tree.assert_masks(before)


def test_after_a_kill_restore_puts_everything_back(tree: TrialTree) -> None:
    before = tree.masks()
    words = ("--window", "10m", "--settle", "0s", "--learn", "2")
    process = subprocess.Popen(
        command(tree.config, *words, root=tree.root), stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: tree.masks() != before, seconds=60)
        time.sleep(4)
    finally:
        process.kill()
        process.wait()
    subprocess.run(
        [IRQBAL, "restore", "-c", str(tree.config), "--root", str(tree.root)],
        check=True,
        capture_output=True,
    )
    tree.assert_masks(before)


def test_odd_windows_and_unknown_files_are_refused(tree: TrialTree) -> None:
    for words, text in (
        (("--windows", "7"), "7 is odd"),
        (("--window", "2h"), "not between"),
        (("--against", "nosuch.yaml"), "neither originals nor irqbalance"),
    ):
        done = subprocess.run(
            command(tree.config, *words, root=tree.root),
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode != 0 and text in done.stderr, done.stderr
