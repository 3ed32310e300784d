"""A status and a view of an empty host: what the metrics' names are read from."""

from __future__ import annotations

from irqbal.api.backend import View
from irqbal.api.responses import HistoryState, Status, Summary
from irqbal.model.plan import Plan, Record
from irqbal.model.view import Snapshot
from irqbal.wire import Duration, Moment

_LAST = Summary(1, Moment(0), 0.0, "start", 0, 0, 0, 0, 0, 0.0, 0.0)
STATUS = Status(
    "host",
    "",
    "",
    "balancing",
    False,
    None,
    False,
    Moment(0),
    Duration(10),
    0,
    0,
    0,
    (),
    (),
    HistoryState(True),
    _LAST,
)
VIEW = View(1, Snapshot(), Record(1, 0.0, 0.0, "start", False, Plan()), {})
