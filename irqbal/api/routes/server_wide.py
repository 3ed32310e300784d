"""Routes about the server itself, or about all of its hosts."""

from __future__ import annotations

from irqbal.api import openapi, responses
from irqbal.api.backend import ApiError
from irqbal.api.context import Raw, RequestContext
from irqbal.api.counters import CONTENT_TYPE
from irqbal.api.handlers import RouteHandlers
from irqbal.api.requests import FindingQuery

handlers = RouteHandlers()


@handlers.handles("hosts")
async def hosts(call: RequestContext) -> object:
    """A line on every host."""
    return tuple(await call.backend.hosts())


@handlers.handles("fleet_findings")
async def fleet_findings(call: RequestContext) -> object:
    """The findings of all hosts that match the query."""
    query = call.query
    assert isinstance(query, FindingQuery)
    matching = [
        item
        for item in await call.backend.fleet_findings(query.code or "")
        if query.host is None or query.host in item.host
    ]
    return tuple(matching[: query.limit])


@handlers.handles("openapi")
async def openapi_json(call: RequestContext) -> object:
    """The contract as an OpenAPI document."""
    return Raw(openapi.text())


@handlers.handles("healthz")
async def healthz(call: RequestContext) -> object:
    """Whether the process works."""
    return _checked(await call.backend.health(ready=False))


@handlers.handles("readyz")
async def readyz(call: RequestContext) -> object:
    """Whether the process works and has fresh data."""
    return _checked(await call.backend.health(ready=True))


def _checked(health: responses.Health) -> responses.Health:
    """Raises ApiError if the process is not healthy."""
    if not health.ok:
        raise ApiError(503, "unhealthy", health.problem)
    return health


@handlers.handles("metrics")
async def metrics(call: RequestContext) -> object:
    """All metrics in Prometheus' text format."""
    return Raw(await call.backend.metrics(), CONTENT_TYPE)
