"""How a function becomes the handler of a route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from irqbal.api.context import RequestContext

Handler = Callable[[RequestContext], Awaitable[object]]
"""Returns the route's answer, a Raw or a Stream. Raises ApiError, or another IrqbalError."""


class RouteHandlers(dict[str, Handler]):
    """The handlers of one module of `routes/`, by the name of their route."""

    def handles(self, name: str) -> Callable[[Handler], Handler]:
        """Decorate the handler of this route. Raises ValueError if it has one already."""

        def add(handler: Handler) -> Handler:
            if name in self:
                raise ValueError(f"two handlers for the route {name}")
            self[name] = handler
            return handler

        return add
