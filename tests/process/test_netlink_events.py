"""What the kernel announces by netlink, in a network namespace of the test's own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from places import TOP

ROOT = TOP


pytestmark = pytest.mark.root("a network namespace")

SEEN = """
import select, subprocess, sys
from irqbal.kernel.events import Events
events = Events()
for sock in events.sockets:
    events.drain(sock)
subprocess.run(sys.argv[1], shell=True, check=True)
about = set()
while True:
    ready, _, _ = select.select(events.sockets, [], [], 0.5)
    if not ready:
        break
    for sock in ready:
        about |= events.drain(sock)
events.close()
print(*sorted(about))
"""


def _announced(command: str) -> set[str]:
    words = ["unshare", "-n", sys.executable, "-c", SEEN, command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_link_that_comes_is_seen() -> None:
    """A new interface is announced twice: as a link by rtnetlink, and as a device by its uevent."""
    assert _announced("ip tuntap add dev tun9 mode tun") >= {"link", "device"}


def test_link_that_goes_up_is_seen() -> None:
    assert "link" in _announced("ip link set lo up")


def test_links_of_other_namespaces_are_not_seen() -> None:
    # Links of other namespaces are none of ours; other uevents of the host reach every namespace.
    assert "link" not in _announced("true")


def test_ethtools_changes_are_seen() -> None:
    command = (
        "ip tuntap add dev tun9 mode tun && ethtool -K tun9 gro off && ethtool --set-ring "
        "tun9 rx 1 || true"
    )
    assert "ethtool" in _announced(command)


def test_overflow_means_that_everything_may_have_changed() -> None:
    command = (
        "for i in $(seq 400); do echo link set lo up; echo link set lo down; done | ip -batch -"
    )
    assert _announced(command) == {"cpu", "device", "link"}
