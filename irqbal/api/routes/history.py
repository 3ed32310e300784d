"""What was: series of one IRQ, a device or all, and decisions."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from irqbal.api import responses, views
from irqbal.api.backend import ApiError
from irqbal.api.context import RequestContext, find_irq, handles
from irqbal.api.requests import DecisionQuery, Window
from irqbal.history.samples import Decision, IrqState
from irqbal.history.store import Query
from irqbal.wire import Duration, Moment, When

DAY = 86400.0
MOST_STEPS = 11_000
"""Steps in one answer, as Prometheus has it."""
MOST_VALUES = 1_000_000
"""Steps times CPUs or IRQs in one answer: what it may take up in memory."""
PAGE = 2000
"""Decisions that are looked at in one go: the loop is shared."""
MOST_LOOKED_AT = 100_000
"""Decisions of one request in all."""


def window(start: When | None, end: When | None) -> tuple[float, float]:
    """(start, end) in seconds since the epoch. Raises ApiError."""
    now = time.time()
    until = now if end is None else end.at(now)
    begin = (until if end is not None else now) - DAY if start is None else start.at(now)
    if not (0 <= begin < until < 1e11):
        raise ApiError(
            422, "window", "start must be before end, and both must be moments after 1970"
        )
    return begin, until


async def _series(call: RequestContext, states: list[IrqState] | None) -> responses.SeriesAnswer:
    query = call.query
    assert isinstance(query, Window)
    start, end = window(query.start, query.end)
    known = states if states is not None else await call.host.states() if query.by == "irq" else []
    identities = (
        None if states is None else tuple(dict.fromkeys(state.identity for state in states))
    )
    view = await call.host.view()
    lines = (
        len({state.identity for state in known})
        if query.by == "irq"
        else 1
        if view is None
        else len(view.snapshot.cpus)
    )
    most = min(MOST_STEPS, MOST_VALUES // max(1, lines))
    step = (
        float(query.step)
        if query.step is not None
        else max(60.0, math.ceil((end - start) / min(300, most)))
    )
    if step <= 0 or (end - start) / step > most:
        raise ApiError(
            422,
            "step",
            f"this would be more than {most} steps: ask for a longer step or a shorter time",
        )
    points = await call.host.series(Query(start, end, step, identities, query.by, call.host.name))
    names = {state.identity: state.action for state in known}
    shown = tuple(
        responses.PointView(Moment(point.start), point.seconds, point.counts) for point in points
    )
    return responses.SeriesAnswer(
        Moment(start), Moment(end), Duration(step), query.by, names, shown
    )


@handles("irq_history")
async def irq_history(call: RequestContext) -> object:
    """One IRQ's, also of one that is gone but known to the history."""
    return await _series(
        call, await _states_of_irq(await call.host.states(), call, call.path["irq"])
    )


@handles("device_history")
async def device_history(call: RequestContext) -> object:
    """A device's."""
    name = call.path["device"]
    states = await call.host.states()
    found = [
        state
        for state in states
        if name and name in (state.device, state.queue.partition("/")[0], state.action)
    ]
    view = await call.host.view()
    if view is not None:
        addresses = {
            device.address
            for device in view.snapshot.devices
            if name in (device.address, device.driver, *device.interfaces, *device.disks)
        }
        found += [state for state in states if state.device in addresses and state not in found]
        if addresses and not found:
            # It is there, and has no sample yet.
            return await _series(call, [])
    if not found:
        raise ApiError(
            404,
            "no-such-device",
            f"the history knows no device {name[:100]!r}; GET /api/v1/devices lists those of now",
        )
    return await _series(call, found)


@handles("cpus_history")
async def cpus_history(call: RequestContext) -> object:
    """All IRQs'."""
    return await _series(call, None)


async def _states_of_irq(
    states: Iterable[IrqState], call: RequestContext, text: str
) -> list[IrqState]:
    """The IRQ of now if there is one, else what the history knows under this number or name."""
    known = list(states)
    view = await call.host.view()
    if view is not None:
        try:
            identity = find_irq(view.snapshot, text).identity
        except ApiError as error:
            if error.status != 404:
                raise
        else:
            return [state for state in known if state.identity == identity] or [
                IrqState(identity, -1, text)
            ]
    found = [
        state
        for state in known
        if text in (state.identity, state.action, state.queue, str(state.number))
    ]
    if not found:
        raise ApiError(
            404, "no-such-irq", f"neither the host nor its history knows an IRQ {text[:100]!r}"
        )
    return found


@handles("decisions")
async def decisions(call: RequestContext) -> object:
    """Decisions that fit, the newest first."""
    query = call.query
    assert isinstance(query, DecisionQuery)
    start, end = window(query.start, query.end)
    end = end + 1 if query.end is None else end
    if query.irq is None:
        found = await _newest(call, query, start, end, "")
    else:
        found = []
        for identity in dict.fromkeys(
            state.identity
            for state in await _states_of_irq(await call.host.states(), call, query.irq)
        ):
            found += await _newest(call, query, start, end, identity)
        found.sort(key=lambda item: (item.wall, item.sequence), reverse=True)
    return tuple(views.decision(item) for item in found[: query.limit])


async def _newest(
    call: RequestContext, query: DecisionQuery, start: float, end: float, identity: str
) -> list[Decision]:
    """Decisions that fit, the newest first, a page at a time. Those of one cycle share their
    moment, so a page begins where the one before ended, and what was seen is passed over.
    """
    found: list[Decision] = []
    seen: set[int] = set()
    size, looked_at = PAGE, 0
    while looked_at < MOST_LOOKED_AT:
        page = await call.host.decisions(start, end, identity, size)
        fresh = [item for item in page if item.sequence not in seen]
        found += [item for item in fresh if _fits(item, query)]
        if len(found) >= query.limit or len(page) < size:
            break
        looked_at += len(fresh)
        size = size if fresh else 2 * size
        end = math.nextafter(page[-1].wall, math.inf)
        seen = {item.sequence for item in page if item.wall == page[-1].wall} | (
            set() if fresh else seen
        )
    return found[: query.limit]


def _fits(item: Decision, query: DecisionQuery) -> bool:
    if query.kind is not None and item.kind != query.kind:
        return False
    if query.policy is not None and item.policy != query.policy:
        return False
    words = " ".join(
        (
            item.identity,
            item.name,
            item.policy,
            item.code,
            item.before,
            item.after,
            item.result,
            item.reason,
            item.who,
        )
    )
    return query.search is None or query.search.lower() in words.lower()
