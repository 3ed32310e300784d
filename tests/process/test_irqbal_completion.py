"""Tab after `irqbal`: names of the host and of its history, quickly, and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from machine import IRQBAL
from recorded import record
from trees import Disk, Nic, Tree, TreeSpec, make_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    nic, disk = Nic("ice", "eth0", queues=2), Disk("nvme", "nvme0", queues=2)
    return make_tree(
        tmp_path_factory.mktemp("tree"), TreeSpec(sockets=1, cores=4, devices=(nic, disk))
    )


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("config")
    (folder / "state").mkdir()
    record(folder / "state/history.sqlite")
    path = folder / "irqbal.yaml"
    path.write_text(f"state_dir: {folder / 'state'}\n")
    return str(path)


def completed(line: str, shell: str = "bash", **env: str) -> list[str]:
    """What Tab offers at the end of this line; there must be nothing on standard error."""
    words = line.split(" ")
    done = subprocess.run(
        [IRQBAL],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "_IRQBAL_COMPLETE": f"{shell}_complete",
            "COMP_TEXT": line,
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
            **env,
        },
    )
    assert done.stderr == "", done.stderr
    if shell == "bash":
        return [item.partition(",")[2] for item in done.stdout.splitlines() if item]
    return done.stdout.splitlines()[1::3]


def test_irqs_of_the_host_below_the_root(tree: Tree) -> None:
    number = tree.number("ice-eth0-TxRx-1")
    found = completed(f"irqbal explain --root {tree.folder} ")
    assert {str(number), "ice-eth0-TxRx-1"} <= set(found)
    assert completed(f"irqbal --root {tree.folder} explain ice-eth0-TxRx-") == [
        "ice-eth0-TxRx-0",
        "ice-eth0-TxRx-1",
    ]


def test_budgets_are_for_rows_softirqs_and_irqs(tree: Tree) -> None:
    found = completed(f"irqbal verify --root {tree.folder} --isolation 1 --allow ")
    assert {"all=", "LOC=", "NET_RX=", "ice-eth0-TxRx-1="} <= set(found)
    assert completed(f"irqbal verify --root {tree.folder} --allow LO") == ["LOC="]


def test_irqs_and_devices_of_the_history(config: str) -> None:
    for command in ("history", "decisions"):
        found = completed(f"irqbal {command} -c {config} ")
        assert {"all", "eth0", "24", "30", "ice-eth0-TxRx-0", "0000:01:00.0"} <= set(found)
    # bash replaces only what stands behind the last colon.
    assert completed(f"irqbal history -c {config} 0000:01") == ["01:00.0"]
    assert completed(f"irqbal history -c {config} 0000:01", "zsh") == ["0000\\:01\\:00.0"]
    store = str(Path(config).parent / "state/history.sqlite")
    assert "nvme0q1" in completed(f"irqbal history --store {store} nv")


def test_without_a_history_the_hosts_own_are_offered(tree: Tree, tmp_path: Path) -> None:
    config = tmp_path / "irqbal.yaml"
    config.write_text(f"state_dir: {tmp_path}\n")
    found = completed(f"irqbal history --root {tree.folder} -c {config} ")
    assert {"all", "eth0", "ice-eth0-TxRx-0"} <= set(found)


def test_made_up_hosts_and_traffic() -> None:
    assert "2x16x2" in completed("irqbal daemon --simulate 2x16")[0]
    assert completed("irqbal poll --simulate 2x8,no") == ["2x8,nodes="]
    assert completed("irqbal simulate --host 2x8,nodes=2,traffic=sk") == ["skewed"]
    assert completed("irqbal simulate --traffic sk") == ["skewed"]
    assert completed("irqbal simulate --traffic skewed+") == ["skewed+reset", "skewed+unplug"]


def test_commands_and_tokens(config: str) -> None:
    assert completed("irqbal to") == ["topology", "token"]
    assert completed("irqbal token re") == ["revoke"]
    subprocess.run([IRQBAL, "token", "add", "grafana", "-c", config], check=True)
    assert completed(f"irqbal token revoke -c {config} ") == ["grafana"]


@pytest.mark.parametrize(
    "line",
    [
        "irqbal explain --root {tmp} ",
        "irqbal history -c /nonexistent/x.yaml --root {tmp} ",
        "irqbal history -c {bad} --root {tmp} ",
        "irqbal history --store {bad} --root {tmp} ",
        "irqbal history --store {tmp} --root {tmp} ",
        "irqbal history --store mongodb://127.0.0.1:1/x --root {tmp} ",
        "irqbal token revoke -c {bad} ",
        "irqbal token revoke -c /nonexistent/x.yaml ",
        'irqbal explain "',
    ],
)
def test_what_is_missing_or_damaged_is_not_offered(line: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"\x00\xff: [")
    found = completed(line.format(tmp=tmp_path, bad=tmp_path / "bad"))
    assert set(found) <= {"all"} or line.endswith('"')


def test_a_hostile_name_runs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "sys/kernel/irq/24"
    folder.mkdir(parents=True)
    (folder / "actions").write_text("$(touch x) `a`;b,\x1b[2Jc\n")
    assert completed(f"irqbal explain --root {tmp_path} $") == ["\\$\\(touch\\ x\\)\\ \\`a\\`\\;b"]
    assert completed(f"irqbal explain --root {tmp_path} \x1b") == []


@pytest.mark.parametrize("words", ["ex", "explain ", "history ", "daemon --simulate 2x"])
def test_tab_is_quick(words: str, tree: Tree) -> None:
    """A fifth to a third of a second is seen on two CPUs; heavy modules would show."""
    started = time.monotonic()
    completed(f"irqbal --root {tree.folder} {words}")
    assert time.monotonic() - started < 5
    script = (
        "import sys\n"
        "sys.argv = ['irqbal']\n"
        "try:\n    from irqbal.cli.main import main; main()\n"
        "except SystemExit:\n    pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "_IRQBAL_COMPLETE": "bash_complete",
            "COMP_TEXT": f"irqbal --root {tree.folder} {words}",
        },
    )
    roots = {name.split(".")[0] for name in done.stderr.split()}
    assert not roots & {"tornado", "pymongo", "textual", "prometheus_client"}
    assert "irqbal.service.daemon" not in done.stderr.split()
