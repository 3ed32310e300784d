"""What is: status, CPUs, devices, IRQs, policies, overrides, the last plan."""

from __future__ import annotations

import msgspec

from irqbal.api import responses, views
from irqbal.api.backend import Listing, View
from irqbal.api.context import Raw, RequestContext, handles
from irqbal.api.requests import IrqQuery
from irqbal.model.view import Device, Irq, Override
from irqbal.wire import to_json


@handles("status")
async def status(call: RequestContext) -> object:
    """The daemon in a few lines."""
    return call.host.status()


@handles("cpus")
async def cpus(call: RequestContext) -> object:
    """Every CPU."""
    view = await call.view()
    return Raw(
        call.cache.get(
            call.host.name, view.version, "cpus", lambda: to_json(views.cpus(view.snapshot))
        )
    )


@handles("devices")
async def devices(call: RequestContext) -> object:
    """Every device."""
    view = await call.view()
    snapshot = view.snapshot

    def make() -> bytes:
        return to_json(tuple(views.device(device, snapshot) for device in snapshot.devices))

    return Raw(call.cache.get(call.host.name, view.version, "devices", make))


@handles("irqs")
async def irqs(call: RequestContext) -> object:
    """IRQs that fit the filters."""
    view, query = await call.view(), call.query
    assert isinstance(query, IrqQuery)

    def make() -> bytes:
        claims, overrides = views.claims(view.record), by_identity(call)
        shown = [
            views.irq(irq, view.snapshot, claims, overrides, view.totals)
            for irq in view.snapshot.irqs
            if _fits(irq, query, view)
        ]
        return to_json(
            [item for item in shown if query.policy is None or query.policy == item.policy]
        )

    return Raw(call.cache.get(call.host.name, view.version, f"irqs {query}", make))


def _fits(irq: Irq, query: IrqQuery, view: View) -> bool:
    if query.movable is not None and irq.movable != query.movable:
        return False
    if query.cpu is not None and query.cpu not in irq.effective:
        return False
    if query.device is None:
        return True
    device = view.snapshot.device_of(irq)
    mine = irq.queue is not None and irq.queue.name == query.device
    return mine or (device is not None and _is(device, query.device))


def _is(device: Device, name: str) -> bool:
    return name in (device.address, device.driver, *device.interfaces, *device.disks)


def by_identity(call: RequestContext) -> dict[str, Override]:
    """Present overrides by their IRQ's identity."""
    return {item.identity: item for item in call.host.overrides()}


@handles("irq")
async def irq(call: RequestContext) -> object:
    """One IRQ."""
    return _shown(call, await call.view())


def _shown(call: RequestContext, view: View) -> responses.IrqView:
    found = call.irq(view.snapshot)
    return views.irq(
        found, view.snapshot, views.claims(view.record), by_identity(call), view.totals
    )


@handles("explain")
async def explain(call: RequestContext) -> object:
    """Why it is where it is."""
    view = await call.view()
    shown = _shown(call, view)
    steps = await call.host.explain(shown.number)
    mine = by_identity(call).get(shown.identity)
    return responses.Explanation(
        shown, steps, None if mine is None else views.override(mine, view.snapshot)
    )


@handles("policies")
async def policies(call: RequestContext) -> object:
    """Installed policies, the enabled ones first."""
    return tuple(_policy(item) for item in await call.host.policies())


def _policy(item: Listing) -> responses.PolicyView:
    schema = msgspec.json.decode(item.schema) if item.schema else None
    enabled = item.position is not None
    return responses.PolicyView(
        item.name,
        item.distributions,
        enabled,
        item.about,
        item.options,
        schema,
        item.position,
        item.problem,
    )


@handles("overrides")
async def overrides(call: RequestContext) -> object:
    """What people decided."""
    view = await call.host.view()
    snapshot = None if view is None else view.snapshot
    return tuple(views.override(item, snapshot) for item in call.host.overrides())


@handles("plan")
async def plan(call: RequestContext) -> object:
    """The last cycle's plan."""
    view = await call.view()

    def make() -> bytes:
        return to_json(
            responses.PlanAnswer(views.cycle(view.record, view.snapshot), view.record.plan.kept)
        )

    return Raw(call.cache.get(call.host.name, view.version, "plan", make))
