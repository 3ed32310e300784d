"""How this host is, as those see it who look at many: the API's list of hosts, and what goes to
MongoDB beside the samples.
"""

from __future__ import annotations

import time
from collections import Counter

from irqbal.api import responses
from irqbal.api.backend import View
from irqbal.findings.finding import Finding
from irqbal.findings.verify import verify
from irqbal.history.host_status import HostStatus, RecentEvents
from irqbal.model.plan import Plan
from irqbal.model.view import Override
from irqbal.render.finding_texts import describe
from irqbal.wire import Moment, to_json


def _findings(view: View) -> list[Finding]:
    """The plan was carried out: what it moved is no finding any more."""
    return verify(view.snapshot, Plan(), ())


def host_view(
    status: responses.Status, view: View | None, recently: RecentEvents
) -> responses.HostView:
    """The host in a line."""
    if view is None:
        return responses.HostView(status.host, None, status.version, status.state)
    counts, record = Counter(item.code for item in _findings(view)), view.record
    drifted, failures = recently.counts(time.time())
    return responses.HostView(
        status.host,
        Moment(record.wall),
        status.version,
        status.state,
        record.imbalance,
        record.busiest,
        drifted,
        len({item.irq for item in record.plan.refused}),
        failures,
        tuple(item.policy for item in status.aside),
        status.overrides,
        status.cpus,
        status.irqs,
        counts["remote-queue"],
        counts["isolated"],
    )


def finding_views(host: str, view: View | None, code: str) -> list[responses.FindingView]:
    """What is not as it should be; with a code, of this kind."""
    if view is None:
        return []
    seen = Moment(view.record.wall)
    described = [describe(item) for item in _findings(view) if code in ("", item.code)]
    return [
        responses.FindingView(host, seen, item.code, item.irq, item.text, item.advice)
        for item in described
    ]


def told(
    status: responses.Status, view: View, overrides: tuple[Override, ...], recently: RecentEvents
) -> HostStatus:
    """What goes to MongoDB."""
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
    )
