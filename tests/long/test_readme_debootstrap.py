"""The README followed word by word on a bare Debian 12: what it says is missing is all that is
missing.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

import machine
from long.bare import TOP, Bare

pytestmark = [pytest.mark.root("mounts a Debian of its own"), pytest.mark.timeout(3600)]

README = (TOP / "README.md").read_text()
SOURCE = "/home/person/irqbal"
AS_PERSON = "exec setpriv --reuid person --regid person --clear-groups env HOME=/home/person"
TRIED = (
    "test_cpuset.py",
    "test_metrics.py",
    "test_machine.py",
    "test_service.py and (scripts or alerts or systemd)",
    "test_dashboard.py and (shows or page)",
    "test_lab.py",
)
"""Of `make test`: enough to see that pytest and its plugins, the tools besides Python, this
machine's IRQs, a browser and the kernel under QEMU are all there. The whole takes a quarter of an
hour, and is the same.
"""


def commands() -> list[str]:
    """The commands of the README's first block, without their comments."""
    block = re.search(r"^```sh\n(.*?)^```$", README, re.M | re.S)
    assert block is not None
    return [line.split("#")[0].strip() for line in block[1].splitlines()]


def lacking() -> str:
    """The command that installs what a bare Debian lacks, as the README has it."""
    found = re.search(r"bare Debian lacks \w+ things: `([^`]+)`", README)
    assert found is not None
    return found[1]


def run_for_a_while(bare: Bare, script: str, log: Path) -> str:
    """Start it, wait until it is ready, end it as Ctrl-C does, and return what it wrote."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            bare.words(script),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        machine.wait_for(
            lambda: "ready:" in log.read_text() or process.poll() is not None, log, 600
        )
        with urllib.request.urlopen("http://127.0.0.1:8080/readyz", timeout=10) as answer:
            assert answer.status == 200
        # A cycle each ten seconds: one more than the first.
        time.sleep(12)
        assert process.poll() is None, log.read_text()[-3000:]
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
    finally:
        machine.kill(process)
    return log.read_text()


def test_both_commands_work(bare: Bare, tmp_path: Path) -> None:
    run, test = commands()
    assert (run, test) == ("make run", "make test")
    before = machine.masks()
    bare.run("useradd --create-home person")
    # What is installed asks whether it may: a person says yes.
    bare.run(f"echo y | sh -c '{lacking()}'")
    bare.copy_source(SOURCE)
    bare.run(f"chown -R person:person {SOURCE}")
    try:
        said = run_for_a_while(bare, f"cd {SOURCE}; {AS_PERSON} {run}", tmp_path / "person")
        assert "not root: a dry run, nothing is written" in said
        assert machine.masks() == before
        said = run_for_a_while(bare, f"cd {SOURCE}; exec {run}", tmp_path / "root")
        assert "dry run" not in said
        bare.run(f"cd {SOURCE}; .venv/bin/irqbal restore")
        assert machine.masks() == before
        words = " or ".join(f"({name})" for name in TRIED)
        said = bare.run(f"cd {SOURCE}; {test}", timeout=3000, PYTEST_ADDOPTS=f"-k '{words}'")
        assert re.search(r"^=+ \d+ passed, \d+ deselected", said, re.M), said[-3000:]
    finally:
        machine.put_back(before)
