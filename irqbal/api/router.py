"""From a method and a raw path to a route of the contract and the path's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from irqbal.api.contract import ALL, LEGACY, Route


class Router:
    """Looks up by the path's parts; a parameter is one part, percent-decoded, so that a name may
    hold a slash as %2F.
    """

    def __init__(self) -> None:
        self._by_parts: list[tuple[tuple[str, ...], Route]] = []
        for route in ALL:
            for path in (route.path, route.below_host):
                if path is not None:
                    self._by_parts.append((tuple(path.strip("/").split("/")), route))

    def find(self, path: str) -> dict[str, tuple[Route, dict[str, str]]]:
        """Routes by method that answer to this path, each with its parameters; a fixed part goes
        before a parameter.
        """
        found: dict[str, tuple[int, Route, dict[str, str]]] = {}
        for fixed, route, parameters in self._matches(path):
            if route.method not in found or fixed > found[route.method][0]:
                found[route.method] = (fixed, route, parameters)
        return {method: (route, parameters) for method, (_, route, parameters) in found.items()}

    def _matches(self, path: str) -> Iterator[tuple[int, Route, dict[str, str]]]:
        slash = path.endswith("/") and len(path) > 1
        parts = tuple(path[1:-1].split("/") if slash else path[1:].split("/"))
        for wanted, route in self._by_parts:
            # irq_manager's paths ended with a slash, or did not.
            if len(wanted) != len(parts) or (slash and route not in LEGACY):
                continue
            parameters = {}
            for mine, theirs in zip(wanted, parts, strict=True):
                if mine.startswith("{"):
                    parameters[mine.strip("{}")] = unquote(theirs)
                elif mine != theirs:
                    break
            else:
                if all(parameters.values()):
                    yield len(wanted) - len(parameters), route, parameters
