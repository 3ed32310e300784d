"""Routes about the past: interrupts and loads of one IRQ, a device or all CPUs over time, and
decisions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from irqbal.api import responses, views
from irqbal.api.backend import ApiError
from irqbal.api.context import RequestContext
from irqbal.api.handlers import RouteHandlers
from irqbal.api.lookup import device_has_name, find_irq, names_of_devices
from irqbal.api.requests import DecisionQuery, Window
from irqbal.history.samples import Decision, IrqState, Point
from irqbal.history.store import Query
from irqbal.model.queues import parse_queues
from irqbal.model.view import Snapshot
from irqbal.wire import Duration, Moment, When

DAY = 86400.0
"""Length of a query without a start, in seconds."""
MOST_STEPS = 11_000
"""Steps in one answer: Prometheus' limit."""
MOST_VALUES = 1_000_000
"""Steps times CPUs or IRQs in one answer: bounds the memory that it takes."""
DEFAULT_STEPS = 300
"""Steps of a query without a step: about what a chart can show."""
SHORTEST_DEFAULT_STEP = 60.0
"""Shortest step that a query without a step gets, in seconds: samples are about as far apart."""
PAGE = 2000
"""Decisions that are read at a time: filtering them blocks the loop."""
OF_CPUS = ("softirqs", "squeezes", "drops")
"""What is counted by CPU alone."""
MOST_READ = 100_000
"""Decisions that are read for one request."""

handlers = RouteHandlers()


def window(start: When | None, end: When | None) -> tuple[float, float]:
    """(start, end) in seconds since the epoch; the last day unless given. Raises ApiError."""
    now = time.time()
    until = now if end is None else end.at(now)
    begin = until - DAY if start is None else start.at(now)
    if not (0 <= begin < until < 1e11):
        raise ApiError(
            422, "window", "start must be before end, and both must be moments after 1970"
        )
    return begin, until


async def _series(call: RequestContext, states: list[IrqState] | None) -> responses.SeriesAnswer:
    """Counts of these IRQs by step; None: of all. Raises ApiError."""
    query = call.query
    assert isinstance(query, Window)
    start, end = window(query.start, query.end)
    of_irqs = states is not None or query.by in ("irq", "device")
    if query.what in OF_CPUS and of_irqs:
        raise ApiError(
            422,
            "what",
            f"{query.what} are counted by CPU and kind, not by IRQ or device: ask for all of them "
            "(/api/v1/cpus/history)",
        )
    if query.by == "kind" and (query.what == "interrupts" or of_irqs):
        raise ApiError(
            422, "by", "only load, softirqs, squeezes and drops of CPUs have kinds: choose them"
        )
    identities = None if states is None else tuple(dict.fromkeys(item.identity for item in states))
    if states is None:
        states = await call.host.states() if of_irqs else []
    names = {state.identity: state.action for state in states}
    lines = len(names) if of_irqs and query.by != "cpu" else await _cpu_count(call)
    step = _step(query, end - start, lines)
    points = await call.host.series(
        Query(
            start,
            end,
            step,
            identities,
            "irq" if query.by == "device" else query.by,
            call.host.name,
            query.what,
            query.cpu,
        )
    )
    if query.by == "device":
        view = await call.host.view()
        devices = {state.identity: state.device or state.action for state in states}
        points = [_by_device(point, devices) for point in points]
        names = {} if view is None else device_names(view.snapshot)
    return responses.SeriesAnswer(
        Moment(start),
        Moment(end),
        Duration(step),
        query.by,
        names,
        tuple(
            responses.PointView(Moment(point.start), point.seconds, point.counts)
            for point in points
        ),
        query.what,
    )


def _by_device(point: Point, devices: Mapping[str, str]) -> Point:
    """The same counts, summed by device."""
    counts: dict[str, int] = {}
    for identity, count in point.counts.items():
        name = devices.get(identity, identity)
        counts[name] = counts.get(name, 0) + count
    return Point(point.start, point.seconds, counts)


def device_names(snapshot: Snapshot) -> dict[str, str]:
    """The interfaces and disks of each device, by its address; its driver if it has none."""
    return {
        device.address: ", ".join((*device.interfaces, *device.disks)) or device.driver
        for device in snapshot.devices
    }


async def _cpu_count(call: RequestContext) -> int:
    view = await call.host.view()
    return 1 if view is None else len(view.snapshot.cpus)


