"""Generic netlink, as far as irqbal asks it for something (Documentation/userspace-api/netlink/intro.rst)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

_CONTROL, _GETFAMILY = 16, 3
_FAMILY_ID, _FAMILY_NAME = 1, 2
_REQUEST, _DUMP = 1, 0x300
_ERROR, _DONE = 2, 3


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of each attribute."""
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3


def request(sock: socket.socket, family: int, command: int, payload: bytes = b"", dump: bool = False) -> Iterator[bytes]:
    """Ask, and give the attributes of each answer. Raises OSError for what the kernel refuses."""
    flags = _REQUEST | (_DUMP if dump else 0)
    sock.send(struct.pack("=IHHIIBBH", 20 + len(payload), family, flags, 1, 0, command, 1, 0) + payload)
    while True:
        data = sock.recv(1 << 18)
        at = 0
        while at + 16 <= len(data):
            length, kind = struct.unpack_from("=IH", data, at)
            if length < 16:
                return
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


def family_id(sock: socket.socket, name: bytes) -> int:
    """The number of a family; 0 where the kernel has none of that name."""
    text = name + b"\0"
    payload = struct.pack("=HH", 4 + len(text), _FAMILY_NAME) + text + b"\0" * (-len(text) % 4)
    try:
        for body in request(sock, _CONTROL, _GETFAMILY, payload):
            for kind, value in attributes(body):
                if kind == _FAMILY_ID:
                    return int.from_bytes(value, "little")
    except OSError:
        return 0
    return 0
