"""Routes about the present: status, CPUs, devices, IRQs, policies, overrides, the last plan."""

from __future__ import annotations

import msgspec

from irqbal.api import responses, views
from irqbal.api.backend import InstalledPolicy, View
from irqbal.api.context import Raw, RequestContext
from irqbal.api.handlers import RouteHandlers
from irqbal.api.lookup import device_has_name
from irqbal.api.requests import ExplainQuery, IrqQuery
from irqbal.model.view import Irq, Override
from irqbal.wire import Moment, to_json

handlers = RouteHandlers()


@handlers.handles("status")
async def status(call: RequestContext) -> object:
    """The daemon's state, with the loads that other routes show now."""
    await call.host.refresh()
    return call.host.status()


@handlers.handles("findings")
async def findings(call: RequestContext) -> object:
    """Whether the host is well, and what to do."""
    return call.host.findings(await call.view())


@handlers.handles("now")
async def now(call: RequestContext) -> object:
    """The status, the CPUs, the IRQs and the findings, all of one moment."""
    view = await call.view()
    # Nothing waits from here on, so that no other view can come between.
    status, found = call.host.status(), call.host.findings(view)
    parts = {
        "status": to_json(status),
        "cpus": _cpus(call, view).body,
        "irqs": call.cached(view, "brief irqs", lambda: _brief_irqs(call, view)).body,
        "findings": to_json(found),
    }
    return Raw(to_json({name: msgspec.Raw(body) for name, body in parts.items()}))


@handlers.handles("cpus")
async def cpus(call: RequestContext) -> object:
    """Every CPU."""
    return _cpus(call, await call.view())


def _cpus(call: RequestContext, view: View) -> Raw:
    return call.cached(view, "cpus", lambda: to_json(views.cpus(view.snapshot)))


@handlers.handles("devices")
async def devices(call: RequestContext) -> object:
    """Every device."""
    view = await call.view()

    def encode() -> bytes:
        snapshot = view.snapshot
        return to_json(tuple(views.device(device, snapshot) for device in snapshot.devices))

    return call.cached(view, "devices", encode)


@handlers.handles("irqs")
async def irqs(call: RequestContext) -> object:
    """IRQs that match the query."""
    query = call.query
    assert isinstance(query, IrqQuery)
    view = await call.view()

    def encode() -> bytes:
        shown = views.IrqViews(view, overrides_by_identity(call))
        matching = (shown.irq(irq) for irq in view.snapshot.irqs if _matches(irq, query, view))
        return to_json([item for item in matching if query.policy in (None, item.policy)])

    return call.cached(view, f"irqs {query}", encode)


def _brief_irqs(call: RequestContext, view: View) -> bytes:
    shown = views.IrqViews(view, overrides_by_identity(call))
    return to_json([shown.brief(irq) for irq in view.snapshot.irqs])


def _matches(irq: Irq, query: IrqQuery, view: View) -> bool:
    """Whether the query's filters, but for the policy, let the IRQ through."""
    if query.movable is not None and irq.movable != query.movable:
        return False
    if query.cpu is not None and query.cpu not in irq.effective:
        return False
    if query.device is None:
        return True
    if any(queue.name == query.device for queue in irq.queues):
        return True
    device = view.snapshot.device_of(irq)
    return device is not None and device_has_name(device, query.device)


def overrides_by_identity(call: RequestContext) -> dict[str, Override]:
    """The overrides in force, by their IRQ's identity."""
    return {item.identity: item for item in call.host.overrides()}


@handlers.handles("irq")
async def irq(call: RequestContext) -> object:
    """One IRQ."""
    view = await call.view()
    return views.IrqViews(view, overrides_by_identity(call)).irq(call.irq(view.snapshot))


@handlers.handles("explain")
async def explain(call: RequestContext) -> object:
    """One IRQ, with the limits, claims and refusals that put it where it is."""
    view = await call.view()
    overrides = overrides_by_identity(call)
    irq = call.irq(view.snapshot)
    shown = views.IrqViews(view, overrides).irq(irq)
    query = call.query
    assert isinstance(query, ExplainQuery)
    found = await call.host.explain(irq, query.now)
    override = overrides.get(shown.identity)
    return responses.Explanation(
        shown,
        found.steps,
        None if override is None else views.override(override, view.snapshot),
        found.cycle or None,
        Moment(found.wall) if found.cycle else None,
        found.trigger,
    )


@handlers.handles("policies")
async def policies(call: RequestContext) -> object:
    """Installed policies, the enabled ones first."""
    return tuple(_policy(item) for item in await call.host.policies())


def _policy(item: InstalledPolicy) -> responses.PolicyView:
    return responses.PolicyView(
        name=item.name,
        distributions=item.distributions,
        enabled=item.position is not None,
        about=item.about,
        options=item.options,
        options_schema=msgspec.json.decode(item.schema) if item.schema else None,
        position=item.position,
        problem=item.problem,
    )


@handlers.handles("overrides")
async def overrides(call: RequestContext) -> object:
    """The overrides in force."""
    # A stored host knows its overrides once its view was read.
    view = await call.host.view()
    snapshot = None if view is None else view.snapshot
    return tuple(views.override(item, snapshot) for item in call.host.overrides())


@handlers.handles("plan")
async def plan(call: RequestContext) -> object:
    """The last cycle's plan."""
    view = await call.view()

    def encode() -> bytes:
        record = view.record
        return to_json(views.plan(record, view.snapshot))

    return call.cached(view, "plan", encode)
