"""One request, decoded: what a route's handler gets, and the answers that are not JSON values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from irqbal.api.answer_cache import AnswerCache
from irqbal.api.backend import (
    ApiError,
    Backend,
    Caller,
    ControlHost,
    ReadHost,
    Subscription,
    View,
)
from irqbal.api.lookup import find_irq
from irqbal.model.view import Irq, Snapshot


class Raw(msgspec.Struct, frozen=True):
    """An answer that is encoded already."""

    body: bytes
    media: str = "application/json"


class Stream(msgspec.Struct, frozen=True):
    """An answer without an end: server-sent events."""

    events: Subscription


class RequestContext(msgspec.Struct, frozen=True, kw_only=True):
    """An authorized request. `path` holds the path's parameters; `query` and `body` have the
    route's types (None: the route has none, or the body was left out). `unknown_fields` names the
    fields of the body that this version does not know.
    """

    backend: Backend
    target: ReadHost | None
    caller: Caller
    path: Mapping[str, str]
    query: Any
    body: Any
    unknown_fields: tuple[str, ...]
    cache: AnswerCache

    @property
    def host(self) -> ReadHost:
        """The host that the request is about. Routes about the server itself have none."""
        assert self.target is not None
        return self.target

    def control(self, action: str) -> ControlHost:
        """The same host, to change it or to read its kernel. Raises ApiError if its daemon runs
        elsewhere: `action` completes the sentence "this server cannot …".
        """
        host = self.host
        if isinstance(host, ControlHost):
            return host
        raise ApiError(
            409,
            "central",
            f"this is a central server, which reads what {host.name} shipped and cannot {action}; "
            f"ask the daemon on {host.name} itself (irqbal-client {host.name} 8080 …, or its "
            "socket there); nothing was changed",
        )

    async def view(self) -> View:
        """The last cycle. Raises ApiError before the first."""
        view = await self.host.view()
        if view is None:
            raise ApiError(
                503,
                "starting",
                f"no cycle has been run on {self.host.name} yet; try again in a second",
            )
        return view

    def irq(self, snapshot: Snapshot) -> Irq:
        """The IRQ that the path names. Raises ApiError."""
        return find_irq(snapshot, self.path["irq"])

    def cached(self, view: View, key: str, encode: Callable[[], bytes]) -> Raw:
        """An answer that depends on this view and key alone, encoded at most once a view."""
        return Raw(self.cache.get(self.host.name, view.version, key, encode))
