"""`irqbal import-irqbalance` on the files that distributions ship, on every option, and with policy
scripts of all kinds.
"""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from irqbal.config.reader import parse
from irqbal.cpuset import CpuSet
from irqbal.imported.environment import parse_environment, read_settings
from irqbal.imported.script import run
from irqbal.problems import without_lines
from machine import irqbal
from places import TESTS
from trees import Disk, Nic, Tree, TreeSpec, make_tree

FILES = TESTS / "unit/imported/irqbalance"


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


def test_the_file_is_found_where_distributions_keep_it(tree: Tree) -> None:
    assert "neither" in irqbal("import-irqbalance", "--root", str(tree.folder), check=3).stderr
    for place in ("etc/sysconfig", "etc/default"):
        (tree.folder / place).mkdir(parents=True)
        (tree.folder / place / "irqbalance").write_text("IRQBALANCE_BANNED_CPULIST=3\n")
        assert (
            f"# From {tree.folder / place}/irqbalance"
            in irqbal("import-irqbalance", "--root", str(tree.folder)).stdout
        )


def test_drop_ins_are_read_beside_the_file(tree: Tree) -> None:
    folder = tree.folder / "etc/systemd/system/irqbalance.service.d"
    folder.mkdir(parents=True)
    (folder / "override.conf").write_text(
        '[Service]\nEnvironment="IRQBALANCE_BANNED_CPULIST=3" COLOUR=red\n'
    )
    (tree.folder / "etc/default").mkdir(parents=True)
    (tree.folder / "etc/default/irqbalance").write_text("IRQBALANCE_ARGS=--interval=5\n")
    done = irqbal("import-irqbalance", "--root", str(tree.folder), check=1)
    config = parse(done.stdout, "x")
    assert (str(config.banned_cpus), str(config.interval)) == ("3", "5s")
    assert f"# {folder}/override.conf: line 2: COLOUR=red: not understood" in done.stdout


def test_a_packages_drop_in_counts_unless_the_administrator_has_one_of_its_name(tree: Tree) -> None:
    for place, name, cpus in (
        ("usr/lib", "10-package.conf", "1"),
        ("usr/local/lib", "20-local.conf", "2"),
        ("etc", "20-local.conf", "3"),
    ):
        folder = tree.folder / place / "systemd/system/irqbalance.service.d"
        folder.mkdir(parents=True)
        (folder / name).write_text(f"[Service]\nEnvironment=IRQBALANCE_BANNED_CPULIST={cpus}\n")
        config = parse(irqbal("import-irqbalance", "--root", str(tree.folder)).stdout, "x")
        assert str(config.banned_cpus) == cpus


def test_another_programs_file_is_an_error(tree: Tree) -> None:
    other = tree.folder.parent / "fstab"
    other.write_text("UUID=1 / ext4 defaults 0 1\n")
    done = irqbal("import-irqbalance", "--root", str(tree.folder), str(other), check=3)
    assert done.stdout == "" and "says nothing of irqbalance" in done.stderr


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
    assert "line 6: IRQBALANCE_BANNED_CPULIST=-: IRQBALANCE_BANNED_CPUS is set too" in text
    assert read_settings(
        parse_environment((FILES / "openshift-pinned").read_text())
    ).banned == CpuSet.parse("2-3,34-35")


def test_every_option_has_an_equivalent_or_a_comment(tree: Tree) -> None:
    text = imported(tree, FILES / "busy", check=1)
    config = parse(text, "x")
    assert (str(config.banned_cpus), str(config.interval)) == ("0-7", "5s")
    rules = without_lines(config.policies[1].options)
    assert rules == {
        "rules": [
            {"irq": "9", "leave": "true"},
            {"irq": "4242", "leave": "true"},
            {"driver": "*igb*", "leave": "true"},
            {"irq": "*igb*", "leave": "true"},
        ]
    }
    assert without_lines(config.policies[3].options) == {"min_gain": "25%"}
    for said in (
        "line 1: IRQBALANCE_ONESHOT=: no key does this: run `irqbal apply`",
        "line 3: IRQBALANCE_BANNED_CPULIST=0-1, 7: ",
        "line 4: IRQBALANCE_DEBUG=1",
        "line 5: IRQBALANCE_COLOUR=red: not understood, left out",
        "line 6: --powerthresh=2: needs",
        "line 6: --hintpolicy=exact: ",
        "line 6: --deepestcache=2: ",
        "line 6: --foreground: ",
        "line 6: --journal: ",
        "line 6: --pid=/run/x: ",
        "line 6: --banirq=many: left out",
        "line 6: more: not understood, left out: no argument of irqbalance",
        "--banirq=4242; no such IRQ here now",
    ):
        assert said in text, said


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
    rules = without_lines(parse(text, "x").policies[1].options)
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


@pytest.mark.root("only root has something to drop")
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
    assert time.monotonic() - started < 50
    assert [answer.trouble for answer in hangs] == ["it took longer than 0.2 s"] * 3 + [
        "not run: it took too long for 3 IRQs"
    ] * 6
    (fails,) = run(script(tmp_path, "echo ban=true; exit 3"), {1: "/sys"})
    assert (fails.output, fails.trouble) == (
        "",
        "it ended with status 3, so its output is ignored",
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


def test_a_script_that_is_not_there_is_a_comment(tree: Tree) -> None:
    assert (
        "the policy script /no/such/script cannot be read: No such file or directory"
        in imported(tree, args(tree, "-l /no/such/script"), check=1)
    )
