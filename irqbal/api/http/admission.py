"""Limits on connections, and on requests that take much memory or time."""

from __future__ import annotations

import ipaddress
import os
import resource
from collections import Counter
from collections.abc import Hashable
from typing import Protocol

import msgspec

from irqbal.api.backend import ApiError, Caller
from irqbal.api.http.peer import Peer
from irqbal.api.sharing import FairTurns, Requester

MOST_CONNECTIONS = 1024
"""Connections at a time: each takes a file descriptor and buffers."""
SHARE_OF_DESCRIPTORS = 4
"""Connections may take one in so many of the descriptors that this process may open."""
SHARE_OF_TOKEN = 4
"""A token may have one in so many connections besides those that are shared."""
MOST_HEAVY = 2
"""Requests that read much history, at a time: each may hold tens of MB."""
MOST_WAITING = 32
"""Such requests that may wait for their turn; further ones are refused."""
_IPV6_NETWORK = 64
"""Bits of an IPv6 address that name its network: a host may have all addresses of one."""


def heavy_requests() -> FairTurns:
    """Turns of requests that read much."""
    return FairTurns(MOST_HEAVY, MOST_WAITING, _busy)


def _busy() -> ApiError:
    text = "too many requests for the history at once; try again"
    return ApiError(503, "busy", text, headers={"Retry-After": "2"})


def client_of(peer: Peer, caller: Caller | None = None) -> Requester:
    """Who is at the other end of a connection, or of a request that was admitted."""
    if caller is not None and caller.who.startswith("token "):
        return Requester(caller.who, reserved=True)
    if peer.uid is not None:
        return Requester(peer.uid, reserved=peer.uid in (0, os.geteuid()))
    return Requester(_network(peer), reserved=False)


def _network(peer: Peer) -> Hashable:
    if peer.loopback:
        return "loopback"
    try:
        address = ipaddress.ip_address(peer.host.partition("%")[0])
    except ValueError:
        return peer.host
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None or address.version == 4:
        return str(mapped or address)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))


class Closable(Protocol):
    """A connection, which can be closed."""

    def close(self) -> None: ...


class _Connection(msgspec.Struct):
    """An open connection. `asked`: it brought a request that was admitted; `busy`: one is being
    answered.
    """

    stream: Closable
    client: Requester
    asked: bool = False
    busy: bool = False


class ConnectionLimit:
    """Shares connections. If all are taken, the client with the most loses one to another client:
    one that never asked anything first, then one that waits for nothing, the oldest first. A client
    that takes all alone loses one of its own that way, or gets no further one. Those of root do not
    count, nor do those of the holder of a token, up to a share of his own.
    """

    def __init__(self, most: int | None = None) -> None:
        """`most`: connections at a time; None: as many as this process can afford."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = most or max(16, min(MOST_CONNECTIONS, soft // SHARE_OF_DESCRIPTORS))
        self._clients: dict[Hashable, dict[int, _Connection]] = {}
        self._all: dict[int, _Connection] = {}
        self._counted = 0
        self._reserved: Counter[Hashable] = Counter()
        """Connections that do not count, by the holder of the token."""

    def enter(self, stream: Closable, peer: Peer) -> bool:
        """Count a new connection; False if there is no room for it. May close another one."""
        found = _Connection(stream, client_of(peer))
        if not found.client.reserved:
            if self._counted >= self._most and not self._make_room(found.client.key):
                return False
            self._add(found)
        else:
            self._reserved[found.client.key] += 1
        self._all[id(stream)] = found
        return True

    def leave(self, stream: Closable) -> None:
        """Count a closed connection; safe more than once."""
        found = self._all.pop(id(stream), None)
        if found is None:
            return
        if found.client.reserved:
            self._reserved[found.client.key] -= 1
        else:
            self._remove(found)

    def admitted(self, stream: Closable, who: Requester) -> None:
        """A request of this client came through the connection, and is being answered."""
        found = self._all.get(id(stream))
        if found is None:
            return
        found.asked = found.busy = True
        own = self._reserved[who.key] < max(self._most // SHARE_OF_TOKEN, 1)
        if who.reserved and not found.client.reserved and own:
            self._remove(found)
            self._reserved[who.key] += 1
            found.client = who

    def answered(self, stream: Closable) -> None:
        """The request was answered."""
        found = self._all.get(id(stream))
        if found is not None:
            found.busy = False

    def _add(self, found: _Connection) -> None:
        self._clients.setdefault(found.client.key, {})[id(found.stream)] = found
        self._counted += 1

    def _remove(self, found: _Connection) -> None:
        own = self._clients[found.client.key]
        if own.pop(id(found.stream), None) is not None:
            self._counted -= 1
        if not own:
            del self._clients[found.client.key]

    def _make_room(self, key: Hashable) -> bool:
        """Close a connection for a new one of this client; False if none may be closed."""
        largest = max(self._clients.values(), key=len)
        own = self._clients.get(key, {})
        fair = len(largest) > len(own) + 1
        victims = largest if fair else own
        victim = next((one for one in victims.values() if not one.asked), None)
        victim = victim or next((one for one in victims.values() if not one.busy), None)
        if victim is None and fair:
            victim = next(iter(victims.values()))
        if victim is None:
            return False
        stream = victim.stream
        self.leave(stream)
        stream.close()
        return True
