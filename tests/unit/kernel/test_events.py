"""What the kernel announces by netlink: how it is parsed."""

from __future__ import annotations

import pytest

from irqbal.kernel.events import Events, parse_uevent


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
