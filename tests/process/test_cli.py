"""Every command as a person runs it: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from archives import extract
from irqbal.cli.main import cli
from machine import irqbal
from places import TOP
from trees import Disk, Nic, Tree, TreeSpec, make_tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two nodes, CPU 7 isolated, a NIC of four queues on node 1, managed NVMe queues on node 0."""
    nic, disk = Nic("ice", "eth0", queues=4, node=1), Disk("nvme", "nvme0", queues=4, node=0)
    return make_tree(
        tmp_path / "tree", TreeSpec(sockets=2, cores=4, nodes=2, isolated="7", devices=(nic, disk))
    )


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "irqbal.yaml"
    path.write_text(f"interval: 1s\nstate_dir: {tmp_path / 'state'}\n")
    return str(path)


def test_every_command_has_help_and_the_readme_has_every_command() -> None:
    readme = (TOP / "README.md").read_text()
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        assert command.help, name
        assert f"`irqbal {name}" in readme, name
        shown = CliRunner().invoke(cli, [name, "--help"])
        assert shown.exit_code == 0 and f"irqbal {name}" in shown.output.replace("cli ", "irqbal ")
        options = {
            option
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--")
        }
        # Completion is the same whatever the host.
        assert name == "completion" or {"--root", "--config", "--debug"} <= options, (
            "common options stand after the command too"
        )
    assert "Exit status" in CliRunner().invoke(cli, ["--help"]).output


def test_root_and_config_stand_before_or_after_the_command(tree: Tree, config: str) -> None:
    root = str(tree.folder)
    first = irqbal("--root", root, "-c", config, "topology").stdout
    assert first == irqbal("topology", "--root", root, "-c", config).stdout
    assert (
        "CPU 7 (isolated by the kernel)" in first
        and "eth0/rxtx-3" in first
        and "not movable" in first
    )
    assert json.loads(irqbal("topology", "--json", "--root", root).stdout)["irqs"]


def test_plan_shows_moves_and_writes_nothing(tree: Tree, config: str) -> None:
    before = {number: tree.affinity(number) for number in tree.lines}
    text = irqbal("plan", "--root", str(tree.folder), "-c", config, "--seconds", "0.1").stdout
    assert (
        "ice-eth0-TxRx-0 (eth0/rxtx-0)" in text
        and "pin_nic_queues" in text
        and "default_smp_affinity: 0-7 -> 0-6" in text
    )
    record = json.loads(
        irqbal(
            "plan", "--json", "--root", str(tree.folder), "-c", config, "--seconds", "0.1"
        ).stdout
    )
    assert {
        move["to"] for move in record["plan"]["moves"] if move["policy"] == "pin_nic_queues"
    } == {"4", "5", "6"}
    assert {number: tree.affinity(number) for number in tree.lines} == before


def test_apply_writes_explain_explains_and_restore_restores(tree: Tree, config: str) -> None:
    root, before = str(tree.folder), {number: tree.affinity(number) for number in tree.lines}
    assert "written" in irqbal("apply", "--root", root, "-c", config, "--seconds", "0.1").stdout
    number = tree.number("ice-eth0-TxRx-1")
    assert str(tree.affinity(number)) == "5"
    assert tree.text(f"proc/irq/{number}/smp_affinity").strip() == "20", (
        "a tree's two forms of a mask are kept in step"
    )
    for name in (str(number), "ice-eth0-TxRx-1", "eth0/rxtx-1"):
        text = irqbal("explain", name, "--root", root, "-c", config).stdout
        assert (
            "isolate_cores" in text
            and "limit" in text
            and "claim (open)" in text
            and "placed     on 5 by pin_nic_queues" in text
        )
    assert (
        "names several IRQs"
        in irqbal("explain", "eth0", "--root", root, "-c", config, check=3).stderr
    )
    assert (
        "there is no IRQ 9999"
        in irqbal("explain", "9999", "--root", root, "-c", config, check=3).stderr
    )
    assert f"IRQ {number} (" in irqbal("restore", "--root", root, "-c", config).stdout
    assert {number: tree.affinity(number) for number in tree.lines} == before
    assert tree.text("proc/irq/default_smp_affinity").strip() == "ff"


def test_verify_lists_what_is_wrong_and_is_content_once_it_is_right(
    tree: Tree, config: str
) -> None:
    root = str(tree.folder)
    tree.place("ice-eth0-TxRx-0", "0-1")
    found = json.loads(
        irqbal("verify", "--json", "--root", root, "-c", config, "--seconds", "0.1", check=1).stdout
    )
    codes = {finding["code"] for finding in found}
    # What the plan moves is not told off for where it is.
    assert {"mask", "steering", "queue-count"} <= codes and "remote-queue" not in codes
    assert all(finding["text"] and finding["advice"] for finding in found)
    path = Path(config)
    path.write_text(path.read_text() + "policies: []\n")
    text = irqbal("verify", "--root", root, "-c", config, "--seconds", "0.1", check=1).stdout
    assert "remote-queue: eth0/rxtx-0" in text and "enable pin_nic_queues" in text
    calm = make_tree(
        tree.folder.parent / "calm", TreeSpec(cores=2, devices=(Nic("ice", "eth0", queues=2),))
    )
    assert (
        "No findings."
        in irqbal("verify", "--root", str(calm.folder), "-c", config, "--seconds", "0.1").stdout
    )


