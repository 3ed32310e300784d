"""irq_manager's own paths, as its clients know them. A device is an IRQ's action name, or its
number.
"""

from __future__ import annotations

import time

from irqbal.api.backend import ApiError
from irqbal.api.context import RequestContext, find_irq, handles
from irqbal.api.contract import LegacyAffinity, LegacyCpus, LegacyDevices, LegacyRow
from irqbal.api.requests import LegacyWindow, OverrideBody
from irqbal.api.routes.control import put_override
from irqbal.api.views import hex_mask
from irqbal.cpuset import CpuSet
from irqbal.model.view import Irq
from irqbal.wire import Moment

MOST_ROWS = 10_000
"""Rows in one answer: a week at one a minute …"""
MOST_VALUES = 200_000
"""… and rows times CPUs."""
PAGE = 50
"""Samples that are held at a time: each is of all IRQs."""


@handles("legacy_devices")
async def devices(call: RequestContext) -> object:
    """Names of all IRQs that have an action."""
    return LegacyDevices(
        tuple(dict.fromkeys(irq.action for irq in (await call.view()).snapshot.irqs))
    )


@handles("legacy_cpu_count")
async def cpu_count(call: RequestContext) -> object:
    """Online CPUs."""
    return LegacyCpus(len((await call.view()).snapshot.online))


async def _device(call: RequestContext) -> Irq:
    """The IRQ of this name; irq_manager took the first where there are several."""
    name, snapshot = call.path["device"], (await call.view()).snapshot
    first = next((irq for irq in snapshot.irqs if irq.action == name), None)
    return first if first is not None else find_irq(snapshot, name)


@handles("legacy_device")
async def device(call: RequestContext) -> object:
    """Totals over time, oldest first, the present ones last."""
    irq, query, now = await _device(call), call.query, time.time()
    assert isinstance(query, LegacyWindow)
    start = 0.0 if query.start_dt is None else query.start_dt.at(now)
    end = now if query.end_dt is None else query.end_dt.at(now)
    totals = await call.host.irq_totals(irq.identity)
    rows = await _rows(call, irq, totals, start, end, now + 1)
    if not rows and totals and start <= end:
        # The first sample is still to come; what is now is known.
        rows = [_row(irq, totals, end)]
    return tuple(rows)


async def _rows(
    call: RequestContext, irq: Irq, totals: dict[int, int], start: float, end: float, before: float
) -> list[LegacyRow]:
    """The history holds differences: what /proc/interrupts had at each sample follows from the
    totals of the last one, backwards.

    Totals of an earlier life, or of before a reboot, are only what was counted in it since it was
    first seen.
    """
    found: list[LegacyRow] = []
    running = dict(totals)
    boot = None
    most = min(MOST_ROWS, MOST_VALUES // max(1, len(totals)))
    while len(found) < most:
        page = await call.host.samples(start, before, PAGE)
        for sample in reversed(page):
            boot = sample.boot if boot is None else boot
            if sample.boot != boot or len(found) >= most:
                return found[::-1]
            if sample.wall <= end:
                found.append(_row(irq, running, sample.wall))
            for series, value in sample.values.items():
                if series.kind == "irq" and series.name == irq.identity:
                    running[series.cpu] = max(0, running.get(series.cpu, 0) - value)
        if len(page) < PAGE:
            break
        before = page[0].wall
    return found[::-1]


def _row(irq: Irq, totals: dict[int, int], wall: float) -> LegacyRow:
    counts = {str(cpu): total for cpu, total in sorted(totals.items())}
    return LegacyRow(irq.number, counts, irq.chip, irq.action, str(Moment(wall)))


@handles("legacy_affinity")
async def affinity(call: RequestContext) -> object:
    """The mask."""
    return LegacyAffinity(hex_mask((await _device(call)).affinity))


@handles("legacy_set_affinity")
async def set_affinity(call: RequestContext) -> object:
    """An override, as a person's will: irq_manager's one-shot write would be undone by the next
    policy.
    """
    mask = str(call.body)
    try:
        cpus = CpuSet.from_mask(mask)
    except ValueError as error:
        raise ApiError(422, "affinity", f"{error}; nothing was changed") from error
    irq = await _device(call)
    path = {**call.path, "irq": str(irq.number)}
    changed = RequestContext(call.backend, call.host, call.caller, path, None, None, call.cache)
    written = await put_override(changed, OverrideBody(cpus, reason="set over irq_manager's path"))
    return LegacyAffinity(hex_mask(written.affinity))
