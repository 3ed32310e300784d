"""The service on Debian 13, whose systemd (257) gives each policy host PIDs of its own, and whose
Python is 3.13.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

import machine
from long.bare import Bare, bare_debian

pytestmark = [pytest.mark.root("mounts a Debian of its own"), pytest.mark.timeout(1800)]

STRANGER = """
import os
from irqbal import Note, hookimpl

def berlin():
    import zoneinfo
    return zoneinfo.ZoneInfo("Europe/Berlin")

TRIES = {
    "reads the users": lambda: open("/etc/passwd").read(),
    "signals": lambda: os.kill(1, 0),
    "makes a file": lambda: os.open("/tmp/x", os.O_CREAT),
    "forks": os.fork,
    "imports later": berlin,
    "reads its own": lambda: open(__file__).read(),
}

@hookimpl
def irqbal_limit(snapshot):
    yield Note(f"I am process {os.getpid()}")
    for name, attempt in TRIES.items():
        try:
            attempt()
        except OSError as error:
            yield Note(f"{name}: {type(error).__name__}")
        else:
            yield Note(f"{name}: done")
"""
CONFIG = "interval: 1s\ndry_run: true\npolicies: [{}]\n"
OWN = "isolate_cores, spread_by_rate"
INSTALL = """
sh /src/etc/setup_service.sh
packages=$(echo /opt/irqbal/lib/python3*/site-packages)
mkdir $packages/irqbal_stranger-1.dist-info
cd $packages/irqbal_stranger-1.dist-info
printf 'Metadata-Version: 2.1\nName: irqbal-stranger\nVersion: 1\n' > METADATA
printf '[irqbal]\nstranger = irqbal_stranger\n' > entry_points.txt
"""


@pytest.fixture
def debian13(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    before = machine.masks()
    with bare_debian(tmp_path_factory, "trixie") as found:
        yield found
    machine.put_back(before)


def test_the_units_run_each_host_in_a_pid_namespace(debian13: Bare) -> None:
    """A dry run: the IRQs are this machine's."""
    debian13.install("systemd-sysv", "dbus", "python3-venv", "ca-certificates")
    debian13.copy_source("/src")
    config = debian13.root / "etc/irqbal.yaml"
    config.write_text(CONFIG.format(OWN))
    with debian13.booted():
        debian13.run(INSTALL, timeout=900)
        (packages,) = (debian13.root / "opt/irqbal/lib").glob("python3*/site-packages")
        (packages / "irqbal_stranger.py").write_text(STRANGER)
        config.write_text(CONFIG.format(f"stranger, {OWN}"))
        assert "systemd 257" in debian13.run("systemctl --version")
        debian13.run("systemctl daemon-reload; systemctl restart irqbal")
        end = time.monotonic() + machine.WAIT
        text = ""
        while "I am process" not in text and time.monotonic() < end:
            text = debian13.run("journalctl -u irqbal -o cat --no-pager", check=None)
            time.sleep(1)
        assert "I am process 1" in text, text
        for name in ("reads the users", "signals", "makes a file", "forks"):
            assert f"{name}: PermissionError" in text, text
        for name in ("imports later", "reads its own"):
            assert f"{name}: done" in text, text
        assert "PrivatePIDs" not in debian13.run("journalctl -b -o cat --no-pager", check=None)
        for kind in ("planner", "policies"):
            units = debian13.run(
                f"systemctl list-units --plain --no-legend 'irqbal-{kind}@*' | cut -d ' ' -f 1"
            ).split()
            assert len(units) == 1, units
            pid = debian13.run(f"systemctl show -P MainPID {units[0]}").strip()
            status = debian13.run(f"cat /proc/{pid}/status")
            spaces = re.findall(r"^NSpid:\t(.*)$", status, re.M)[0].split()
            assert spaces[-1] == "1" and len(spaces) > 1, spaces
            assert re.search(r"^Uid:\t[1-9]", status, re.M)
        assert "irqbal-hosts.slice" in debian13.run("systemctl list-units --plain 'irqbal*'")
