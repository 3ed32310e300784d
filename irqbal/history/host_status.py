"""How a host is now, as documents that its daemon ships beside the samples. Pure: no driver.

    fleet  {_id: host, host, time, wall, version, state, verdict, imbalance, busiest,
            refused, drifted, failures, overrides, cpus, irqs, counts: {code: n},
            failed: [policy], findings: [DescribedFinding], status: the API's own answer}
    views  {_id: host, host, time, wall, form, body}: the last cycle's snapshot and record, as
            deflated msgpack; `form` is VIEW_FORM

Both are overwritten with each sample: listing a fleet reads one small document a host, and looking
at a host reads one document. A host whose daemon does not ship a status has neither; what is known
of it follows from its samples.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from irqbal.findings.finding import DescribedFinding
from irqbal.history.mongodb.documents import Document, date
from irqbal.model.plan import Record, imbalance
from irqbal.model.view import Override, Snapshot
from irqbal.wire import from_builtins, from_msgpack, to_msgpack

DAY = 86400.0
"""Seconds over which drift and failures are counted."""
MAX_FINDINGS = 200
"""Most findings of one host that are shipped; `counts` has the number of all."""
MAX_BODY = 8 << 20
"""Most bytes of a deflated snapshot: half of what MongoDB takes as one document. A larger one is
not shipped.
"""
VIEW_FORM = 2
"""Form of the documents in `views`. Documents without one are of the form before, in which an IRQ
had one queue at most.
"""
MAX_INFLATED = 256 << 20
"""Most bytes of an inflated snapshot: bounds what a document can make a reader allocate."""
MAX_EVENTS = 10_000
"""Most cycles with drift or failures that are counted: more than a day at the default interval
has.
"""
DEFLATE_LEVEL = 1
"""zlib level: fast; higher ones save little here."""


class HostStatus(msgspec.Struct, frozen=True):
    """How a host is at `wall` (seconds since the epoch). `status` is the API's answer as JSON.
    `totals` are interrupts by IRQ number. `drifted` and `failures` count the last 24 hours, or
    since the daemon's start. `verdict`, `findings` (the worst first, of many only the first) and
    `counts` (of all, by code) are those of the API's answer.
    """

    wall: float
    status: bytes
    snapshot: Snapshot
    record: Record
    totals: dict[int, int]
    overrides: tuple[Override, ...] = ()
    drifted: int = 0
    failures: int = 0
    verdict: str = ""
    findings: tuple[DescribedFinding, ...] = ()
    counts: dict[str, int] = {}


class HostFacts(msgspec.Struct, frozen=True):
    """A host in a line, as of `wall` (seconds since the epoch); None: not known. `counts` are
    findings by code, `failed` the policies that were set aside. `verdict` is well, look or act;
    empty if the host does not ship one.
    """

    host: str
    wall: float
    version: str = ""
    state: str = ""
    imbalance: float | None = None
    busiest: float | None = None
    refused: int | None = None
    drifted: int | None = None
    failures: int | None = None
    overrides: int | None = None
    cpus: int | None = None
    irqs: int | None = None
    counts: dict[str, int] | None = None
    failed: tuple[str, ...] = ()
    verdict: str = ""


class KnownHost(msgspec.Struct, frozen=True):
    """A host, the API's status answer of its daemon and its findings; empty if it does not ship
    them.
    """

    facts: HostFacts
    status: dict[str, Any] = {}
    findings: tuple[DescribedFinding, ...] = ()


class HostFindings(msgspec.Struct, frozen=True):
    """A host and what is not as it should be on it."""

    facts: HostFacts
    findings: tuple[DescribedFinding, ...]


class LastCycle(msgspec.Struct, frozen=True):
    """A host's last cycle; `totals` are interrupts by IRQ number."""

    wall: float
    snapshot: Snapshot
    record: Record
    totals: dict[int, int]
    overrides: tuple[Override, ...] = ()


class RecentEvents:
    """Counts drift and failures of the last 24 hours."""

    def __init__(self) -> None:
        self._events: deque[tuple[float, int, int]] = deque(maxlen=MAX_EVENTS)
        """(time, IRQs that drifted, policies that failed) of cycles that had any."""

    def note(self, record: Record) -> None:
        """Count one cycle's drift and failures."""
        drifted, failures = len(record.plan.drifted), len(record.plan.failures)
        if drifted or failures:
            self._events.append((record.wall, drifted, failures))

    def counts(self, now: float) -> tuple[int, int]:
        """(drift, failures) within the 24 hours before `now`, in seconds since the epoch."""
        while self._events and self._events[0][0] < now - DAY:
            self._events.popleft()
        return sum(item[1] for item in self._events), sum(item[2] for item in self._events)


def status_documents(host: str, status: HostStatus) -> dict[str, Document]:
    """The documents of a host's status, by collection."""
    answer: Document = msgspec.json.decode(status.status)
    over, busiest = imbalance(status.snapshot)
    head: Document = {"_id": host, "host": host, "time": date(status.wall), "wall": status.wall}
    last = answer.get("last") or {}
    summary = {
        "version": answer.get("version", ""),
        "state": answer.get("state", ""),
        "verdict": status.verdict,
        "imbalance": over,
        "busiest": busiest,
        "refused": last.get("refused", 0),
        "drifted": status.drifted,
        "failures": status.failures,
        "overrides": len(status.overrides),
        "cpus": len(status.snapshot.online),
        "irqs": len(status.snapshot.irqs),
        "counts": status.counts,
        "failed": [failure.get("policy", "") for failure in answer.get("aside", ())],
        "findings": [msgspec.structs.asdict(item) for item in status.findings[:MAX_FINDINGS]],
        "status": answer,
    }
    cycle = LastCycle(status.wall, status.snapshot, status.record, status.totals, status.overrides)
    body = zlib.compress(to_msgpack(cycle), DEFLATE_LEVEL)
    documents = {"fleet": head | summary}
    if len(body) <= MAX_BODY:
        documents["views"] = head | {"form": VIEW_FORM, "body": body}
    return documents


def facts_of(document: Mapping[str, Any]) -> HostFacts:
    """A host in a line, from its document in `fleet`. Fields of newer versions are ignored, those
    that older versions lack are None.
    """
    known = {
        key: value
        for key, value in document.items()
        if key in HostFacts.__struct_fields__ and key != "host"
    }
    return from_builtins({**known, "host": document["_id"]}, HostFacts, strict=False)


def findings_of(document: Mapping[str, Any]) -> list[DescribedFinding]:
    """A host's findings, from its document in `fleet`."""
    return [
        from_builtins(item, DescribedFinding, strict=False) for item in document.get("findings", ())
    ]


def _with_queues(body: bytes) -> bytes:
    """A body without a `form`, in which an IRQ has one `queue` or none, in the present form."""
    cycle = msgspec.msgpack.decode(body)
    for irq in cycle["snapshot"]["irqs"]:
        queue = irq.pop("queue", None)
        irq["queues"] = [] if queue is None else [queue]
    return msgspec.msgpack.encode(cycle)


def last_cycle_of(document: Mapping[str, Any]) -> LastCycle | None:
    """A host's last cycle, from its document in `views`; None if this version cannot read it."""
    try:
        body = zlib.decompressobj().decompress(document["body"], MAX_INFLATED)
        if "form" not in document:
            body = _with_queues(body)
        return from_msgpack(body, LastCycle)
    except (KeyError, TypeError, AttributeError, zlib.error, msgspec.DecodeError, ValueError):
        return None
