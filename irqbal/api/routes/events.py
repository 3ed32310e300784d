"""Server-sent events: the record of each cycle."""

from __future__ import annotations

from irqbal.api.context import RequestContext, Stream
from irqbal.api.handlers import RouteHandlers

handlers = RouteHandlers()


@handlers.handles("events")
async def events(call: RequestContext) -> object:
    """Subscribe to the host's cycles."""
    return Stream(call.host.subscribe())
