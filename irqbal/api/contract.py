"""Every route of the API, once: handlers, OpenAPI, the access table, the client and the documents
come from here.

Scopes grow: who may `override` may read, `admin` may all. `public` needs nothing. Routes below
/api/v1 also exist under /api/v1/hosts/{host}/, so that a central server answers for many hosts.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from irqbal.api import requests, responses
from irqbal.api.responses import ErrorBody, Problem

API_VERSION = "1.0"
"""Major and minor: a minor version adds, a major one may take away (and moves the paths)."""
PREFIX = "/api/v1"

Scope = Literal["public", "read", "override", "admin"]
SCOPES: tuple[Scope, ...] = ("public", "read", "override", "admin")
"""From the least to the most."""


def allows(held: Scope, needed: Scope) -> bool:
    """Whether who holds one scope may do what needs the other."""
    return SCOPES.index(held) >= SCOPES.index(needed)


class Route(msgspec.Struct, frozen=True):
    """One way to ask. `errors` are the statuses that it may answer besides 200 and those of every
    route; `answer` None: not JSON, but `media`. `form`: the body is a form, as irq_manager's
    clients send it. `heavy`: it may read much, so few are answered at a time. `hostless`: it is
    about the server, or all of its hosts; any other answers 409 where no host is named and there
    are several, or where it needs the kernel of a host of a central server.
    """

    name: str
    method: Literal["GET", "PUT", "POST", "DELETE"]
    path: str
    scope: Scope
    summary: str
    answer: Any
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    body_required: bool = False
    errors: tuple[int, ...] = ()
    media: str = "application/json"
    fleet: bool = True
    form: bool = False
    heavy: bool = False
    hostless: bool = False

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"

    def statuses(self, path: str) -> tuple[int, ...]:
        """Every status that it may answer at one of its paths, in order."""
        found = (
            {200, 400, 403, 413, *self.errors}
            | ({404} if "{" in path else set())
            | (set() if self.hostless else {409})
        )
        return tuple(sorted(found if self.scope == "public" else found | {401, 429, 503}))

    @property
    def below_host(self) -> str | None:
        """The same route for one of many hosts."""
        return f"{PREFIX}/hosts/{{host}}{self.path.removeprefix(PREFIX)}" if self.fleet else None


def _get(
    name: str,
    path: str,
    summary: str,
    answer: Any,
    *errors: int,
    query: type[msgspec.Struct] | None = None,
    heavy: bool = False,
) -> Route:
    return Route(
        name, "GET", PREFIX + path, "read", summary, answer, query, errors=errors, heavy=heavy
    )


_A = responses
ROUTES: tuple[Route, ...] = (
    _get("status", "/status", "The daemon in a few lines", _A.Status),
    _get(
        "cpus", "/cpus", "Every CPU with its place and its interrupt load", tuple[_A.CpuView, ...]
    ),
    _get(
        "devices",
        "/devices",
        "PCI devices with their interfaces, disks and IRQs",
        tuple[_A.DeviceView, ...],
    ),
    _get(
        "irqs",
        "/irqs",
        "IRQs: where each is, how busy, and who placed it",
        tuple[_A.IrqView, ...],
        query=requests.IrqQuery,
    ),
    _get("irq", "/irqs/{irq}", "One IRQ, by number or name", _A.IrqView, 409),
    _get("explain", "/irqs/{irq}/explain", "Why an IRQ is where it is", _A.Explanation, 409),
    _get(
        "irq_history",
        "/irqs/{irq}/history",
        "Interrupts of one IRQ over time",
        _A.SeriesAnswer,
        409,
        422,
        query=requests.Window,
        heavy=True,
    ),
    _get(
        "device_history",
        "/devices/{device}/history",
        "Interrupts of one device over time",
        _A.SeriesAnswer,
        422,
        query=requests.Window,
        heavy=True,
    ),
    _get(
        "cpus_history",
        "/cpus/history",
        "Interrupts of all IRQs over time",
        _A.SeriesAnswer,
        422,
        query=requests.Window,
        heavy=True,
    ),
    _get(
        "policies",
        "/policies",
        "Installed policies with their options",
        tuple[_A.PolicyView, ...],
        heavy=True,
    ),
    _get("overrides", "/overrides", "What people decided", tuple[_A.OverrideView, ...]),
    _get(
        "decisions",
        "/decisions",
        "What was decided, by whom, and why",
        tuple[_A.DecisionView, ...],
        404,
        409,
        422,
        query=requests.DecisionQuery,
        heavy=True,
    ),
    _get("plan", "/plan", "The last cycle's plan, whole", _A.PlanAnswer),
    Route(
        "events",
        "GET",
        f"{PREFIX}/events",
        "read",
        "Server-sent events: a cycle's record each",
        None,
        media="text/event-stream",
    ),
    Route(
        "set_override",
        "PUT",
        f"{PREFIX}/irqs/{{irq}}/override",
        "override",
        "Put an IRQ on these CPUs, over every policy",
        _A.OverrideAnswer,
        body=requests.OverrideBody,
        body_required=True,
        errors=(409, 415, 422),
    ),
    Route(
        "clear_override",
        "DELETE",
        f"{PREFIX}/irqs/{{irq}}/override",
        "override",
        "Take an override away",
        _A.ClearedAnswer,
        errors=(409,),
    ),
    Route(
        "dry_run",
        "POST",
        f"{PREFIX}/plan",
        "override",
        "What would be done now, with these policies or other ones",
        _A.PlanAnswer,
        body=requests.PlanBody,
        errors=(415, 422),
    ),
    Route("cycle", "POST", f"{PREFIX}/cycle", "override", "Run a cycle now", _A.Cycle),
    Route(
        "pause",
        "POST",
        f"{PREFIX}/pause",
        "admin",
        "Write nothing until told to resume",
        _A.Status,
        requests.PauseQuery,
        requests.PauseBody,
        errors=(415, 422),
    ),
    Route("resume", "POST", f"{PREFIX}/resume", "admin", "Go on after a pause", _A.Status),
    Route(
        "restore",
        "POST",
        f"{PREFIX}/restore",
        "admin",
        "Put every original mask back, and pause",
        _A.RestoreAnswer,
        errors=(409,),
    ),
    Route(
        "hosts",
        "GET",
        f"{PREFIX}/hosts",
        "read",
        "The hosts that this server tells about",
        tuple[_A.HostView, ...],
        fleet=False,
        hostless=True,
    ),
    Route(
        "findings",
        "GET",
        f"{PREFIX}/fleet/findings",
        "read",
        "What is not as it should be, on all hosts",
        tuple[_A.FindingView, ...],
        requests.FindingQuery,
        fleet=False,
        heavy=True,
        hostless=True,
    ),
    Route(
        "openapi",
        "GET",
        f"{PREFIX}/openapi.json",
        "public",
        "This API, as OpenAPI 3.1",
        dict[str, Any],
        fleet=False,
        hostless=True,
    ),
    Route(
        "healthz",
        "GET",
        "/healthz",
        "public",
        "Whether the daemon is alive",
        _A.Health,
        errors=(503,),
        fleet=False,
        hostless=True,
    ),
    Route(
        "readyz",
        "GET",
        "/readyz",
        "public",
        "Whether the daemon has looked and balances",
        _A.Health,
        errors=(503,),
        fleet=False,
        hostless=True,
    ),
    Route(
        "metrics",
        "GET",
        "/metrics",
        "read",
        "Metrics for Prometheus",
        None,
        media="text/plain",
        fleet=False,
        hostless=True,
    ),
)
"""All routes of irqbal's own."""


