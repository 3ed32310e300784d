"""irq_manager's own paths, as its clients use them. A device is an IRQ's action name or number."""

from __future__ import annotations

import time

import msgspec

from irqbal.api.backend import ApiError
from irqbal.api.context import RequestContext
from irqbal.api.handlers import RouteHandlers
from irqbal.api.lookup import find_irq
from irqbal.api.requests import LegacyWindow, OverrideBody
from irqbal.api.responses import LegacyAffinity, LegacyCpus, LegacyDevices, LegacyRow
from irqbal.api.routes.changes import put_override
from irqbal.cpuset import CpuSet
from irqbal.model.view import Irq
from irqbal.wire import Moment

MOST_ROWS = 10_000
"""Rows in one answer: a week at one row a minute."""
MOST_VALUES = 200_000
"""Rows times CPUs in one answer: bounds the memory that it takes."""
PAGE = 50
"""Samples that are read at a time: each holds all IRQs."""

handlers = RouteHandlers()


@handlers.handles("legacy_devices")
async def devices(call: RequestContext) -> object:
    """The action names of all IRQs."""
    snapshot = (await call.view()).snapshot
    return LegacyDevices(tuple(dict.fromkeys(irq.action for irq in snapshot.irqs)))


@handlers.handles("legacy_cpu_count")
async def cpu_count(call: RequestContext) -> object:
    """The number of online CPUs."""
    return LegacyCpus(len((await call.view()).snapshot.online))


async def _device(call: RequestContext) -> Irq:
    """The IRQ that the path names; of several with this action the first, as in irq_manager. Raises
    ApiError.
    """
    name, snapshot = call.path["device"], (await call.view()).snapshot
    first = next((irq for irq in snapshot.irqs if irq.action == name), None)
    return first if first is not None else find_irq(snapshot, name)


class _Period(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds since the epoch."""

    start: float
    end: float
    now: float


@handlers.handles("legacy_device")
async def device(call: RequestContext) -> object:
    """An IRQ's totals by CPU at each sample, oldest first."""
    control = call.control("tell an IRQ's totals by CPU")
    query = call.query
    assert isinstance(query, LegacyWindow)
    now = time.time()
    period = _Period(
        start=0.0 if query.start_dt is None else query.start_dt.at(now),
        end=now if query.end_dt is None else query.end_dt.at(now),
        now=now,
    )
    irq = await _device(call)
    totals = await control.irq_totals(irq.identity)
    rows = await _rows(call, irq, totals, period)
    if not rows and totals and period.start <= period.end:
        # There is no sample yet; the present totals are known.
        rows = [_row(irq, totals, period.end)]
    return tuple(rows)


async def _rows(
    call: RequestContext, irq: Irq, totals: dict[int, int], period: _Period
) -> list[LegacyRow]:
    """The history holds differences. The totals at each sample, as /proc/interrupts had them, are
    those of the next sample less what was counted between the two, beginning with the newest.

    Totals of an IRQ's earlier generation count from its first sample. Samples from before the last
    boot are left out.
    """
    rows: list[LegacyRow] = []
    running = dict(totals)
    boot = None
    most = min(MOST_ROWS, MOST_VALUES // max(1, len(totals)))
    before = period.now + 1
    while len(rows) < most:
        page = await call.host.samples(period.start, before, PAGE)
        for sample in reversed(page):
            boot = sample.boot if boot is None else boot
            if sample.boot != boot or len(rows) >= most:
                return rows[::-1]
            if sample.wall <= period.end:
                rows.append(_row(irq, running, sample.wall))
            for series, value in sample.values.items():
                if series.kind == "irq" and series.name == irq.identity:
                    running[series.cpu] = max(0, running.get(series.cpu, 0) - value)
        if len(page) < PAGE:
            break
        before = page[0].wall
    return rows[::-1]


def _row(irq: Irq, totals: dict[int, int], wall: float) -> LegacyRow:
    counts = {str(cpu): total for cpu, total in sorted(totals.items())}
    return LegacyRow(irq.number, counts, irq.chip, irq.action, str(Moment(wall)))


@handlers.handles("legacy_affinity")
async def affinity(call: RequestContext) -> object:
    """An IRQ's mask."""
    return LegacyAffinity((await _device(call)).affinity.mask())


@handlers.handles("legacy_set_affinity")
async def set_affinity(call: RequestContext) -> object:
    """Set an override: a mask that is written once, as irq_manager did, would be undone by the next
    policy.
    """
    try:
        cpus = CpuSet.from_mask(str(call.body))
    except ValueError as error:
        raise ApiError(422, "affinity", f"{error}; nothing was changed") from error
    irq = await _device(call)
    body = OverrideBody(cpus, reason="set over irq_manager's path")
    answer = await put_override(call, str(irq.number), body)
    return LegacyAffinity(answer.affinity.mask())
