"""`irqbal simulate` as a person runs it: the real policies in their process, on a host that is made
up.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from machine import irqbal

HOST = ("--host", "1x8", "--nodes", "2", "--nic", "12x2", "--nvme", "4x1", "--traffic", "skewed")


@pytest.fixture
def configs(tmp_path: Path) -> tuple[str, str]:
    """The default policies with a short interval, and none at all."""
    some, none = tmp_path / "some.yaml", tmp_path / "none.yaml"
    some.write_text("interval: 10s\n")
    none.write_text("interval: 10s\npolicies: []\n")
    return str(some), str(none)


def test_two_configurations_side_by_side(configs: tuple[str, str]) -> None:
    done = irqbal("simulate", *HOST, "--cycles", "12", "-c", configs[0], "-c", configs[1], "--json")
    some, none = json.loads(done.stdout)
    assert (some["config"], none["config"]) == configs and some["cycles"] == 12
    assert some["start"] == none["start"], "the same traffic on both"
    assert (
        none["moves"] == none["moves_at_rest"] == 0
        and none["converged"] == 1
        and none["final"] == none["start"]
    )
    assert some["moves"] > 8 and some["final"] < none["final"] and some["locality"] == 1.0
    assert (
        1.0 <= some["final"] < 1.3
        and some["converged"] > 1
        and some["moves_at_rest"] == 0
        and some["failures"] == []
    )
    assert some["settings"] > 0 and some["refused"] == 0
    table = irqbal("simulate", *HOST, "--cycles", "12", "-c", configs[0], "-c", configs[1]).stdout
    lines = table.splitlines()
    assert lines[0].startswith("1x8x1,nodes=2,nic=12x2,nvme=4x1,traffic=skewed,seed=1,")
    assert configs[0] in lines[1] and configs[1] in lines[1]
    assert any(
        line.split() == ["at", "the", "end", f"{some['final']:.2f}", f"{none['final']:.2f}"]
        for line in lines
    )
    assert any(line.split() == ["moves", str(some["moves"]), "0"] for line in lines)


def test_the_same_seed_gives_the_same_and_the_host_may_be_one_text(
    configs: tuple[str, str],
) -> None:
    def run(*words: str) -> dict[str, object]:
        (result,) = json.loads(
            irqbal("simulate", *words, "--cycles", "6", "-c", configs[0], "--json").stdout
        )
        assert isinstance(result, dict)
        return {key: value for key, value in result.items() if key != "seconds"}

    once = run(*HOST)
    assert once == run("--host", "1x8,nodes=2,nic=12x2,nvme=4x1,traffic=skewed")
    assert once != run(*HOST, "--seed", "2")


def test_hotplug_and_resets_are_survived(configs: tuple[str, str]) -> None:
    done = irqbal(
        "simulate", *HOST[:-1], "steady+reset+unplug", "--cycles", "35", "-c", configs[0], "--json"
    )
    (result,) = json.loads(done.stdout)
    assert result["moves_at_rest"] is None or result["moves_at_rest"] > 0
    assert result["failures"] == [] and 1.0 <= result["mean"] < 2.5 and result["moves"] > 24, (
        "masks were put back"
    )


def test_mistakes_are_sentences_and_status_2(configs: tuple[str, str], tmp_path: Path) -> None:
    for words, said in (
        (("--host", "9"), "'9' is not sockets x cores x threads; for example 2x32x2"),
        (("--nic", "none"), "nic=none is not queues x devices"),
        (("--host", "1x4,seed=3", "--seed", "4"), "seed is given twice"),
        (("--root", str(tmp_path)), "simulate creates its own host: leave --root out"),
        (("-c", str(tmp_path / "missing.yaml")), "missing.yaml"),
        (("-c", "/dev/zero"), "/dev/zero: is larger than 1 MiB"),
        (("--host", ""), "'' is not sockets x cores x threads"),
        (("--history", "--start", "1m", "--end", "2m"), "is not before --end"),
        (("--history", str(tmp_path), "--recorded-by", "a"), "a file holds one host's history"),
    ):
        done = irqbal("simulate", "--cycles", "1", *words, check=2)
        assert said in done.stderr and "Traceback" not in done.stderr and not done.stdout
    for command in ("daemon", "poll"):
        # An empty text is no host; above all it is not this machine.
        assert (
            "'' is not sockets x cores x threads"
            in irqbal(command, "--simulate", "", check=2).stderr
        )
    for source, said in (
        (tmp_path, "is not a file"),
        (tmp_path / "none.sqlite", "name another with --history"),
    ):
        assert said in irqbal("simulate", "--history", str(source), check=3).stderr
    assert "leave --root out" in irqbal("--root", str(tmp_path), "simulate", check=2).stderr


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_full_disk_is_a_sentence(configs: tuple[str, str], form: tuple[str, ...]) -> None:
    words = [
        sys.executable,
        "-m",
        "irqbal",
        "simulate",
        "--host",
        "1x2",
        "--cycles",
        "2",
        "-c",
        configs[1],
        *form,
    ]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            words, check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (
        3,
        "irqbal: the output cannot be written: No space left on device\n",
    )


def test_a_tree_can_be_read_by_the_other_commands(tmp_path: Path) -> None:
    tree = str(tmp_path / "tree")
    assert "nic=2x1" in irqbal("simulate", "--host", "1x4", "--nic", "2", "--tree", tree).stdout
    shown = json.loads(irqbal("topology", "--json", "--root", tree).stdout)
    assert len(shown["cpus"]) == 4 and [device["driver"] for device in shown["devices"]] == ["ice"]
    assert "is not empty" in irqbal("simulate", "--host", "1x4", "--tree", tree, check=3).stderr


def test_any_seed_is_balanced_and_then_left_alone() -> None:
    """Costs are spread over ten from queue to queue; the drives' queues cannot be moved. Seen: 1.02
    to 1.05, and no moves at rest.
    """
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    for traffic in ("steady", "skewed"):
        host = f"1x16x2,nic=32x2,nvme=32x2,traffic={traffic},seed={seed}"
        (result,) = json.loads(
            irqbal("simulate", "--host", host, "--cycles", "45", "--json").stdout
        )
        assert result["final"] <= 1.15 and result["locality"] == 1.0, result
        assert result["moves_at_rest"] is not None and result["moves_at_rest"] <= 8, result
