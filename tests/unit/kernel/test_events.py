"""What the kernel announces by netlink, parsed and seen for real in a network namespace of the
test's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from irqbal.kernel.events import Events, parse_uevent
from places import TOP

ROOT = TOP
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"),
    reason="a network namespace needs root and iproute2",
)


def _uevent(action: str, subsystem: str, path: str = "/devices/x") -> bytes:
    fields = [
        f"{action}@{path}",
        f"ACTION={action}",
        f"DEVPATH={path}",
        f"SUBSYSTEM={subsystem}",
        "SEQNUM=7",
    ]
    return "\0".join(fields).encode() + b"\0"


@pytest.mark.parametrize(
    ("action", "subsystem", "about"),
    [
        ("online", "cpu", {"cpu"}),
        ("offline", "cpu", {"cpu"}),
        ("add", "cpu", {"cpu"}),
        ("change", "cpu", set()),
        ("add", "net", {"device"}),
        ("remove", "net", {"device"}),
        ("move", "net", {"device"}),
        ("bind", "pci", {"device"}),
        ("unbind", "virtio", {"device"}),
        ("add", "nvme", {"device"}),
        ("add", "queues", {"device"}),
        ("add", "module", {"device"}),
        ("add", "input", set()),
        ("change", "block", set()),
        ("add", "usb", set()),
    ],
)
def test_uevents(action: str, subsystem: str, about: set[str]) -> None:
    assert parse_uevent(_uevent(action, subsystem)) == about


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        b"=",
        b"libudev\0\xfe\xed\xca\xfe",
        b"add@/x\0ACTION\0SUBSYSTEM=net\0",
        b"\xff" * 99,
    ],
)
def test_what_is_no_uevent_is_about_nothing(data: bytes) -> None:
    assert parse_uevent(data) == set()


def test_value_with_an_equals_sign() -> None:
    assert parse_uevent(b"add@/x\0ACTION=add\0SUBSYSTEM=net\0X=a=b\0") == {"device"}


def test_sockets_open_here() -> None:
    events = Events()
    try:
        assert len(events.sockets) + len(events.missing) == 3
        assert all(events.drain(sock) is not None for sock in events.sockets)
    finally:
        events.close()
    assert events.sockets == []


def test_socket_that_was_closed_is_not_waited_for() -> None:
    """Any error but an overflow used to be tried again for ever."""
    events = Events()
    sock = events.sockets[0]
    sock.close()
    assert events.drain(sock) == {"cpu", "device", "link"}
    events.close()


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


@needs_root
def test_link_that_comes_is_seen() -> None:
    """A new interface is announced twice: as a link by rtnetlink, and as a device by its uevent."""
    assert _announced("ip tuntap add dev tun9 mode tun") >= {"link", "device"}


@needs_root
def test_link_that_goes_up_is_seen() -> None:
    assert "link" in _announced("ip link set lo up")


@needs_root
def test_links_of_other_namespaces_are_not_seen() -> None:
    # Links of other namespaces are none of ours; other uevents of the host reach every namespace.
    assert "link" not in _announced("true")


@needs_root
@pytest.mark.skipif(not shutil.which("ethtool"), reason="needs ethtool")
def test_ethtools_changes_are_seen() -> None:
    command = (
        "ip tuntap add dev tun9 mode tun && ethtool -K tun9 gro off && ethtool --set-ring "
        "tun9 rx 1 || true"
    )
    assert "ethtool" in _announced(command)


@needs_root
def test_overflow_means_that_everything_may_have_changed() -> None:
    command = (
        "for i in $(seq 400); do echo link set lo up; echo link set lo down; done | ip -batch -"
    )
    assert _announced(command) == {"cpu", "device", "link"}
