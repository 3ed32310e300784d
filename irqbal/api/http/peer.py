"""The other end of a connection, as the kernel reports it."""

from __future__ import annotations

import contextlib
import functools
import pwd
import socket
import struct

import msgspec

from irqbal.addresses import is_loopback

_PEERGROUPS = getattr(socket, "SO_PEERGROUPS", 59)
"""The socket option in asm-generic/socket.h; Python 3.11 has no name for it."""
_GROUPS_BYTES = 1024
"""The most that getsockopt() of Python reads: 256 groups of four bytes."""


class Peer(msgspec.Struct, frozen=True):
    """A client: `address` is HOST:PORT, or `unix` for a client of the Unix socket, which has a user
    id and groups.
    """

    address: str
    loopback: bool = False
    uid: int | None = None
    groups: frozenset[int] = frozenset()

    @property
    def local_socket(self) -> bool:
        """Whether it is connected to the Unix socket."""
        return self.uid is not None

    @property
    def where(self) -> str:
        """The address for logs and decisions."""
        return "the Unix socket" if self.local_socket else self.address

    @property
    def host(self) -> str:
        """The address without the port."""
        return self.where.rpartition(":")[0] or self.where


def peer_of(sock: socket.socket) -> Peer:
    """The peer of a connected socket. For the Unix socket, SO_PEERCRED gives user and group, and
    SO_PEERGROUPS the supplementary groups (socket(7), unix(7)). Raises OSError if it has left.
    """
    if sock.family == socket.AF_UNIX:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, gid = struct.unpack("3i", credentials)
        groups = {gid}
        # ERANGE: a user of more groups than fit has its main group alone.
        with contextlib.suppress(OSError):
            packed = sock.getsockopt(socket.SOL_SOCKET, _PEERGROUPS, _GROUPS_BYTES)
            groups |= set(struct.unpack(f"{len(packed) // 4}I", packed))
        return Peer("unix", False, uid, frozenset(groups))
    name = sock.getpeername()
    return Peer(f"{name[0]}:{name[1]}", is_loopback(name[0]))


@functools.lru_cache(maxsize=1024)
def user_name(uid: int) -> str:
    """The user's name, or `uid N` if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
