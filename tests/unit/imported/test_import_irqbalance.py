"""irqbalance's configuration as irqbal's: the files that distributions ship, every option, and
policy scripts of all kinds.
"""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

from builders import cpus, host, lone, nic
from irqbal.config.reader import parse
from irqbal.cpuset import CpuSet
from irqbal.imported.irqbalance import (
    ConvertedLine,
    IrqbalanceSettings,
    Said,
    parse_environment,
    parse_said,
    read,
    to_yaml,
)
from irqbal.imported.script import run
from irqbal.problems import plain
from machine import irqbal
from trees import Disk, Nic, Tree, TreeSpec, make_tree

FILES = Path(__file__).parent / "irqbalance"
ROOT = os.geteuid() == 0


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    nic, disk = Nic("igb", "eth0", queues=2, node=1), Disk("nvme", "nvme0", queues=2, node=0)
    return make_tree(tmp_path / "tree", TreeSpec(sockets=2, cores=4, nodes=2, devices=(nic, disk)))


def imported(tree: Tree, file: Path, check: int = 0) -> str:
    """The YAML that comes of a file; `irqbal check` must find it good."""
    text = irqbal(
        "import-irqbalance", "--root", str(tree.folder), str(file), "--timeout", "1", check=check
    ).stdout
    written = tree.folder.parent / "imported.yaml"
    written.write_text(text)
    assert "valid; 4 policies" in irqbal("check", "-c", str(written)).stdout
    return text


def script(folder: Path, body: str, name: str = "policy") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def args(tree: Tree, value: str) -> Path:
    path = tree.folder.parent / "irqbalance"
    path.write_text(f'IRQBALANCE_ARGS="{value}"\n')
    return path


# What distributions ship


@pytest.mark.parametrize("name", ["debian", "fedora"])
def test_a_file_that_sets_nothing_gives_the_defaults(name: str) -> None:
    assert parse_environment((FILES / name).read_text()) == []


def test_the_file_is_found_where_distributions_keep_it(tree: Tree) -> None:
    assert "neither" in irqbal("import-irqbalance", "--root", str(tree.folder), check=3).stderr
    for place in ("etc/sysconfig", "etc/default"):
        (tree.folder / place).mkdir(parents=True)
        (tree.folder / place / "irqbalance").write_text("IRQBALANCE_BANNED_CPULIST=3\n")
        assert (
            f"# From {tree.folder / place}/irqbalance"
            in irqbal("import-irqbalance", "--root", str(tree.folder)).stdout
        )


def test_debians_file_and_openshifts_become_a_valid_configuration(tree: Tree) -> None:
    text = imported(tree, FILES / "debian")
    assert text.splitlines()[1:] == [
        "policies:",
        "  - isolate_cores",
        "  - pin_irqs",
        "  - pin_nic_queues",
        "  - spread_by_rate",
    ]
    text = imported(tree, FILES / "openshift")
    # `-` and a mask of 0 say that no CPU is banned, not even an isolated one.
    assert parse(text, "x").banned_cpus == CpuSet() and "isolate_cores: {kernel: false}" in text
    assert "line 7: IRQBALANCE_BANNED_CPUS=0: IRQBALANCE_BANNED_CPULIST is set too" in text
    assert read(parse_environment((FILES / "openshift-pinned").read_text())).banned == CpuSet.parse(
        "2-3,34-35"
    )


# Every option


def test_every_option_has_an_equivalent_or_a_comment(tree: Tree) -> None:
    text = imported(tree, FILES / "busy")
    config = parse(text, "x")
    assert (str(config.banned_cpus), str(config.interval)) == ("0-1,7", "5s")
    rules = plain(config.policies[1].options)
    assert rules == {
        "rules": [
            {"irq": "9", "leave": "true"},
            {"irq": "4242", "leave": "true"},
            {"driver": "*igb*", "leave": "true"},
            {"irq": "*igb*", "leave": "true"},
        ]
    }
    assert plain(config.policies[3].options) == {"min_gain": "25%"}
    for said in (
        "line 1: IRQBALANCE_ONESHOT=: no key does this: run `irqbal apply`",
        "line 2: IRQBALANCE_BANNED_CPUS=ff: ",
        "line 4: IRQBALANCE_DEBUG=1",
        "line 5: IRQBALANCE_COLOUR=red: irqbalance does not know it",
        "line 6: --powerthresh=2: needs",
        "line 6: --hintpolicy=exact: ",
        "line 6: --deepestcache=2: ",
        "line 6: --foreground: ",
        "line 6: --journal: ",
        "line 6: --pid=/run/x: ",
        "line 6: --banirq=many: left out",
        "line 6: more: irqbalance takes no such argument",
        "--banirq=4242; no such IRQ here now",
    ):
        assert said in text, said


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


