"""Generic netlink: requests, attributes, families and multicast groups
(Documentation/userspace-api/netlink/intro.rst).
"""

from __future__ import annotations

import itertools
import socket
import struct
import sys
from collections.abc import Iterator

NETLINK_GENERIC = 16
_CONTROL, _GETFAMILY = 16, 3
_FAMILY_ID, _FAMILY_NAME, _MCAST_GROUPS = 1, 2, 7
_GROUP_NAME, _GROUP_ID = 1, 2
_REQUEST, _DUMP = 1, 0x300
_ERROR, _DONE = 2, 3
_sequence = itertools.count(1)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of each attribute."""
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3


def request(
    sock: socket.socket, family: int, command: int, payload: bytes = b"", dump: bool = False
) -> Iterator[bytes]:
    """Send a request; yields the attributes of each answer. Raises OSError if the kernel refuses it
    or does not answer in time.
    """
    flags = _REQUEST | (_DUMP if dump else 0)
    number = next(_sequence) & 0xFFFFFFFF
    sock.send(
        struct.pack("=IHHIIBBH", 20 + len(payload), family, flags, number, 0, command, 1, 0)
        + payload
    )
    while True:
        data = sock.recv(1 << 18)
        at = 0
        while at + 16 <= len(data):
            length, kind, _, answers = struct.unpack_from("=IHHI", data, at)
            if length < 16:
                return
            if answers != number:
                # An answer to an earlier dump that was abandoned.
                at += (length + 3) & ~3
                continue
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = struct.unpack_from("=i", data, at + 16)[0]
                if code:
                    raise OSError(-code, "netlink")
                return
            yield data[at + 20 : at + length]
            at += (length + 3) & ~3
            if not dump:
                return


def _family(sock: socket.socket, name: bytes) -> dict[int, bytes]:
    """The attributes of a family. Raises OSError (ENOENT) if there is none of that name."""
    text = name + b"\0"
    payload = struct.pack("=HH", 4 + len(text), _FAMILY_NAME) + text + b"\0" * (-len(text) % 4)
    for body in request(sock, _CONTROL, _GETFAMILY, payload):
        return dict(attributes(body))
    return {}


def family_id(sock: socket.socket, name: bytes) -> int:
    """The number of a family; 0 if the kernel has none of that name."""
    try:
        return int.from_bytes(_family(sock, name).get(_FAMILY_ID, b""), sys.byteorder)
    except OSError:
        return 0


def multicast_group(sock: socket.socket, family: bytes, group: bytes) -> int:
    """The number of a family's multicast group. Raises OSError if this kernel lacks either."""
    for _, body in attributes(_family(sock, family).get(_MCAST_GROUPS, b"")):
        found = dict(attributes(body))
        if found.get(_GROUP_NAME, b"").rstrip(b"\0") == group:
            return int.from_bytes(found[_GROUP_ID], sys.byteorder)
    raise OSError(f"the netlink family {family.decode()} has no group {group.decode()}")
