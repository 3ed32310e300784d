"""Every route of the API, once: handlers, OpenAPI, the access table, the client and the documents
follow from here.

To add a route, add it to ROUTES, its query and body to `requests`, its answer to `responses`, and
its handler to a module of `routes/`. What the handler needs of the host goes to `backend`. The
module is long because it is one table.
"""

from __future__ import annotations

from typing import Any

from irqbal.api import requests, responses
from irqbal.api.responses import ErrorBody, Problem
from irqbal.api.route import PREFIX, Route
from irqbal.trials.record import TrialRecord

API_VERSION = "1.7"
"""Major and minor: a minor version adds; a major one may remove, and has other paths."""

ROUTES: tuple[Route, ...] = (
    Route(
        name="status",
        path=f"{PREFIX}/status",
        summary="The daemon's state",
        answer=responses.Status,
    ),
    Route(
        name="now",
        path=f"{PREFIX}/now",
        summary="Status, CPUs, IRQs and findings, all of one moment",
        answer=responses.NowAnswer,
    ),
    Route(
        name="cpus",
        path=f"{PREFIX}/cpus",
        summary="Every CPU with its place and its interrupt load",
        answer=tuple[responses.CpuView, ...],
    ),
    Route(
        name="devices",
        path=f"{PREFIX}/devices",
        summary="PCI devices with their interfaces, disks and IRQs",
        answer=tuple[responses.DeviceView, ...],
    ),
    Route(
        name="irqs",
        path=f"{PREFIX}/irqs",
        summary="IRQs: where each is, how busy it is, and which policy placed it",
        answer=tuple[responses.IrqView, ...],
        query=requests.IrqQuery,
    ),
    Route(
        name="irq",
        path=f"{PREFIX}/irqs/{{irq}}",
        summary="One IRQ, by number or name",
        answer=responses.IrqView,
    ),
    Route(
        name="explain",
        path=f"{PREFIX}/irqs/{{irq}}/explain",
        summary="Why an IRQ is where it is",
        answer=responses.Explanation,
        query=requests.ExplainQuery,
    ),
    Route(
        name="irq_history",
        path=f"{PREFIX}/irqs/{{irq}}/history",
        summary="Interrupts of one IRQ over time",
        answer=responses.SeriesAnswer,
        query=requests.Window,
        errors=(422,),
        heavy=True,
    ),
    Route(
        name="device_history",
        path=f"{PREFIX}/devices/{{device}}/history",
        summary="Interrupts of one device over time",
        answer=responses.SeriesAnswer,
        query=requests.Window,
        errors=(422,),
        heavy=True,
    ),
    Route(
        name="cpus_history",
        path=f"{PREFIX}/cpus/history",
        summary="Interrupts of all IRQs over time",
        answer=responses.SeriesAnswer,
        query=requests.Window,
        errors=(422,),
        heavy=True,
    ),
    Route(
        name="findings",
        path=f"{PREFIX}/findings",
        summary="Whether the host is well, and what to do",
        answer=responses.FindingsAnswer,
    ),
    Route(
        name="policies",
        path=f"{PREFIX}/policies",
        summary="Installed policies with their options",
        answer=tuple[responses.PolicyView, ...],
        heavy=True,
    ),
    Route(
        name="overrides",
        path=f"{PREFIX}/overrides",
        summary="The overrides in force",
        answer=tuple[responses.OverrideView, ...],
    ),
    Route(
        name="decisions",
        path=f"{PREFIX}/decisions",
        summary="What was decided, by whom, and why",
        answer=tuple[responses.DecisionView, ...],
        query=requests.DecisionQuery,
        errors=(404, 422),
        heavy=True,
    ),
    Route(
        name="plan",
        path=f"{PREFIX}/plan",
        summary="The last cycle's whole plan",
        answer=responses.PlanAnswer,
    ),
    Route(
        name="events",
        path=f"{PREFIX}/events",
        summary="Server-sent events: the record of each cycle",
        answer=None,
        media="text/event-stream",
    ),
    Route(
        name="set_override",
        method="PUT",
        path=f"{PREFIX}/irqs/{{irq}}/override",
        scope="override",
        summary="Put an IRQ on these CPUs; outranks every policy",
        answer=responses.OverrideAnswer,
        body=requests.OverrideBody,
        body_required=True,
        errors=(415, 422),
    ),
    Route(
        name="clear_override",
        method="DELETE",
        path=f"{PREFIX}/irqs/{{irq}}/override",
        scope="override",
        summary="Clear an override",
        answer=responses.ClearedAnswer,
    ),
    Route(
        name="dry_run",
        method="POST",
        path=f"{PREFIX}/plan",
        scope="override",
        summary="The plan that would be made now, with the enabled policies or others",
        answer=responses.PlanAnswer,
        body=requests.PlanBody,
        errors=(415, 422),
    ),
    Route(
        name="cycle",
        method="POST",
        path=f"{PREFIX}/cycle",
        scope="override",
        summary="Run a cycle now",
        answer=responses.Cycle,
    ),
    Route(
        name="pause",
        method="POST",
        path=f"{PREFIX}/pause",
        scope="admin",
        summary="Write nothing, until resumed or for some time",
        answer=responses.Status,
        query=requests.PauseQuery,
        body=requests.PauseBody,
        errors=(415, 422),
    ),
    Route(
        name="resume",
        method="POST",
        path=f"{PREFIX}/resume",
        scope="admin",
        summary="End a pause",
        answer=responses.Status,
    ),
    Route(
        name="restore",
        method="POST",
        path=f"{PREFIX}/restore",
        scope="admin",
        summary="Write every original mask back, and pause",
        answer=responses.RestoreAnswer,
    ),
    Route(
        name="trials",
        path=f"{PREFIX}/trials",
        summary="Trials of two placements: the one that runs, and the last ones",
        answer=tuple[TrialRecord, ...],
    ),
    Route(
        name="trial",
        path=f"{PREFIX}/trials/{{trial}}",
        summary="One trial, with its windows and its result",
        answer=TrialRecord,
    ),
    Route(
        name="start_trial",
        method="POST",
        path=f"{PREFIX}/trials",
        scope="admin",
        summary="Compare two placements in turns; ends if its client says nothing for 30 s",
        answer=TrialRecord,
        body=requests.TrialBody,
        errors=(415, 422),
    ),
    Route(
        name="beat_trial",
        method="POST",
        path=f"{PREFIX}/trials/{{trial}}/beat",
        scope="admin",
        summary="Say that the trial's client is still there, and give a window's number",
        answer=TrialRecord,
        body=requests.TrialBeat,
        errors=(415, 422),
    ),
    Route(
        name="end_trial",
        method="POST",
        path=f"{PREFIX}/trials/{{trial}}/end",
        scope="admin",
        summary="End a trial now, and put everything back",
        answer=TrialRecord,
    ),
    Route(
        name="hosts",
        path=f"{PREFIX}/hosts",
        summary="The hosts that this server knows",
        answer=tuple[responses.HostView, ...],
        per_host=False,
        hostless=True,
    ),
    Route(
        name="fleet_findings",
        path=f"{PREFIX}/fleet/findings",
        summary="What is wrong on all hosts, and what to do",
        answer=tuple[responses.FindingView, ...],
        query=requests.FindingQuery,
        per_host=False,
        heavy=True,
        hostless=True,
    ),
    Route(
        name="openapi",
        path=f"{PREFIX}/openapi.json",
        scope="public",
        summary="This API, as OpenAPI 3.1",
        answer=dict[str, Any],
        per_host=False,
        hostless=True,
    ),
    Route(
        name="healthz",
        path="/healthz",
        scope="public",
        summary="Whether the daemon is alive",
        answer=responses.Health,
        errors=(503,),
        per_host=False,
        hostless=True,
    ),
    Route(
        name="readyz",
        path="/readyz",
        scope="public",
        summary="Whether the daemon has run a cycle lately",
        answer=responses.Health,
        errors=(503,),
        per_host=False,
        hostless=True,
    ),
    Route(
        name="metrics",
        path="/metrics",
        summary="Metrics for Prometheus",
        answer=None,
        media="text/plain",
        per_host=False,
        hostless=True,
    ),
)
"""All routes of irqbal's own."""

