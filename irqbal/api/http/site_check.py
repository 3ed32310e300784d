"""Refuses requests that a foreign web page makes through a user's browser.

A page whose DNS name was pointed at this server (DNS rebinding) sends a foreign `Host`; a page of
another site sends its own `Origin`, or `Sec-Fetch-Site`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import platform
from collections.abc import Iterable
from urllib.parse import urlsplit

import msgspec

from irqbal.api.backend import ApiError
from irqbal.api.http.peer import Peer


class SiteHeaders(msgspec.Struct, frozen=True, kw_only=True):
    """The headers of a request that say where it was made and whom it is for (None: not sent), and
    the scheme of its connection.
    """

    host: str | None
    origin: str | None
    fetch_site: str | None
    fetch_mode: str | None = None
    fetch_dest: str | None = None
    scheme: str = "http"

    @property
    def navigates(self) -> bool:
        """Whether the browser goes to another page with it, as by a link, and shows the answer to
        its user alone.
        """
        return self.fetch_mode == "navigate" and self.fetch_dest == "document"


class SiteCheck:
    """Knows the names of this server: localhost, the node's name, and `more`."""

    def __init__(self, more: Iterable[str]) -> None:
        node = platform.node().lower()
        own = {node, node.partition(".")[0], *(name.lower() for name in more)}
        self._own_names = own - {""}

    def check_host(self, headers: SiteHeaders, peer: Peer) -> None:
        """Raises ApiError if the Host header is neither an address nor a name of this server.
        Clients of the Unix socket may send any.
        """
        if peer.local_socket:
            return
        name = _host_name(headers.host)
        if name is None or not self._is_own(name):
            raise ApiError(
                403,
                "host",
                f"the Host header {headers.host or '(none)'} is none of this server's names; use "
                "its address, or add the name to api.hosts",
            )

    def check_origin(self, headers: SiteHeaders, writes: bool) -> None:
        """Raises ApiError for a request of another site's page, also where the browser sent no
        Origin. Who only follows a link from there may read.

        A page that came in clear is none of a server with TLS. The opposite is one behind a proxy.
        """
        origin, site = headers.origin, headers.fetch_site
        foreign = origin is not None and (
            _host_and_port(origin) != (headers.host or "").lower()
            or not _scheme_fits(origin, headers.scheme)
        )
        other_page = site not in (None, "same-origin", "none")
        if foreign or (other_page and (writes or not headers.navigates)):
            raise ApiError(
                403, "origin", f"requests from pages of another site ({origin or site}) are refused"
            )

    def _is_own(self, name: str) -> bool:
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(name.strip("[]").partition("%")[0])
            return True
        return name == "localhost" or name.endswith(".localhost") or name in self._own_names


def _host_name(host: str | None) -> str | None:
    """The name or address of a Host header, without the port; None if it is no host."""
    if not host or any(char in host for char in "/@\\ "):
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _scheme_fits(origin: str, scheme: str) -> bool:
    """Whether a page of this origin may be one of a server that is reached by this scheme."""
    found = origin.partition(":")[0].lower()
    return found == "https" or (found == "http" and scheme == "http")


def _host_and_port(origin: str) -> str | None:
    """Host and port of an Origin header; None if it has none, as `null` of a sandboxed page."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
