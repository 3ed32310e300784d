"""From a raw path to the routes of the contract and the path's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import msgspec

from irqbal.api.contract import ALL, LEGACY, Route


class RouteMatch(msgspec.Struct, frozen=True):
    """A route, and the path's parameters by name, percent-decoded."""

    route: Route
    parameters: dict[str, str]


class Router:
    """Compares paths part by part. A parameter is one part, so that a name may hold a slash as
    %2F.
    """

    def __init__(self) -> None:
        self._by_parts: list[tuple[tuple[str, ...], Route]] = []
        for route in ALL:
            for path in (route.path, route.below_host):
                if path is not None:
                    self._by_parts.append((tuple(path.strip("/").split("/")), route))

    def find(self, path: str) -> dict[str, RouteMatch]:
        """The routes of this path by method; of several, the one with the fewest parameters
        (`/cpus/history` before `/{x}/history`).
        """
        best: dict[str, RouteMatch] = {}
        for match in self._matches(path):
            other = best.get(match.route.method)
            if other is None or len(match.parameters) < len(other.parameters):
                best[match.route.method] = match
        return best

    def _matches(self, path: str) -> Iterator[RouteMatch]:
        slash = path.endswith("/") and len(path) > 1
        parts = tuple(path[1:-1].split("/") if slash else path[1:].split("/"))
        for template, route in self._by_parts:
            # irq_manager's paths may end with a slash.
            if len(template) != len(parts) or (slash and route not in LEGACY):
                continue
            parameters = {}
            for expected, part in zip(template, parts, strict=True):
                if expected.startswith("{"):
                    parameters[expected.strip("{}")] = unquote(part)
                elif expected != part:
                    break
            else:
                if all(parameters.values()):
                    yield RouteMatch(route, parameters)
