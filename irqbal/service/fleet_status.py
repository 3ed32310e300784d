"""This host's state for views of many hosts: the API's list of hosts, and what goes to MongoDB
besides the samples.
"""

from __future__ import annotations

import time

from irqbal.api import responses
from irqbal.api.backend import View
from irqbal.api.finding_views import described_items
from irqbal.history.host_status import HostStatus, RecentEvents
from irqbal.model.view import Override
from irqbal.wire import Moment, to_json


def host_view(
    status: responses.Status,
    view: View,
    found: responses.FindingsAnswer,
    recently: RecentEvents,
) -> responses.HostView:
    """The host's line in the list of hosts."""
    counts, record = found.counts, view.record
    drifted, failures = recently.counts(time.time())
    over, busiest = (
        (0.0, 0.0) if status.last is None else (status.last.imbalance, status.last.busiest)
    )
    return responses.HostView(
        status.host,
        Moment(record.wall),
        status.version,
        status.state,
        over,
        busiest,
        drifted,
        len({item.irq for item in record.plan.refused}),
        failures,
        tuple(item.policy for item in status.aside),
        status.overrides,
        status.cpus,
        status.irqs,
        counts.get("remote-queue", 0),
        counts.get("isolated", 0),
        found.verdict,
        found.count,
    )


def finding_views(
    host: str, found: responses.FindingsAnswer, code: str
) -> list[responses.FindingView]:
    """The host's findings; with a code, only those with this code."""
    return [
        responses.FindingView(
            host,
            found.at,
            item.code,
            item.irq,
            item.text,
            item.advice,
            item.severity,
            item.kind,
            item.subject,
        )
        for item in found.findings
        if code in ("", item.code)
    ]


def host_status(
    status: responses.Status,
    view: View,
    found: responses.FindingsAnswer,
    overrides: tuple[Override, ...],
    recently: RecentEvents,
) -> HostStatus:
    """This host's current state as MongoDB stores it."""
    drifted, failures = recently.counts(view.record.wall)
    return HostStatus(
        view.record.wall,
        to_json(status),
        view.snapshot,
        view.record,
        dict(view.totals),
        overrides,
        drifted,
        failures,
        found.verdict,
        described_items(found),
        found.counts,
    )
