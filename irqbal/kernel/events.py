"""Events that the kernel sends by netlink: CPUs and devices that appear or disappear, changes of
network links, and changes of queues by ethtool.

Three sockets: NETLINK_KOBJECT_UEVENT (group 1: the kernel's own uevents), NETLINK_ROUTE
(RTMGRP_LINK), and NETLINK_GENERIC with the multicast group `monitor` of the family `ethtool`
(Documentation/networking/ethtool-netlink.rst). Each is optional: without it, the next pulse finds
the change.
"""

from __future__ import annotations

import errno
import logging
import socket
import struct

from irqbal.kernel.generic_netlink import NETLINK_GENERIC, multicast_group

log = logging.getLogger(__name__)

_NETLINK_ROUTE, _NETLINK_KOBJECT_UEVENT = 0, 15
_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP = 270, 1
_RTMGRP_LINK = 1
_RTM_NEWLINK, _RTM_DELLINK = 16, 17
_SUBSYSTEMS = {
    b"cpu",
    b"pci",
    b"net",
    b"queues",
    b"virtio",
    b"nvme",
    b"platform",
    b"drivers",
    b"module",
}


class Events:
    """The open netlink sockets. The owner waits until one of `sockets` is readable, and then calls
    `drain`. `missing` names the sockets that could not be opened, each with the reason.
    """

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.missing: list[str] = []
        self._kinds: dict[int, str] = {}
        self._open("uevent", _NETLINK_KOBJECT_UEVENT, 1)
        self._open("link", _NETLINK_ROUTE, _RTMGRP_LINK)
        self._open_ethtool()

    def _open(self, kind: str, protocol: int, groups: int) -> socket.socket | None:
        try:
            kind_of_socket = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            sock = socket.socket(socket.AF_NETLINK, kind_of_socket, protocol)
        except OSError as error:
            self.missing.append(f"{kind} ({error.strerror})")
            return None
        try:
            sock.bind((0, groups))
        except OSError as error:
            sock.close()
            self.missing.append(f"{kind} ({error.strerror})")
            return None
        self.sockets.append(sock)
        self._kinds[sock.fileno()] = kind
        return sock

    def _open_ethtool(self) -> None:
        sock = self._open("ethtool", NETLINK_GENERIC, 0)
        if sock is None:
            return
        try:
            # Only the answer can arrive before the group is joined, so this read may block.
            sock.settimeout(1.0)
            group = multicast_group(sock, b"ethtool", b"monitor")
            sock.setblocking(False)
            sock.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, group)
        except (OSError, struct.error) as error:
            self.sockets.remove(sock)
            sock.close()
            self.missing.append(f"ethtool ({error})")

    def drain(self, sock: socket.socket) -> set[str]:
        """Read all messages that wait on a socket. Returns the kinds of change that they report:
        `cpu`, `device`, `link`, `ethtool`. After an overflow (ENOBUFS) messages are lost, so all
        kinds but `ethtool` are returned.
        """
        kind = self._kinds.get(sock.fileno(), "uevent")
        seen: set[str] = set()
        while True:
            try:
                data = sock.recv(1 << 16)
            except BlockingIOError:
                return seen
            except OSError as error:
                seen |= {"cpu", "device", "link"}
                if error.errno != errno.ENOBUFS:
                    return seen
                continue
            if not data:
                return seen
            if kind == "uevent":
                seen |= parse_uevent(data)
            elif kind == "link":
                seen |= {"link"} if _is_link(data) else set()
            else:
                seen.add("ethtool")

    def close(self) -> None:
        """Close all sockets."""
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()


def parse_uevent(data: bytes) -> set[str]:
    """The kinds of change that a kernel uevent (`ACTION@DEVPATH`, then `KEY=VALUE`, NUL-separated)
    reports; empty for events that irqbal ignores.
    """
    fields = dict(part.split(b"=", 1) for part in data.split(b"\0") if b"=" in part)
    subsystem, action = fields.get(b"SUBSYSTEM", b""), fields.get(b"ACTION", b"")
    if subsystem == b"cpu":
        return {"cpu"} if action in (b"online", b"offline", b"add", b"remove") else set()
    if subsystem in _SUBSYSTEMS and action in (
        b"add",
        b"remove",
        b"bind",
        b"unbind",
        b"move",
        b"online",
        b"offline",
    ):
        return {"device"}
    return set()


def _is_link(data: bytes) -> bool:
    """Whether an rtnetlink message reports a new, changed or removed link."""
    return len(data) >= 6 and struct.unpack_from("=H", data, 4)[0] in (_RTM_NEWLINK, _RTM_DELLINK)