def test_check_tells_every_error_at_once_with_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "interval: soon\nmax_moves: 0\ncolour: blue\npolicies:\n  - spread_by_rate: {min_gain: "
        "lots}\n  - pin_irqs:\n"
        "      rules:\n        - {irq: 'x*', cpus: 3-1}\n"
    )
    done = irqbal("check", "-c", str(path), check=2)
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == [
        f"{path}:{number}" for number in (1, 2, 3, 5, 8)
    ]
    path.write_text(
        "\n".join(["interval: 5s", *path.read_text().splitlines()[3:]]) + "\n  - no_such: {}\n"
    )
    done = irqbal("check", "-c", str(path), check=2)
    assert f"{path}:3: policies[0].spread_by_rate.min_gain: 'lots' is not a share" in done.stderr
    assert f"{path}:6: policies[1].pin_irqs.rules[0].cpus: '3-1' is not a CPU set" in done.stderr
    assert "no_such: no installed package provides it" in done.stderr
    assert irqbal("daemon", "-c", str(path), "--dry-run", check=2).stderr
    assert irqbal("check", "-c", str(tmp_path / "none.yaml"), check=2).stderr
    assert "valid; 4 policies" in irqbal("check", "-c", str(TOP / "etc/irqbal.yaml")).stdout


def test_policies_lists_options_with_defaults_and_meaning(config: str) -> None:
    text = irqbal("policies", "-c", config).stdout
    for name in ("isolate_cores", "pin_irqs", "pin_nic_queues", "spread_by_rate"):
        assert f"{name} (irqbal " in text
    assert (
        'min_gain: move only if the busiest CPU gets at least this much less to do (default "5%")'
        in text
    )
    assert "node: local, or a NUMA node's number: its CPUs" in text
    assert text.count(": enabled") == 4


def test_capture_makes_a_tar_that_irqbal_reads_again(
    tree: Tree, tmp_path: Path, config: str
) -> None:
    out = tmp_path / "host.tar.gz"
    irqbal("capture", str(out), "--root", str(tree.folder))
    assert tarfile.is_tarfile(out)
    extract(out, tmp_path / "again")
    assert (
        irqbal("topology", "--root", str(tmp_path / "again")).stdout
        == irqbal("topology", "--root", str(tree.folder)).stdout
    )


def test_a_folder_that_is_no_host_and_unknown_options_are_refused_in_a_sentence(
    tmp_path: Path,
) -> None:
    done = irqbal("plan", "--root", str(tmp_path), check=3)
    assert "this is no Linux host" in done.stderr and "Traceback" not in done.stderr
    assert irqbal("plan", "--no-such-option", check=2).stderr


def test_output_that_nobody_reads_is_no_traceback(tree: Tree) -> None:
    command = f"{sys.executable} -m irqbal topology --root {tree.folder} | true"
    done = subprocess.run(
        ["sh", "-c", command], check=False, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr


_HIDDEN = """
import importlib.util, os, sys
from importlib.machinery import ModuleSpec
folder = sys.argv[1]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "hidden_policy":
            where = f"{folder}/hidden_policy/__init__.py"
            return importlib.util.spec_from_file_location(name, where, submodule_search_locations=[f"{folder}/hidden_policy"])
sys.meta_path.append(Finder())
import irqbal.plugins.confinement
irqbal.plugins.confinement.confine("policies", ["hidden_policy"])
assert os.getuid() != 0
import hidden_policy.inner
print(hidden_policy.inner.ANSWER)
"""  # noqa: E501


def test_an_editable_install_in_a_folder_of_roots_is_still_imported_without_root(
    tmp_path: Path,
) -> None:
    (tmp_path / "hidden_policy").mkdir()
    (tmp_path / "hidden_policy/__init__.py").write_text("")
    (tmp_path / "hidden_policy/inner.py").write_text("ANSWER = 42\n")
    tmp_path.chmod(0o755)
    tmp_path.parent.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", _HIDDEN, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "42\n", done.stderr


def test_check_tells_all_mistakes_of_all_parts_at_once(tmp_path: Path) -> None:
    config = tmp_path / "bad.yaml"
    config.write_text(
        "dry_rnu: true\ninterval: 0s\nhistory: {every: banana}\npolicies:\n  - isolate_coes\n"
        "  - pin_nic_queues: {cpus: locl, xsp: true}\n  - spread_by_rate: {min_gain: 5}\n"
    )
    done = irqbal("check", "-c", str(config), check=2)
    lines = [line.removeprefix(f"{config}:").split(":")[0] for line in done.stderr.splitlines()]
    assert lines == ["1", "2", "3", "5", "6", "6", "7"], done.stderr