def _step(query: Window, length: float, lines: int) -> float:
    """Seconds of one step, for this many seconds and lines. Raises ApiError if the answer would be
    too large.
    """
    most = min(MOST_STEPS, MOST_VALUES // max(1, lines))
    if query.step is None:
        step = max(SHORTEST_DEFAULT_STEP, math.ceil(length / min(DEFAULT_STEPS, most)))
    else:
        step = float(query.step)
    if step <= 0 or length / step > most:
        raise ApiError(
            422,
            "step",
            f"this would be more than {most} steps: choose a longer step or a shorter time",
        )
    return step


@handlers.handles("irq_history")
async def irq_history(call: RequestContext) -> object:
    """Interrupts of one IRQ, also of one that only the history knows."""
    return await _series(call, await _states_of_irq(call, call.path["irq"]))


@handlers.handles("device_history")
async def device_history(call: RequestContext) -> object:
    """Interrupts of a device's IRQs, also of a device that only the history knows."""
    name = call.path["device"]
    states = await call.host.states()
    matching = [
        state
        for state in states
        if name and name in (state.device, state.queue.partition("/")[0], state.action)
    ]
    view = await call.host.view()
    if view is not None:
        addresses = {
            device.address for device in view.snapshot.devices if device_has_name(device, name)
        }
        matching += [
            state for state in states if state.device in addresses and state not in matching
        ]
        if addresses and not matching:
            # The device exists and has no sample yet.
            return await _series(call, [])
    if not matching:
        known = [] if view is None else names_of_devices(view.snapshot)
        from difflib import get_close_matches

        similar = get_close_matches(name, known)
        meant = f"did you mean {' or '.join(similar)}?" if similar else "/api/v1/devices lists them"
        raise ApiError(
            404,
            "no-such-device",
            f"neither this host nor its history knows a device {name[:100]!r}; {meant}",
            similar,
        )
    return await _series(call, matching)


@handlers.handles("cpus_history")
async def cpus_history(call: RequestContext) -> object:
    """Interrupts of all IRQs."""
    return await _series(call, None)


async def _states_of_irq(call: RequestContext, text: str) -> list[IrqState]:
    """The IRQ of this number or name, if there is one now; else all that the history knows under
    it. Raises ApiError if there are none, or if the name may mean several.
    """
    states = await call.host.states()
    view = await call.host.view()
    if view is not None:
        try:
            identity = find_irq(view.snapshot, text).identity
        except ApiError as error:
            if error.status != 404:
                raise
        else:
            known = [state for state in states if state.identity == identity]
            return known or [IrqState(identity, -1, text)]
    past = [
        state
        for state in states
        if text in (state.identity, state.action, state.queue, str(state.number))
        or text in map(str, parse_queues(state.queue))
    ]
    if not past:
        raise ApiError(
            404, "no-such-irq", f"neither the host nor its history knows an IRQ {text[:100]!r}"
        )
    return past


@handlers.handles("decisions")
async def decisions(call: RequestContext) -> object:
    """Decisions that match the query, newest first."""
    query = call.query
    assert isinstance(query, DecisionQuery)
    start, end = window(query.start, query.end)
    if query.end is None:
        # A decision of this very moment belongs to "until now".
        end += 1
    if query.irq is None:
        newest = await _newest(call, query, start, end, "")
    else:
        newest = []
        identities = [state.identity for state in await _states_of_irq(call, query.irq)]
        for identity in dict.fromkeys(identities):
            newest += await _newest(call, query, start, end, identity)
        newest.sort(key=lambda item: (item.wall, item.sequence), reverse=True)
    return tuple(views.decision(item) for item in newest[: query.limit])


async def _newest(
    call: RequestContext, query: DecisionQuery, start: float, end: float, identity: str
) -> list[Decision]:
    """Decisions that match, newest first, read a page at a time. The decisions of one cycle have
    the same time, so the next page begins at the last one's time, and skips what was read.
    """
    matching: list[Decision] = []
    seen: set[int] = set()
    size, read = PAGE, 0
    while read < MOST_READ:
        page = await call.host.decisions(start, end, identity, size)
        fresh = [item for item in page if item.sequence not in seen]
        matching += [item for item in fresh if _matches(item, query)]
        if len(matching) >= query.limit or len(page) < size:
            break
        read += len(fresh)
        if not fresh:
            # More decisions have this time than a page holds.
            size *= 2
        end = math.nextafter(page[-1].wall, math.inf)
        at_end = {item.sequence for item in page if item.wall == page[-1].wall}
        seen = at_end if fresh else at_end | seen
    return matching[: query.limit]


def _matches(item: Decision, query: DecisionQuery) -> bool:
    if query.kind is not None and item.kind != query.kind:
        return False
    if query.policy is not None and item.policy != query.policy:
        return False
    if query.search is None:
        return True
    words = (
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
    return query.search.lower() in " ".join(words).lower()