LEGACY: tuple[Route, ...] = (
    Route(
        name="legacy_devices",
        path="/devices",
        summary="irq_manager: names of devices",
        answer=responses.LegacyDevices,
        per_host=False,
    ),
    Route(
        name="legacy_cpu_count",
        path="/cpu_count",
        summary="irq_manager: number of CPUs",
        answer=responses.LegacyCpus,
        per_host=False,
    ),
    Route(
        name="legacy_device",
        path="/devices/{device}/",
        summary="irq_manager: a device's totals over time",
        answer=tuple[responses.LegacyRow, ...],
        query=requests.LegacyWindow,
        per_host=False,
        heavy=True,
    ),
    Route(
        name="legacy_affinity",
        path="/devices/{device}/affinity/",
        summary="irq_manager: a device's mask",
        answer=responses.LegacyAffinity,
        per_host=False,
    ),
    Route(
        name="legacy_set_affinity",
        method="POST",
        path="/devices/{device}/affinity/",
        scope="override",
        summary="irq_manager: set a device's mask",
        answer=responses.LegacyAffinity,
        errors=(415, 422),
        per_host=False,
        form=True,
    ),
)
"""irq_manager's own paths, so that its clients go on working."""

ALL: tuple[Route, ...] = ROUTES + LEGACY


def access_table() -> list[tuple[str, str, str]]:
    """(method, path, scope needed) of every route, in the contract's order."""
    return [(route.method, route.path, route.scope) for route in ALL]


__all__ = [
    "ALL",
    "API_VERSION",
    "LEGACY",
    "PREFIX",
    "ROUTES",
    "ErrorBody",
    "Problem",
    "Route",
    "TrialRecord",
    "access_table",
    "requests",
    "responses",
]