class LegacyDevices(msgspec.Struct, frozen=True):
    """Names of IRQs, as in the last column of /proc/interrupts."""

    devices: tuple[str, ...]


class LegacyCpus(msgspec.Struct, frozen=True):
    """How many CPUs are online."""

    cpu_count: int


class LegacyRow(msgspec.Struct, frozen=True):
    """An IRQ's totals at one moment, by CPU, as /proc/interrupts had them."""

    irq_no: int
    cpu_interrupts: dict[str, int]
    interrupt_type: str
    device: str
    created_at: str


class LegacyAffinity(msgspec.Struct, frozen=True):
    """A hex mask as in the kernel's file."""

    affinity: str


LEGACY: tuple[Route, ...] = (
    Route(
        "legacy_devices",
        "GET",
        "/devices",
        "read",
        "irq_manager: names of devices",
        LegacyDevices,
        fleet=False,
    ),
    Route(
        "legacy_cpu_count",
        "GET",
        "/cpu_count",
        "read",
        "irq_manager: number of CPUs",
        LegacyCpus,
        fleet=False,
    ),
    Route(
        "legacy_device",
        "GET",
        "/devices/{device}/",
        "read",
        "irq_manager: a device's totals over time",
        tuple[LegacyRow, ...],
        requests.LegacyWindow,
        errors=(409,),
        fleet=False,
        heavy=True,
    ),
    Route(
        "legacy_affinity",
        "GET",
        "/devices/{device}/affinity/",
        "read",
        "irq_manager: a device's mask",
        LegacyAffinity,
        errors=(409,),
        fleet=False,
    ),
    Route(
        "legacy_set_affinity",
        "POST",
        "/devices/{device}/affinity/",
        "override",
        "irq_manager: set a device's mask",
        LegacyAffinity,
        errors=(409, 415, 422),
        fleet=False,
        form=True,
    ),
)
"""irq_manager's own paths, so that its clients go on working."""

