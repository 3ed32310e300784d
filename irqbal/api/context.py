"""One request, decoded: what a route's handler gets, and the ways in which it may answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec

from irqbal.api.backend import ApiError, Backend, Caller, ControlHost, Subscription, View
from irqbal.model.view import Irq, Snapshot

T = TypeVar("T", bound=msgspec.Struct)


class Raw(msgspec.Struct, frozen=True):
    """An answer that is not JSON, or JSON that is encoded already."""

    body: bytes
    media: str = "application/json"


class Stream(msgspec.Struct, frozen=True):
    """An answer that goes on: server-sent events."""

    events: Subscription


class RequestContext(msgspec.Struct, frozen=True):
    """A request that was let in. `path` holds the path's parameters, `query` and `body` are of the
    route's types; `ignored` names fields of the body that this version does not know.
    """

    backend: Backend
    asked: ControlHost | None
    caller: Caller
    path: Mapping[str, str]
    query: Any
    body: Any
    cache: Cache
    ignored: tuple[str, ...] = ()

    @property
    def host(self) -> ControlHost:
        """The host that is asked about; routes about the server itself have none."""
        assert self.asked is not None
        return self.asked

    async def view(self) -> View:
        """The last cycle. Raises ApiError before the first."""
        view = await self.host.view()
        if view is None:
            raise ApiError(
                503,
                "starting",
                f"{self.host.name} has not been looked at yet; try again in a second",
            )
        return view

    def irq(self, snapshot: Snapshot) -> Irq:
        """The IRQ that the path names."""
        return find_irq(snapshot, self.path["irq"])


class Cache:
    """Encoded answers of the present view: many readers cost what one costs."""

    MOST = 32

    def __init__(self) -> None:
        self._version: tuple[str, int] | None = None
        self._answers: dict[str, bytes] = {}

    def get(self, host: str, version: int, key: str, make: Callable[[], bytes]) -> bytes:
        """What is kept, or made now."""
        if (host, version) != self._version:
            self._version, self._answers = (host, version), {}
        found = self._answers.get(key)
        if found is None:
            found = make()
            if len(self._answers) < self.MOST:
                self._answers[key] = found
        return found


Handler = Callable[[RequestContext], Awaitable[object]]
HANDLERS: dict[str, Handler] = {}
"""Handlers by their route's name."""


def handles(name: str) -> Callable[[Handler], Handler]:
    """Declare the handler of a route."""

    def keep(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return keep


def find_irq(snapshot: Snapshot, text: str) -> Irq:
    """By number or name. Raises ApiError: 404, or 409 with the candidates if the name may mean
    several.
    """
    if text.isascii() and text.isdecimal():
        if len(text) < 10 and (found := snapshot.irq_by_number.get(int(text))) is not None:
            return found
        raise ApiError(
            404, "no-such-irq", f"there is no IRQ {text[:40]}; GET /api/v1/irqs lists them"
        )
    matches = [
        irq for irq in snapshot.irqs if text == irq.identity or text in snapshot.names_of(irq)[1:]
    ]
    exact = [
        irq
        for irq in matches
        if text in (irq.identity, irq.action) or (irq.queue is not None and text == str(irq.queue))
    ]
    matches = exact or matches
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = [f"{irq.number} ({irq.action})" for irq in matches]
        raise ApiError(
            409, "ambiguous", f"{text!r} may be any of {len(names)} IRQs: name one by number", names
        )
    raise ApiError(
        404, "no-such-irq", f"there is no IRQ {text[:100]!r}; GET /api/v1/irqs lists them"
    )
