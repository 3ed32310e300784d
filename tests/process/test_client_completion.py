"""What happens before a command runs: a light start, and Tab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import served
from calls import CLIENT, call


@pytest.fixture(scope="module")
def daemon() -> Iterator[served.Served]:
    with served.serve() as found:
        yield found


def test_the_command_starts_light() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import irqbal.client.cli.main, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    roots = {name.split(".")[0] for name in done.stdout.split()}
    assert not roots & {
        "tornado",
        "asyncio",
        "yaml",
        "sqlite3",
        "pymongo",
        "textual",
        "prometheus_client",
    }


def completed(script: str, lines: Iterable[str], folder: Path) -> dict[str, str]:
    """What bash completes of each line, with the commands of this folder."""
    done = subprocess.run(
        ["bash", "-c", script],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
    )
    return dict(zip(lines, done.stdout.splitlines(), strict=True))


def test_bash_completes_commands_options_and_what_the_daemon_knows(daemon: served.Served) -> None:
    lines = {
        "irqbal-client lo": "localhost",
        "irqbal-client unix:/ru": "/run/irqbal/irqbal.sock",
        f"irqbal-client localhost {daemon.port} ov": "override",
        f"irqbal-client localhost {daemon.port} list-d": "list-devices",
        f"irqbal-client unix:{daemon.socket} - override s": "set",
        f"irqbal-client unix:{daemon.socket} - explain ice-0000:01": "01:00.0:misc",
        f"irqbal-client -o json localhost {daemon.port} history eth": "eth0 eth1",
        f"irqbal-client localhost {daemon.port} status --output=js": "json",
        "irqbal-client localhost 1 explain ": "",
        "irqbal-client completion z": "zsh",
    }
    script = (
        call("completion", "bash").out
        + "while IFS= read -r COMP_LINE; do COMP_POINT=${#COMP_LINE}; COMPREPLY=(); "
        '_irqbal_client_completion irqbal-client; echo "${COMPREPLY[*]}"; done\n'
    )
    assert completed(script, lines, Path(CLIENT).parent) == lines


def test_zsh_and_fish_have_scripts_too() -> None:
    assert call("completion", "zsh").out.startswith("#compdef irqbal-client")
    assert "complete --no-files --command irqbal-client" in call("completion", "fish").out
    assert call("completion", "tcsh").status == 2


def test_the_administrators_command_completes_too() -> None:
    lines = {
        "irqbal po": "poll policies policy",
        "irqbal plan --j": "--json",
        "irqbal completion f": "fish",
        "irqbal nothin": "",
    }
    folder = Path(CLIENT).parent
    script = subprocess.run(
        [folder / "irqbal", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout
    script += (
        "while IFS= read -r COMP_LINE; do COMP_POINT=${#COMP_LINE}; COMPREPLY=(); "
        '_irqbal_completion irqbal; echo "${COMPREPLY[*]}"; done\n'
    )
    assert completed(script, lines, folder) == lines
    for shell in ("zsh", "fish"):
        done = subprocess.run(
            [folder / "irqbal", "completion", shell], capture_output=True, text=True, check=True
        )
        assert "_IRQBAL_COMPLETE" in done.stdout
