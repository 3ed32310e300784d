"""What a daemon tells of its host beside the samples: how it is now, for whoever looks at many
hosts. Pure: no driver, no connection.

    fleet  {_id: host, host, time, wall, version, state, imbalance, busiest, refused, drifted,
    failures, overrides, cpus, irqs,
            counts: {code: n}, findings: [{code, text, advice, irq}], status: the API's own answer}
    views  {_id: host, host, time, wall, body}: the last cycle's snapshot and record whole, as
    deflated msgpack

Both are overwritten with each sample, so that a fleet is one small document a host, and a host one
look-up. A host whose daemon is too old to tell has neither; what can be said of it follows from its
samples.
"""

from __future__ import annotations

import zlib
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import msgspec

from irqbal.findings.finding import DescribedFinding
from irqbal.findings.verify import verify_snapshot
from irqbal.history.mongodb.documents import Document, date
from irqbal.model.plan import Record, imbalance
from irqbal.model.view import Override, Snapshot
from irqbal.render.finding_texts import describe
from irqbal.wire import from_msgpack, to_msgpack

DAY = 86400.0
MOST_FINDINGS = 200
"""Findings of one host that are told; how many there are of a kind is told in any case."""
MOST_BYTES = 8 << 20
"""A snapshot larger than this, deflated, is not told: a document may have twice as much."""
MOST_INFLATED = 256 << 20
MOST_EVENTS = 10_000


class HostStatus(msgspec.Struct, frozen=True):
    """How a host is now. `status` is the API's answer as JSON; `drifted` and `failures` count the
    last 24 hours, as far as the daemon has run; `totals` are by IRQ number.
    """

    wall: float
    status: bytes
    snapshot: Snapshot
    record: Record
    totals: dict[int, int]
    overrides: tuple[Override, ...] = ()
    drifted: int = 0
    failures: int = 0


class HostFacts(msgspec.Struct, frozen=True):
    """A host in a line, as its last word had it; None: not known. `counts` are findings by code,
    `failed` names policies set aside.
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


class LastSeen(msgspec.Struct, frozen=True):
    """A host's last cycle, whole."""

    wall: float
    snapshot: Snapshot
    record: Record
    totals: dict[int, int]
    overrides: tuple[Override, ...] = ()


class RecentEvents:
    """Counts what happened within the last 24 hours."""

    def __init__(self) -> None:
        self._moments: deque[tuple[float, int, int]] = deque(maxlen=MOST_EVENTS)

    def note(self, record: Record) -> None:
        """One cycle's drift, and policies' failures."""
        drifted, failures = len(record.plan.drifted), len(record.plan.failures)
        if drifted or failures:
            self._moments.append((record.wall, drifted, failures))

    def counts(self, now: float) -> tuple[int, int]:
        """(drift, failures) since a day before `now`."""
        while self._moments and self._moments[0][0] < now - DAY:
            self._moments.popleft()
        return sum(item[1] for item in self._moments), sum(item[2] for item in self._moments)


def told_documents(host: str, told: HostStatus) -> dict[str, Document]:
    """The documents of a host's last word, by collection."""
    status: Document = msgspec.json.decode(told.status)
    findings = verify_snapshot(told.snapshot)
    over, busiest = imbalance(told.snapshot)
    head: Document = {"_id": host, "host": host, "time": date(told.wall), "wall": told.wall}
    last = status.get("last") or {}
    summary = {
        "version": status.get("version", ""),
        "state": status.get("state", ""),
        "imbalance": over,
        "busiest": busiest,
        "refused": last.get("refused", 0),
        "drifted": told.drifted,
        "failures": told.failures,
        "overrides": len(told.overrides),
        "cpus": len(told.snapshot.online),
        "irqs": len(told.snapshot.irqs),
        "counts": dict(Counter(finding.code for finding in findings)),
        "failed": [failure.get("policy", "") for failure in status.get("aside", ())],
        "findings": [
            msgspec.structs.asdict(describe(finding)) for finding in findings[:MOST_FINDINGS]
        ],
        "status": status,
    }
    body = zlib.compress(
        to_msgpack(LastSeen(told.wall, told.snapshot, told.record, told.totals, told.overrides)), 1
    )
    found = {"fleet": head | summary}
    if len(body) <= MOST_BYTES:
        found["views"] = head | {"body": body}
    return found


def facts_of(document: Mapping[str, Any]) -> HostFacts:
    """A host in a line; documents of later versions may hold more, and of earlier ones less."""
    known = {
        key: value
        for key, value in document.items()
        if key in HostFacts.__struct_fields__ and key != "host"
    }
    return msgspec.convert({**known, "host": document["_id"]}, HostFacts, strict=False)


def findings_of(document: Mapping[str, Any]) -> list[DescribedFinding]:
    """The findings of one host."""
    return [
        msgspec.convert(item, DescribedFinding, strict=False)
        for item in document.get("findings", ())
    ]


def seen_of(document: Mapping[str, Any]) -> LastSeen | None:
    """The last cycle, or None if this version cannot read it."""
    try:
        return from_msgpack(
            zlib.decompressobj().decompress(document["body"], MOST_INFLATED), LastSeen
        )
    except (KeyError, zlib.error, msgspec.DecodeError, ValueError):
        return None


__all__ = [
    "DAY",
    "HostFacts",
    "HostStatus",
    "LastSeen",
    "RecentEvents",
    "facts_of",
    "findings_of",
    "seen_of",
    "told_documents",
]
