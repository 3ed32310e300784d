"""Decides from a request's first line and headers, before its body is read, whether it is served.

In order: the body's length, the Host and Origin headers, the path and method, the token and its
scope. Errors of an earlier step hide those of a later one, so that a foreign page learns nothing.
"""

from __future__ import annotations

import msgspec
from tornado.httputil import HTTPServerRequest

from irqbal.api.backend import ApiError, Caller
from irqbal.api.contract import Route
from irqbal.api.dashboard.pages import DashboardFile, page
from irqbal.api.http.auth import AccessControl
from irqbal.api.http.decoding import check_length
from irqbal.api.http.peer import Peer
from irqbal.api.http.router import RouteMatch, Router
from irqbal.api.http.site_check import SiteCheck, SiteHeaders

READING = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing (RFC 9110, safe methods)."""


class Admission(msgspec.Struct, frozen=True):
    """A request that is served: its route, the path's parameters, and its author."""

    route: Route
    parameters: dict[str, str]
    caller: Caller


class RequestGate:
    """Admits requests to routes and to the dashboard's files. `central`: the page is that of a
    server of many hosts.
    """

    def __init__(
        self, sites: SiteCheck, access: AccessControl, router: Router, central: bool
    ) -> None:
        self._sites, self._access, self._router = sites, access, router
        self._central = central

    def admit(self, request: HTTPServerRequest, peer: Peer) -> Admission | DashboardFile:
        """The route or the file to answer with. Raises ApiError."""
        check_length(request.headers.get("Content-Length", "0"))
        headers = SiteHeaders(
            host=request.headers.get("Host"),
            origin=request.headers.get("Origin"),
            fetch_site=request.headers.get("Sec-Fetch-Site"),
            fetch_mode=request.headers.get("Sec-Fetch-Mode"),
            fetch_dest=request.headers.get("Sec-Fetch-Dest"),
            scheme=request.protocol,
        )
        method = request.method or ""
        self._sites.check_host(headers, peer)
        self._sites.check_origin(headers, writes=method not in READING)
        file = page(request.path, self._central) if method in ("GET", "HEAD") else None
        if file is not None:
            # Needs no token: the files hold no data.
            return file
        match = self.find_route(method, request.path)
        identity = self._access.identify(
            request.headers.get("Authorization"), peer, match.route.form
        )
        self._access.require(match.route.scope, identity)
        return Admission(match.route, match.parameters, identity.caller)

    def find_route(self, method: str, path: str) -> RouteMatch:
        """Raises ApiError: 404 for an unknown path, 405 for an unknown method."""
        by_method = self._router.find(path)
        if not by_method and page(path, self._central) is None:
            raise ApiError(
                404,
                "not-found",
                f"there is no {path[:100]}; GET /api/v1/openapi.json lists all paths",
            )
        match = by_method.get("GET" if method == "HEAD" else method)
        if match is None:
            allowed = sorted([*by_method, *(["HEAD"] if "GET" in by_method else [])])
            names = ", ".join(allowed or ["GET", "HEAD"])
            message = f"{path[:100]} has no {method[:20]}; it has {names}"
            raise ApiError(405, "method", message, headers={"Allow": names})
        return match
