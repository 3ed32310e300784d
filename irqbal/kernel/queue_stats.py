"""Packets by NIC queue: the netdev family's queue statistics by netlink, else `ethtool -S`.

Documentation/netlink/specs/netdev.yaml (qstats-get, scope queue; Linux 6.9 and later, for drivers
that support it), and SIOCETHTOOL (include/uapi/linux/ethtool.h), where each driver has its own
names.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import re
import socket
import struct
from collections.abc import Iterable, Iterator

from irqbal.kernel.generic_netlink import NETLINK_GENERIC, attributes, family_id, request

Key = tuple[str, str, int]
"""(interface, `rx` or `tx`, queue)."""

_QSTATS_GET = 12
_IFINDEX, _TYPE, _ID, _SCOPE, _RX_PACKETS, _TX_PACKETS = 1, 2, 3, 4, 8, 10
_SCOPE_QUEUE = 1
_SIOCETHTOOL = 0x8946
_GDRVINFO, _GSTRINGS, _GSTATS, _SS_STATS = 0x03, 0x1B, 0x1D, 1
_NAME = 32
_MOST_STATS = 65536

_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<way>rx|tx)_queue_(?P<queue>\d+)_packets",  # igb igc ixgbe ice, virtio_net before 6.8
        r"(?P<way>rx|tx)-(?P<queue>\d+)\.(?:(?:rx|tx)_)?packets",  # i40e iavf
        r"(?P<way>rx|tx)(?P<queue>\d+)_packets",  # mlx5 mlx4, virtio_net
        r"(?P<way>rx|tx)_(?P<queue>\d+)_packets",  # mana
        r"queue_(?P<queue>\d+)_(?P<way>rx|tx)_cnt",  # ena
        r"\[(?P<queue>\d+)\]: (?P<way>rx|tx)_[umb]cast_packets",  # bnxt
        r"(?P<way>rx|tx)_packets\[(?P<queue>\d+)\]",  # gve
        r"rvec_(?P<queue>\d+)_(?P<way>rx|tx)_pkts",  # nfp
        r"(?P<way>rx|tx)q#?(?P<queue>\d+)_(?:pktnum_rcd|packets|pkt_num)",  # hns3
        r"(?P<queue>\d+): (?P<way>rcv|xmit)_pkts",  # qede
    )
)
_WAYS = {"rcv": "rx", "xmit": "tx"}


def queue_of(name: str) -> tuple[str, int] | None:
    """(`rx` or `tx`, queue) of a statistic that counts a queue's packets; None for any other."""
    for pattern in _PATTERNS:
        match = pattern.fullmatch(name)
        if match is not None:
            return _WAYS.get(match["way"], match["way"]), int(match["queue"])
    return None


class Packets:
    """Reads the counters of this network namespace's interfaces, each from the source that has
    them.
    """

    def __init__(self) -> None:
        self._netlink: socket.socket | None = None
        self._family = 0
        self._control: socket.socket | None = None
        self._names: dict[int, str] = {}
        self._served: set[str] = set()
        self._layouts: dict[str, tuple[int, list[tuple[int, Key]]]] = {}
        with contextlib.suppress(OSError, struct.error):
            self._netlink = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_GENERIC
            )
            self._netlink.settimeout(0.5)
            self._netlink.bind((0, 0))
            self._family = family_id(self._netlink, b"netdev")
        with contextlib.suppress(OSError):
            self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def learn(self, interfaces: Iterable[str]) -> None:
        """Set the interfaces to read, and find the source of each again."""
        wanted = set(interfaces)
        self._names = {index: name for index, name in _indexes() if name in wanted}
        self._layouts = {}
        self._served = {key[0] for key in self._by_netlink()}
        for name in wanted - self._served:
            layout = self._layout(name)
            if layout is not None:
                self._layouts[name] = layout

    def read(self) -> dict[Key, int]:
        """Packets since each queue was set up. Interfaces that cannot be read are left out."""
        found = self._by_netlink() if self._served else {}
        for name, (count, places) in self._layouts.items():
            values = self._values(name, count)
            for at, key in places if values is not None else ():
                assert values is not None
                found[key] = found.get(key, 0) + values[at]
        return found

    def close(self) -> None:
        """Close the sockets."""
        for sock in (self._netlink, self._control):
            if sock is not None:
                sock.close()
        self._netlink = self._control = None

    def _by_netlink(self) -> dict[Key, int]:
        found: dict[Key, int] = {}
        if self._netlink is None or not self._family or not self._names:
            return found
        scope = struct.pack("=HHI", 8, _SCOPE, _SCOPE_QUEUE)
        with contextlib.suppress(OSError, struct.error):
            for body in request(self._netlink, self._family, _QSTATS_GET, scope, dump=True):
                values = dict(attributes(body))
                name = self._names.get(_number(values.get(_IFINDEX)))
                if name is None or _ID not in values:
                    continue
                way, counter = (
                    ("rx", _RX_PACKETS) if _number(values.get(_TYPE)) == 0 else ("tx", _TX_PACKETS)
                )
                if counter in values:
                    found[name, way, _number(values[_ID])] = _number(values[counter])
        return found

    def _layout(self, name: str) -> tuple[int, list[tuple[int, Key]]] | None:
        """(number of statistics, which of them count a queue's packets); None if none does."""
        info = self._ioctl(name, bytearray(struct.pack("I", _GDRVINFO)) + bytearray(192))
        if info is None:
            return None
        count = struct.unpack_from("I", info, 4 + 32 * 5 + 12 + 4)[0]
        if not 0 < count <= _MOST_STATS:
            return None
        strings = self._ioctl(
            name,
            bytearray(struct.pack("3I", _GSTRINGS, _SS_STATS, count)) + bytearray(_NAME * count),
        )
        if strings is None or struct.unpack_from("I", strings, 8)[0] != count:
            return None
        places = []
        for at in range(count):
            text = (
                bytes(strings[12 + at * _NAME : 12 + (at + 1) * _NAME])
                .partition(b"\0")[0]
                .decode("ascii", "replace")
            )
            queue = queue_of(text)
            if queue is not None:
                places.append((at, (name, *queue)))
        return (count, places) if places else None

    def _values(self, name: str, count: int) -> tuple[int, ...] | None:
        data = self._ioctl(
            name, bytearray(struct.pack("2I", _GSTATS, count)) + bytearray(8 * count)
        )
        if data is None or struct.unpack_from("I", data, 4)[0] != count:
            return None
        return struct.unpack_from(f"{count}Q", data, 8)

    def _ioctl(self, name: str, data: bytearray) -> bytearray | None:
        """`data` as the kernel filled it in; None if it refused. The kernel writes as much as the
        header in `data` announces.
        """
        if self._control is None:
            return None
        room = array.array("B", data)
        address, _ = room.buffer_info()
        try:
            fcntl.ioctl(
                self._control, _SIOCETHTOOL, struct.pack("16sP16x", name.encode()[:15], address)
            )
        except OSError:
            return None
        return bytearray(room.tobytes())


def _indexes() -> Iterator[tuple[int, str]]:
    with contextlib.suppress(OSError):
        yield from socket.if_nameindex()


def _number(data: bytes | None) -> int:
    """An unsigned attribute of any length; -1 if it is missing."""
    return -1 if data is None else int.from_bytes(data, "little")
