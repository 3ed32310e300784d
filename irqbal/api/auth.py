"""Who asks, and may he: tokens, the Unix socket's credentials, Host and Origin (DNS rebinding,
cross-site requests).
"""

from __future__ import annotations

import contextlib
import functools
import grp
import ipaddress
import logging
import os
import platform
import pwd
import socket
import struct
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from irqbal.addresses import is_loopback
from irqbal.api.backend import ApiError, Caller
from irqbal.api.contract import SCOPES, Scope, allows
from irqbal.errors import IrqbalError
from irqbal.state.tokens import Tokens

log = logging.getLogger(__name__)

GROUP = "irqbal"
"""Members of this group may do everything over the Unix socket."""
FAILURES = 10
"""Wrong tokens from one address within WINDOW seconds, after which it is answered 429 …"""
WINDOW = 60.0
MOST_ADDRESSES = 10_000


class Access(msgspec.Struct, frozen=True):
    """What the configuration grants to those without a token, and which host names are this
    server's.
    """

    anonymous: Scope | None = "read"
    anonymous_remote: Scope | None = None
    hosts: tuple[str, ...] = ()
    irq_manager_writes: bool = False


class Peer(msgspec.Struct, frozen=True):
    """The other end of a connection: an address, or (Unix socket) a user with groups."""

    address: str
    loopback: bool = False
    uid: int | None = None
    groups: frozenset[int] = frozenset()

    @property
    def local_socket(self) -> bool:
        """Whether it came over the Unix socket."""
        return self.uid is not None


def peer_of(sock: socket.socket) -> Peer:
    """Who is at the other end. SO_PEERCRED gives pid, uid and gid, SO_PEERGROUPS the supplementary
    groups (socket(7)).
    """
    if sock.family == socket.AF_UNIX:
        _, uid, gid = struct.unpack(
            "3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        )
        groups = {gid}
        with contextlib.suppress(OSError):
            # Python reads no more than 1024 bytes; of who is in more than 256 groups, only the main
            # one is known.
            packed = sock.getsockopt(socket.SOL_SOCKET, getattr(socket, "SO_PEERGROUPS", 59), 1024)
            groups |= set(struct.unpack(f"{len(packed) // 4}I", packed))
        return Peer("unix", False, uid, frozenset(groups))
    name = sock.getpeername()
    return Peer(f"{name[0]}:{name[1]}", is_loopback(name[0]))


class AccessControl:
    """Decides for each request who asks and whether he may."""

    def __init__(self, access: Access, tokens: Tokens) -> None:
        self.access = access
        self._tokens = tokens
        self._failed: dict[str, tuple[float, int]] = {}
        # Once: where users come from the network, looking them up may take long.
        self._group = _group_id()
        self.failures = 0
        """Requests with a wrong token, since the start."""

    def check_host(self, host: str | None, peer: Peer) -> None:
        """A name that is not ours is a page of somebody else that had its name point here. Raises
        ApiError.
        """
        if peer.local_socket:
            return
        name = _host_name(host)
        if name is None or not self._is_ours(name):
            raise ApiError(
                403,
                "host",
                f"the Host header {host or '(none)'} is none of this server's names; "
                "use its address, or add the name to api.hosts",
            )

    def check_origin(
        self, origin: str | None, site: str | None, host: str | None, writes: bool
    ) -> None:
        """Pages of other sites may not ask. Raises ApiError."""
        foreign = origin is not None and _place(origin) != (host or "").lower()
        if foreign or (writes and site not in (None, "same-origin", "none")):
            raise ApiError(
                403, "origin", f"requests from pages of another site ({origin or site}) are refused"
            )

    def identify(self, authorization: str | None, peer: Peer) -> tuple[Scope | None, Caller]:
        """The scope that this request holds (None: not even reading), and who asks. Raises ApiError
        for a wrong token.
        """
        if authorization is not None:
            return self._by_token(authorization, peer)
        if peer.uid is not None:
            who = _user(peer.uid)
            if peer.uid in (0, os.geteuid()) or self._group in peer.groups:
                return "admin", Caller(who, "the Unix socket")
            return self.access.anonymous, Caller(who, "the Unix socket")
        return (self.access.anonymous if peer.loopback else self.access.anonymous_remote), Caller(
            "anonymous", peer.address
        )

    def require(self, needed: Scope, held: Scope | None, caller: Caller) -> None:
        """Raises ApiError unless the scope is enough: 401 for who gave no token, 403 for a token
        that is not enough.
        """
        if needed == "public" or (held is not None and allows(held, needed)):
            return
        if caller.who.startswith("token "):
            raise ApiError(
                403,
                "forbidden",
                f"{caller.who} has the scope {held}, this needs {needed}: "
                f"make another with `irqbal token add NAME --scope {needed}`",
            )
        raise ApiError(
            401,
            "unauthorized",
            f"this needs a token with the scope {needed}: `Authorization: Bearer …`; "
            f"{self._tokens.where}",
            headers={"WWW-Authenticate": 'Bearer realm="irqbal"'},
        )

    def _by_token(self, authorization: str, peer: Peer) -> tuple[Scope | None, Caller]:
        kind, _, text = authorization.partition(" ")
        try:
            token = (
                self._tokens.find(text.strip(), time.time()) if kind.lower() == "bearer" else None
            )
        except IrqbalError as error:
            log.error("%s; every token is refused until then", error)
            raise ApiError(
                503, "tokens", "the tokens cannot be read; the daemon's log says why"
            ) from error
        address = "the Unix socket" if peer.local_socket else peer.address
        if token is not None and token.scope in SCOPES:
            return token.scope, Caller(f"token {token.name}", address)
        self._count_failure(address.rpartition(":")[0] or address)
        raise ApiError(
            401,
            "unauthorized",
            "this token is not valid: it was revoked, has expired, or never was",
            headers={"WWW-Authenticate": 'Bearer realm="irqbal", error="invalid_token"'},
        )

    def _count_failure(self, address: str) -> None:
        """Who guesses is told to wait; a valid token from the same address is not affected."""
        self.failures += 1
        now = time.monotonic()
        began, count = self._failed.get(address, (now, 0))
        if now - began > WINDOW:
            began, count = now, 0
        self._failed[address] = (began, count + 1)
        if len(self._failed) > MOST_ADDRESSES:
            self._failed = {
                key: value for key, value in self._failed.items() if now - value[0] <= WINDOW
            }
            if len(self._failed) > MOST_ADDRESSES:
                self._failed.clear()
        if count == 0:
            log.warning("a wrong token from %s", address)
        if count >= FAILURES:
            wait = max(1, round(WINDOW - (now - began)))
            raise ApiError(
                429,
                "too-many-failures",
                f"too many wrong tokens from {address}; wait {wait} s",
                headers={"Retry-After": str(wait)},
            )

    def _is_ours(self, name: str) -> bool:
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(name.strip("[]").partition("%")[0])
            return True
        return (
            name == "localhost"
            or name.endswith(".localhost")
            or name in _own_names(self.access.hosts)
        )


def _host_name(host: str | None) -> str | None:
    """The name or address in a Host header, without the port."""
    if not host or any(char in host for char in "/@\\ "):
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _place(origin: str) -> str | None:
    """Host and port of an Origin header; None if it has none (`null`), which is nobody's."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _own_names(more: Iterable[str]) -> set[str]:
    node = platform.node().lower()
    return {node, node.partition(".")[0], *(name.lower() for name in more)} - {""}


def _group_id() -> int | None:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None


@functools.lru_cache(maxsize=1024)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
