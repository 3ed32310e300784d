"""The statuses and codes of errors, and what each means."""

from __future__ import annotations

STATUSES = {
    400: "the request cannot be parsed",
    401: "no token was sent, or it is not valid",
    403: "this token, Host or Origin is not allowed to do that",
    404: "no such path, host, device, IRQ or override",
    405: "this path has no such method",
    409: "not possible in the present state",
    413: "the body is too large",
    415: "the body has the wrong media type",
    422: "the request is well-formed, but this host cannot do it",
    429: "too many failed attempts",
    500: "irqbal's own error",
    503: "not possible now; try again",
}
"""Meanings by status."""

CODES = {
    "affinity": (422, "the form's value is not a hex mask"),
    "ambiguous": (409, "the name may mean several IRQs; `candidates` lists them"),
    "body": (
        400,
        "the body cannot be parsed, or has not the route's fields (400); or two of its fields "
        "contradict each other (422)",
    ),
    "busy": (
        503,
        "too many requests at once, or the daemon was busy for 5 s: nothing was done, and nothing "
        "will be done later; `Retry-After` says when to try again",
    ),
    "by": (422, "only load, softirqs, squeezes and drops of CPUs have lines by kind"),
    "central": (409, "a central server cannot do that: send it to the daemon on the host itself"),
    "config": (422, "the policies were refused as a whole; `problems` lists why"),
    "error": (
        400,
        "the HTTP server refused the request; or (500) an error of irqbal's own, which the log "
        "explains",
    ),
    "expires_in": (422, "an override lasts 1s to 10y"),
    "for": (422, "a pause lasts 1s to 10y, and its length is given once"),
    "forbidden": (403, "the token's scope is not enough"),
    "host": (403, "the Host header is none of this server's names: add it to `api.hosts`"),
    "media-type": (415, "the body has the wrong media type"),
    "method": (405, "`Allow` lists the path's methods"),
    "no-cpu": (422, "an IRQ needs at least one CPU"),
    "no-history": (503, "no history is recorded; the message says why"),
    "no-override": (404, "this IRQ has no override"),
    "no-such-device": (404, "neither the host nor its history has this device"),
    "no-such-host": (404, "this server does not know the host"),
    "no-such-trial": (404, "there is no trial of this id"),
    "no-such-irq": (404, "neither the host nor, for the past, its history has this IRQ"),
    "not-found": (404, "there is no such path"),
    "observing": (
        409,
        "`irqbal poll` writes nothing, so that there is nothing to override, pause or restore",
    ),
    "offline": (422, "some of these CPUs are not online"),
    "paused": (409, "balancing is paused: a trial begins from what irqbal balances"),
    "same-sides": (409, "both sides of the trial are the same: there is nothing to compare"),
    "trial-running": (409, "a trial runs: nothing else may be changed until it ends"),
    "lengths": (422, "a trial's window lasts 1s to 1h, the time before it up to 10m"),
    "origin": (403, "pages of other sites may not send requests"),
    "query": (400, "a parameter is unknown, is given twice, or cannot be parsed"),
    "refused": (
        409,
        "the kernel refused the write, or it is not possible in the present state; the message "
        "says why",
    ),
    "starting": (503, "no cycle has been run yet"),
    "step": (422, "the answer would be too long: choose a longer step or a shorter time"),
    "tokens": (503, "the file of tokens cannot be read; the log says why"),
    "too-large": (413, "a body may have 1 MiB"),
    "too-many-failures": (
        429,
        "this address sent wrong tokens; `Retry-After` says when to try again",
    ),
    "too-many-listeners": (503, "64 clients receive the events already"),
    "unauthorized": (401, "no token was sent, or it is not valid"),
    "unavailable": (
        503,
        "the host, the disk, the history or the policies cannot be used now; the message says why",
    ),
    "unhealthy": (503, "the daemon hangs, or has run no cycle lately; the message says which"),
    "unmovable": (409, "the kernel owns this IRQ's affinity"),
    "unsaved": (
        503,
        "the override, or the original mask, could not be saved on disk, so nothing was written",
    ),
    "which-host": (
        409,
        "the server knows several hosts, or none: name one below /api/v1/hosts",
    ),
    "what": (422, "softirqs, squeezes and drops are counted by CPU, not by IRQ or device"),
    "window": (422, "the end must come after the start"),
}
"""(usual status, meaning) by code. A write that the kernel refused has the kernel's reason as its
code instead.
"""
