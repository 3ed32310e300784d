"""What people decide: overrides, dry runs, cycles, pause and restore; and the few routes about the
server itself.
"""

from __future__ import annotations

import json
import time

from irqbal.api import openapi, requests, responses, views
from irqbal.api.backend import ApiError, Written
from irqbal.api.context import Raw, RequestContext, handles
from irqbal.api.counters import CONTENT_TYPE
from irqbal.api.requests import PauseQuery
from irqbal.cpuset import CpuSet
from irqbal.model.view import Irq, Override, Snapshot
from irqbal.wire import Duration

SHORTEST = 1.0
"""Seconds: what ends sooner would be over before it was written."""
LONGEST = 10 * 365 * 86400.0
"""Seconds after which nothing needs to expire any more."""


@handles("set_override")
async def set_override(call: RequestContext) -> object:
    """Put an IRQ where a person wants it."""
    body = call.body
    assert isinstance(body, requests.OverrideBody)
    return await put_override(call, body)


async def put_override(
    call: RequestContext, body: requests.OverrideBody
) -> responses.OverrideAnswer:
    """Check, write, and say what the kernel did. Raises ApiError."""
    snapshot = (await call.view()).snapshot
    irq = call.irq(snapshot)
    check_cpus(body.cpus, irq, snapshot)
    expires = _expiry(body.expires_in)
    wanted = Override(irq.identity, body.cpus, body.reason, str(call.caller), expires)
    written = await call.host.set_override(wanted, irq.number, call.caller)
    assert written.affinity is not None
    warnings = (
        *written.warnings,
        *(f"the field {name} is unknown here, and was ignored" for name in call.ignored),
    )
    shown = views.override(written.override, (await call.view()).snapshot)
    return responses.OverrideAnswer(
        shown, written.result, written.detail, written.affinity, warnings
    )


def check_cpus(cpus: CpuSet, irq: Irq, snapshot: Snapshot) -> None:
    """Raises ApiError unless the IRQ can be put there."""
    if irq.unmovable:
        raise ApiError(
            409,
            "unmovable",
            f"IRQ {irq.number} ({irq.action}) cannot be moved: {irq.unmovable}; nothing was "
            "changed",
        )
    online = snapshot.online
    if not cpus:
        raise ApiError(
            422,
            "no-cpu",
            f"an IRQ needs at least one CPU; online are {online}; nothing was changed",
        )
    missing = cpus - online
    if missing:
        raise ApiError(
            422,
            "offline",
            f"CPUs {_short(missing)} are not online (online are {online}); nothing was changed",
        )


def _short(cpus: CpuSet) -> str:
    text = str(cpus)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _expiry(length: Duration | None) -> float | None:
    if length is None:
        return None
    if not SHORTEST <= length <= LONGEST:
        raise ApiError(422, "expires_in", "expires_in must be 1s to 10y; nothing was changed")
    return time.time() + float(length)


@handles("clear_override")
async def clear_override(call: RequestContext) -> object:
    """Take an override away, also of an IRQ that is gone."""
    view = await call.view()
    name = call.path["irq"]
    mine = {item.identity: item for item in call.host.overrides()}
    gone = [
        item for item in mine.values() if name in (item.identity, item.identity.rpartition("/")[2])
    ]
    identity = gone[0].identity if len(gone) == 1 else call.irq(view.snapshot).identity
    if identity not in mine and not call.host.status().central:
        raise ApiError(
            404, "no-override", f"{name[:100]} has no override; GET /api/v1/overrides lists them"
        )
    written: Written = await call.host.clear_override(identity, call.caller)
    shown = views.override(written.override, view.snapshot)
    return responses.ClearedAnswer(shown, written.result, written.detail, written.affinity)


@handles("dry_run")
async def dry_run(call: RequestContext) -> object:
    """What would be done now."""
    body = call.body
    text = None
    if isinstance(body, requests.PlanBody):
        if body.policies is not None and body.yaml is not None:
            raise ApiError(422, "body", "give either `policies` or `yaml`, not both")
        text = body.yaml if body.policies is None else _as_yaml(body.policies)
    record, snapshot = await call.host.dry_run(text)
    return responses.PlanAnswer(views.cycle(record, snapshot), record.plan.kept)


def _as_yaml(policies: list[requests.PolicyItem]) -> str:
    """A JSON document is a YAML document."""
    try:
        text = json.dumps({"policies": policies}, ensure_ascii=False)
    except RecursionError:
        raise ApiError(
            422, "config", "the policies are nested too deeply; nothing was planned"
        ) from None
    if len(text) > requests.MAX_YAML:
        raise ApiError(
            422,
            "config",
            f"the policies may be {requests.MAX_YAML} characters long; nothing was planned",
        )
    return text


@handles("cycle")
async def cycle(call: RequestContext) -> object:
    """Run one now."""
    record, snapshot = await call.host.cycle(call.caller)
    return views.cycle(record, snapshot)


@handles("pause")
async def pause(call: RequestContext) -> object:
    """Write nothing for a while."""
    query = call.query
    length = call.body.length if isinstance(call.body, requests.PauseBody) else None
    if isinstance(query, PauseQuery) and query.length is not None:
        if length is not None:
            raise ApiError(422, "for", "give `for` in the query or in the body, not in both")
        length = query.length
    if length is not None and not SHORTEST <= length <= LONGEST:
        raise ApiError(422, "for", "`for` must be 1s to 10y")
    await call.host.pause(None if length is None else float(length), call.caller)
    return call.host.status()


@handles("resume")
async def resume(call: RequestContext) -> object:
    """Go on."""
    await call.host.resume(call.caller)
    return call.host.status()


@handles("restore")
async def restore(call: RequestContext) -> object:
    """Put originals back and pause."""
    return await call.host.restore(call.caller)


@handles("hosts")
async def hosts(call: RequestContext) -> object:
    """Hosts that can be asked."""
    return tuple(await call.backend.hosts())


@handles("findings")
async def findings(call: RequestContext) -> object:
    """What is not as it should be, on any host."""
    query = call.query
    assert isinstance(query, requests.FindingQuery)
    found = await call.backend.findings(query.code or "")
    return tuple(item for item in found if query.host is None or query.host in item.host)[
        : query.limit
    ]


@handles("openapi")
async def openapi_json(call: RequestContext) -> object:
    """The contract."""
    return Raw(openapi.text())


@handles("healthz")
async def healthz(call: RequestContext) -> object:
    """Alive?"""
    return _health(await call.backend.health(ready=False))


@handles("readyz")
async def readyz(call: RequestContext) -> object:
    """Ready?"""
    return _health(await call.backend.health(ready=True))


def _health(health: responses.Health) -> responses.Health:
    if not health.ok:
        raise ApiError(503, "unhealthy", health.problem)
    return health


@handles("metrics")
async def metrics(call: RequestContext) -> object:
    """For Prometheus."""
    return Raw(await call.backend.metrics(), CONTENT_TYPE)
