"""What the kernel says about its NICs' queues: a program for the guest, written against the
netlink family `netdev` (Documentation/netlink/specs/netdev.yaml) and nothing of irqbal, so that
irqbal's answer can be held against it.

Prints JSON: whether the kernel has the family, [interface, rx or tx, queue, NAPI instance] of each
queue, and [interface, NAPI instance, IRQ] of each NAPI instance; what the kernel leaves out is
null.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from collections.abc import Iterator

NETLINK_GENERIC = 16
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
QUEUE_GET, NAPI_GET = 10, 11
QUEUE_ID, QUEUE_IFINDEX, QUEUE_TYPE, QUEUE_NAPI_ID = 1, 2, 3, 4
NAPI_IFINDEX, NAPI_ID, NAPI_IRQ = 1, 2, 3
TYPES = ("rx", "tx")


def messages(sock: socket.socket) -> Iterator[bytes]:
    """The answers to one request, without their headers. Raises OSError with the kernel's errno."""
    while True:
        data = sock.recv(1 << 20)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            body, data = data[16:length], data[(length + 3) & ~3 :]
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                code = struct.unpack_from("=i", body)[0]
                if code:
                    raise OSError(-code, "netlink")
                return
            yield body[4:]


def values(body: bytes) -> dict[int, bytes]:
    """Attributes by type."""
    found = {}
    while len(body) >= 4:
        length, kind = struct.unpack_from("=HH", body)
        found[kind & 0x3FFF] = body[4:length]
        body = body[(length + 3) & ~3 :]
    return found


def ask(
    sock: socket.socket, family: int, command: int, flags: int = 0, attributes: bytes = b""
) -> list[dict[int, bytes]]:
    """Send a request with an acknowledgement or as a dump; the attributes of each answer."""
    acknowledged = flags or 4
    sock.send(
        struct.pack("=IHHII", 20 + len(attributes), family, NLM_F_REQUEST | acknowledged, 1, 0)
        + struct.pack("=BBH", command, 1, 0)
        + attributes
    )
    return [values(body) for body in messages(sock)]


def number(data: bytes | None) -> int | None:
    return None if data is None else int.from_bytes(data, sys.byteorder)


def family(sock: socket.socket, name: bytes) -> int | None:
    """The number of a family; None if the kernel has none of this name."""
    text = name + b"\0"
    attribute = struct.pack("=HH", 4 + len(text), CTRL_ATTR_FAMILY_NAME) + text
    attribute += b"\0" * (-len(text) % 4)
    try:
        answers = ask(sock, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attributes=attribute)
    except FileNotFoundError:
        return None
    return number(answers[0][CTRL_ATTR_FAMILY_ID])


def main() -> None:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
    sock.settimeout(30)
    netdev = family(sock, b"netdev")
    queues, napis = [], []
    if netdev is not None:
        for one in ask(sock, netdev, QUEUE_GET, NLM_F_DUMP):
            interface = socket.if_indextoname(number(one[QUEUE_IFINDEX]) or 0)
            kind = TYPES[number(one[QUEUE_TYPE]) or 0]
            queues.append([interface, kind, number(one[QUEUE_ID]), number(one.get(QUEUE_NAPI_ID))])
        for one in ask(sock, netdev, NAPI_GET, NLM_F_DUMP):
            interface = socket.if_indextoname(number(one[NAPI_IFINDEX]) or 0)
            napis.append([interface, number(one[NAPI_ID]), number(one.get(NAPI_IRQ))])
    print(json.dumps({"family": netdev is not None, "queues": queues, "napis": napis}))


if __name__ == "__main__":
    main()
