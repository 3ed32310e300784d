"""Routes of trials: two placements in turns."""

from __future__ import annotations

from irqbal.api import requests
from irqbal.api.backend import ApiError
from irqbal.api.context import RequestContext
from irqbal.api.handlers import RouteHandlers

SHORTEST, LONGEST = 1.0, 3600.0
"""Seconds of a window."""
MOST_SETTLING = 600.0
"""Seconds before a window, at most."""

handlers = RouteHandlers()


@handlers.handles("trials")
async def trials(call: RequestContext) -> object:
    """The trial that runs, and those that ended."""
    return await call.control("show trials").trials.all()


@handlers.handles("trial")
async def trial(call: RequestContext) -> object:
    """One trial."""
    return await call.control("show trials").trials.get(call.path["trial"])


@handlers.handles("start_trial")
async def start_trial(call: RequestContext) -> object:
    """Begin a trial."""
    control = call.control("run a trial")
    body = call.body or requests.TrialBody()
    assert isinstance(body, requests.TrialBody)
    if body.window is not None and not SHORTEST <= body.window <= LONGEST:
        raise ApiError(422, "lengths", "`window` must be 1s to 1h; nothing was changed")
    if body.settle is not None and body.settle > MOST_SETTLING:
        raise ApiError(422, "lengths", "`settle` must be 0s to 10m; nothing was changed")
    return await control.trials.start(body, call.caller)


@handlers.handles("beat_trial")
async def beat_trial(call: RequestContext) -> object:
    """The trial's client is still there."""
    body = call.body or requests.TrialBeat()
    assert isinstance(body, requests.TrialBeat)
    return await call.control("run a trial").trials.beat(call.path["trial"], body)


@handlers.handles("end_trial")
async def end_trial(call: RequestContext) -> object:
    """End a trial now."""
    trials = call.control("end a trial").trials
    return await trials.end(call.path["trial"], f"{call.caller} ended it")
