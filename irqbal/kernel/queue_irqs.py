"""The IRQ of each NIC queue as the kernel itself names it, by the generic netlink family `netdev`.

Documentation/netlink/specs/netdev.yaml: `queue-get` gives a queue's NAPI instance, `napi-get` that
instance's IRQ (Linux 6.8 and later). Both answer for interfaces that are up and for drivers that
tell the core (netif_queue_set_napi, netif_napi_set_irq); for all others nothing is known here.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Iterable

from irqbal.kernel.generic_netlink import NETLINK_GENERIC, attributes, family_id, request

_QUEUE_GET, _NAPI_GET = 10, 11
_QUEUE_ID, _QUEUE_IFINDEX, _QUEUE_TYPE, _QUEUE_NAPI = 1, 2, 3, 4
_NAPI_ID, _NAPI_IRQ = 2, 3
_TIMEOUT = 0.5
"""Seconds to wait for the kernel, which answers at once or not at all."""


def read_queue_irqs(interfaces: Iterable[str]) -> dict[tuple[str, str, int], int]:
    """The IRQ number of each queue, by (interface, `rx` or `tx`, index); without queues whose IRQ
    the kernel does not name. It reports on this network namespace, whatever the root.
    """
    wanted = set(interfaces)
    with contextlib.suppress(OSError, struct.error):
        indexes = {index: name for index, name in socket.if_nameindex() if name in wanted}
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_GENERIC
        ) as sock:
            sock.settimeout(_TIMEOUT)
            sock.bind((0, 0))
            family = family_id(sock, b"netdev")
            if family and indexes:
                return _read(sock, family, indexes)
    return {}


def _read(
    sock: socket.socket, family: int, indexes: dict[int, str]
) -> dict[tuple[str, str, int], int]:
    irqs: dict[int, int] = {}
    for body in request(sock, family, _NAPI_GET, dump=True):
        values = dict(attributes(body))
        if _NAPI_ID in values and _NAPI_IRQ in values:
            irqs[_number(values[_NAPI_ID])] = _number(values[_NAPI_IRQ])
    found: dict[tuple[str, str, int], int] = {}
    for body in request(sock, family, _QUEUE_GET, dump=True) if irqs else ():
        values = dict(attributes(body))
        if not values.keys() >= {_QUEUE_ID, _QUEUE_IFINDEX, _QUEUE_TYPE, _QUEUE_NAPI}:
            continue
        name = indexes.get(_number(values[_QUEUE_IFINDEX]))
        irq = irqs.get(_number(values[_QUEUE_NAPI]))
        # 0 stands for a receive queue, 1 for a transmit queue; newer kernels may have more.
        way = {0: "rx", 1: "tx"}.get(_number(values[_QUEUE_TYPE]))
        if name is not None and irq is not None and way is not None:
            found[name, way, _number(values[_QUEUE_ID])] = irq
    return found


def _number(data: bytes) -> int:
    return int.from_bytes(data, sys.byteorder)
