"""Routes that change what irqbal does: overrides, plans and cycles on request, pause, restore."""

from __future__ import annotations

import json
import time

from irqbal.api import requests, responses, views
from irqbal.api.backend import ApiError
from irqbal.api.context import RequestContext
from irqbal.api.handlers import RouteHandlers
from irqbal.api.lookup import find_irq
from irqbal.cpuset import CpuSet
from irqbal.model.view import Irq, Override, Snapshot
from irqbal.wire import Duration

SHORTEST = 1.0
"""Shortest override or pause, in seconds: a shorter one could end before it is written."""
LONGEST = 10 * 365 * 86400.0
"""Longest override or pause, in seconds (10 years): a longer one needs no expiry."""
SHOWN_CPUS = 100
"""Characters of a CPU list in an error message."""

handlers = RouteHandlers()


@handlers.handles("set_override")
async def set_override(call: RequestContext) -> object:
    """Put an IRQ on the CPUs that the body names."""
    assert isinstance(call.body, requests.OverrideBody)
    return await put_override(call, call.path["irq"], call.body)


async def put_override(
    call: RequestContext, irq_name: str, body: requests.OverrideBody
) -> responses.OverrideAnswer:
    """Check the request, set the override, and answer with the result of the write. Raises
    ApiError.
    """
    control = call.control("set overrides")
    snapshot = (await call.view()).snapshot
    irq = find_irq(snapshot, irq_name)
    check_cpus(body.cpus, irq, snapshot)
    override = Override(
        irq.identity, body.cpus, body.reason, str(call.caller), _expiry(body.expires_in)
    )
    result = await control.set_override(override, irq.number, call.caller)
    assert result.affinity is not None
    ignored = [f"the field {name} is unknown here, and was ignored" for name in call.unknown_fields]
    return responses.OverrideAnswer(
        views.override(result.override, (await call.view()).snapshot),
        result.result,
        result.detail,
        result.affinity,
        (*result.warnings, *ignored),
        result.before,
        result.moves,
    )


def check_cpus(cpus: CpuSet, irq: Irq, snapshot: Snapshot) -> None:
    """Raises ApiError unless the IRQ can be put on these CPUs."""
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
    offline = cpus - online
    if offline:
        raise ApiError(
            422,
            "offline",
            f"CPUs {_shortened(offline)} are not online (online are {online}); nothing was changed",
        )


def _shortened(cpus: CpuSet) -> str:
    text = str(cpus)
    return text if len(text) <= SHOWN_CPUS else f"{text[:SHOWN_CPUS]}…"


def _expiry(length: Duration | None) -> float | None:
    """Seconds since the epoch; None: never. Raises ApiError."""
    if length is None:
        return None
    if not SHORTEST <= length <= LONGEST:
        raise ApiError(422, "expires_in", "expires_in must be 1s to 10y; nothing was changed")
    return time.time() + float(length)


@handlers.handles("clear_override")
async def clear_override(call: RequestContext) -> object:
    """Clear an override, also one of an IRQ that no longer exists."""
    control = call.control("clear overrides")
    view = await call.view()
    name = call.path["irq"]
    overrides = {item.identity: item for item in call.host.overrides()}
    matching = [
        identity for identity in overrides if name in (identity, identity.rpartition("/")[2])
    ]
    identity = matching[0] if len(matching) == 1 else call.irq(view.snapshot).identity
    if identity not in overrides:
        raise ApiError(
            404, "no-override", f"{name[:100]} has no override; GET /api/v1/overrides lists them"
        )
    result = await control.clear_override(identity, call.caller)
    return responses.ClearedAnswer(
        views.override(result.override, view.snapshot),
        result.result,
        result.detail,
        result.affinity,
        result.before,
        result.policy,
        result.moves,
    )


@handlers.handles("dry_run")
async def dry_run(call: RequestContext) -> object:
    """The plan that a cycle would make now, with the enabled policies or with those of the body."""
    control = call.control("plan")
    body = call.body
    text = None
    if isinstance(body, requests.PlanBody):
        if body.policies is not None and body.yaml is not None:
            raise ApiError(422, "body", "give either `policies` or `yaml`, not both")
        text = body.yaml if body.policies is None else _as_yaml(body.policies)
    record, snapshot = await control.dry_run(text)
    return views.plan(record, snapshot)


def _as_yaml(policies: list[requests.PolicyItem]) -> str:
    """The list as a configuration: every JSON document is a YAML document. Raises ApiError."""
    try:
        text = json.dumps({"policies": policies}, ensure_ascii=False)
    except RecursionError:
        raise _refused("the policies are nested too deeply") from None
    if len(text) > requests.MAX_YAML:
        raise _refused(f"the policies may be {requests.MAX_YAML} characters long")
    return text


def _refused(why: str) -> ApiError:
    return ApiError(422, "config", f"{why}; nothing was planned")


@handlers.handles("cycle")
async def cycle(call: RequestContext) -> object:
    """Run a cycle now, and answer with its record."""
    record, snapshot = await call.control("run a cycle").cycle(call.caller)
    return views.cycle(record, snapshot)


@handlers.handles("pause")
async def pause(call: RequestContext) -> object:
    """Write nothing for the length of the query or the body; without one, until resumed."""
    control = call.control("pause the daemon")
    length = call.body.length if isinstance(call.body, requests.PauseBody) else None
    if isinstance(call.query, requests.PauseQuery) and call.query.length is not None:
        if length is not None:
            raise ApiError(422, "for", "give `for` in the query or in the body, not in both")
        length = call.query.length
    if length is not None and not SHORTEST <= length <= LONGEST:
        raise ApiError(422, "for", "`for` must be 1s to 10y")
    await control.pause(None if length is None else float(length), call.caller)
    return call.host.status()


@handlers.handles("resume")
async def resume(call: RequestContext) -> object:
    """End a pause."""
    await call.control("resume the daemon").resume(call.caller)
    return call.host.status()


@handlers.handles("restore")
async def restore(call: RequestContext) -> object:
    """Write every original mask back, and pause."""
    return await call.control("restore masks").restore(call.caller)
