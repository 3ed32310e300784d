"""The status and view of an empty host, from which the documents read the metrics' names."""

from __future__ import annotations

from irqbal.api.backend import View
from irqbal.api.responses import HistoryState, Status, Summary
from irqbal.model.plan import Plan, Record
from irqbal.model.view import Snapshot
from irqbal.wire import Duration, Moment

_LAST = Summary(
    cycle=1,
    at=Moment(0),
    seconds=0.0,
    cause="start",
    moves=0,
    right=0,
    refused=0,
    drifted=0,
    failures=0,
    imbalance=0.0,
    busiest=0.0,
)
STATUS = Status(
    host="host",
    version="",
    api="",
    state="balancing",
    paused=False,
    paused_until=None,
    dry_run=False,
    started=Moment(0),
    interval=Duration(10),
    cpus=0,
    irqs=0,
    overrides=0,
    policies=(),
    aside=(),
    history=HistoryState(True),
    last=_LAST,
)
VIEW = View(1, Snapshot(), Record(1, 0.0, 0.0, "start", False, Plan()), {})