def test_a_policy_scripts_words_become_rules(tree: Tree, tmp_path: Path) -> None:
    body = f"""
case $(cat "$1/class") in
  0x02*) echo numa_node=0; echo balance_level=core;;
  *) [ "$2" = {tree.number("nvme0q0")} ] && echo ban=TRUE; echo colour=red;;
esac"""
    tree.folder.chmod(0o755)
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    text = imported(tree, args(tree, f"--policyscript={script(tmp_path, body)}"))
    rules = plain(parse(text, "x").policies[1].options)
    assert isinstance(rules, dict)
    assert {"irq": "nvme0q0", "leave": "true"} in rules["rules"]
    devices = json.loads(irqbal("topology", "--json", "--root", str(tree.folder)).stdout)["devices"]
    address = next(
        device["address"] for device in devices if "eth0" in device.get("interfaces", ())
    )
    assert {"device": address, "node": "0"} in rules["rules"] and len(rules["rules"]) == 2
    assert (
        "balance_level=core: no key does this" in text and "'colour=red' is not understood" in text
    )


@pytest.mark.skipif(not ROOT, reason="only root has something to drop")
def test_a_script_has_no_root_no_network_and_may_lie_where_only_root_reads(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    body = (
        f"id -u; wc -l < /proc/net/dev; cat /etc/shadow; echo x > {tmp_path}/here && echo "
        "wrote; grep -h NoNewPrivs /proc/self/status"
    )
    (answer,) = run(script(tmp_path, body), {7: "/sys"})
    uid, devices, privileges = answer.output.split("\n")[:3]
    assert uid != "0" and devices.strip() == "3", "the headings and lo"
    assert (
        privileges.split() == ["NoNewPrivs:", "1"]
        and not (tmp_path / "here").exists()
        and answer.trouble == ""
    )


def test_a_script_that_hangs_fails_or_floods_is_told_and_ends_in_time(
    tree: Tree, tmp_path: Path
) -> None:
    started = time.monotonic()
    hangs = list(run(script(tmp_path, "sleep 60 & sleep 60"), dict.fromkeys(range(9), "/sys"), 0.2))
    assert time.monotonic() - started < 5
    assert [answer.trouble for answer in hangs] == ["it took longer than 0.2 s"] * 3 + [
        "not asked: it took too long for 3 IRQs"
    ] * 6
    (fails,) = run(script(tmp_path, "echo ban=true; exit 3"), {1: "/sys"})
    assert (fails.output, fails.trouble) == (
        "",
        "it ended with status 3, so what it said is ignored",
    )
    (floods,) = run(
        script(tmp_path, "while echo ban=true; do :; done 2>/dev/null; exit 0"), {1: "/sys"}, 5
    )
    assert len(floods.output) <= 1 << 16
    path = args(tree, f"-l {script(tmp_path, 'sleep 9')}")
    assert "it took longer than 1 s" in imported(tree, path, check=1)


def test_in_a_folder_the_first_script_with_an_opinion_counts(tmp_path: Path) -> None:
    folder = tmp_path / "policy.d"
    folder.mkdir()
    script(folder, "exit 1", "1-none")
    script(folder, "exit 2", "2-broken")
    script(folder, '[ "$2" = 5 ] || exit 1; echo ban=true', "3-five")
    script(folder, "echo numa_node=1", "4-rest")
    (folder / "0-text").write_text("not executable")
    first, second = run(folder, {5: "/sys", 6: "/sys/x"})
    assert (first.output, second.output) == ("ban=true\n", "numa_node=1\n")
    assert not (folder / "0-text").stat().st_mode & stat.S_IXUSR


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


def test_a_script_that_is_not_there_is_a_comment(tree: Tree) -> None:
    assert "the policy script /no/such/script is not an executable file" in imported(
        tree, args(tree, "-l /no/such/script"), check=1
    )


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