ALL: tuple[Route, ...] = ROUTES + LEGACY

COMMON_ERRORS = {
    400: "the request cannot be understood",
    401: "a token is needed, or the one given is not valid",
    403: "this token, Host or Origin may not do that",
    404: "there is no such thing",
    405: "this path has no such method",
    409: "it cannot be done as things are",
    413: "the body is too large",
    415: "the body is of another type than expected",
    422: "the request is well-formed, but this host cannot do it",
    429: "too many failed attempts, or too many listeners",
    500: "irqbal's own error",
    503: "not now; try again",
}
"""What each status means."""

CODES = {
    "affinity": (422, "the form's mask is not one"),
    "ambiguous": (409, "the name may mean several IRQs; `candidates` lists them"),
    "body": (
        400,
        "the body cannot be read or is not of this shape (400), or says two things at once (422)",
    ),
    "busy": (503, "too much of this kind is asked at once; `Retry-After` says when to try again"),
    "central": (409, "a central server cannot do that: ask the daemon on the host itself"),
    "config": (422, "the policies were refused whole; `problems` lists why"),
    "error": (
        400,
        "what the HTTP server itself refused, or (500) a mistake of irqbal's, which the log "
        "explains",
    ),
    "expires_in": (422, "an override lasts 1s to 10y"),
    "for": (422, "a pause lasts 1s to 10y, and its length is said once"),
    "forbidden": (403, "the token's scope is not enough"),
    "host": (403, "the Host header is none of this server's names: `api.hosts` adds some"),
    "media-type": (415, "the body is of another type than expected"),
    "method": (405, "`Allow` lists what there is"),
    "no-cpu": (422, "an IRQ needs at least one CPU"),
    "no-history": (503, "a dry run records no history"),
    "no-override": (404, "this IRQ has none"),
    "no-such-device": (404, "neither the host nor its history knows it"),
    "no-such-host": (404, "this server does not tell about it"),
    "no-such-irq": (404, "neither the host nor, for the past, its history knows it"),
    "not-found": (404, "there is no such path"),
    "observing": (
        409,
        "`irqbal poll` only looks: nothing is written, so there is nothing to decide, pause or "
        "restore",
    ),
    "offline": (422, "some of these CPUs are not online"),
    "origin": (403, "a page of another site may not ask"),
    "query": (400, "a parameter is unknown, stands twice, or cannot be read"),
    "refused": (
        409,
        "the kernel said no, or it cannot be done as things are; the message says why",
    ),
    "starting": (503, "the first cycle has not been run yet"),
    "step": (422, "the answer would be too long: ask for a longer step or a shorter time"),
    "tokens": (503, "the file of tokens cannot be read; the log says why"),
    "too-large": (413, "a body may have 1 MiB"),
    "too-many-failures": (
        429,
        "wrong tokens came from this address; `Retry-After` says when to try again",
    ),
    "too-many-listeners": (503, "64 listen to the events already"),
    "unauthorized": (401, "a token is needed, or the one given is not valid"),
    "unavailable": (
        503,
        "the host, the disk, the history or the policies cannot be used now; the message says why",
    ),
    "unhealthy": (503, "what `problem` would say: the daemon hangs, or has not looked yet"),
    "unmovable": (409, "the kernel owns this IRQ's mask"),
    "unsaved": (
        503,
        "the override, or the original mask, could not be put on disk, so nothing was written",
    ),
    "which-host": (
        409,
        "the server tells about several hosts, or none: name one below /api/v1/hosts",
    ),
    "window": (422, "the end must come after the start"),
}
"""Codes of errors, each with the status that it mostly comes with. A write that the kernel refused
has the kernel's own reason as code.
"""


def access_table() -> list[tuple[str, str, str]]:
    """(method, path, scope needed) of every route, in the contract's order."""
    return [(route.method, route.path, route.scope) for route in ALL]


__all__ = [
    "ALL",
    "API_VERSION",
    "CODES",
    "COMMON_ERRORS",
    "LEGACY",
    "PREFIX",
    "ROUTES",
    "SCOPES",
    "ErrorBody",
    "LegacyAffinity",
    "LegacyCpus",
    "LegacyDevices",
    "LegacyRow",
    "Problem",
    "Route",
    "Scope",
    "access_table",
    "allows",
    "requests",
    "responses",
]
