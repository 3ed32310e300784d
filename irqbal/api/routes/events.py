"""Server-sent events: a cycle's record each. Who does not keep up is dropped, not waited for."""

from __future__ import annotations

from irqbal.api.context import RequestContext, Stream, handles


@handles("events")
async def events(call: RequestContext) -> object:
    """Listen."""
    return Stream(call.host.subscribe())
