"""One host of a central server, as its daemon reported it. It can be read, not changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

from irqbal.api import responses
from irqbal.api.backend import InstalledPolicy, Subscription, View
from irqbal.api.contract import API_VERSION
from irqbal.api.finding_views import findings_answer, state_of, stored_answer
from irqbal.central.stores import FleetStore
from irqbal.findings.host_state import VERDICTS
from irqbal.findings.verify import Context
from irqbal.history.host_status import KnownHost, LastCycle
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.store import Query
from irqbal.model.plan import Explained, Step
from irqbal.model.view import Irq, Override
from irqbal.wire import Duration, Moment, from_builtins

T = TypeVar("T")

SILENT = 600.0
"""Seconds since a host's last contact after which its state is `silent`; ten sampling intervals if
these are longer.
"""
ASSUMED_INTERVAL = Duration(60)
"""The interval of a host whose daemon does not ship its status."""


class Read(Protocol):
    """What a host needs of the server."""

    async def read(self, work: Callable[[FleetStore], T]) -> T:
        """Run a query on a thread of the store. Raises HistoryError."""

    def last(self, host: StoredHost) -> Awaitable[LastCycle]:
        """The last cycle."""

    def follow(self, host: str) -> Subscription:
        """Subscribe to the host's cycles as they are shipped."""


class StoredHost:
    """One host as it was at `now` (seconds since the epoch), for one request."""

    def __init__(self, server: Read, known: KnownHost, now: float) -> None:
        self.name, self.facts = known.facts.host, known.facts
        self._server, self._status, self._now = server, known.status, now
        self._findings = known.findings
        self._last: LastCycle | None = None
        """The last cycle; None until `view` was called."""

    def status(self) -> responses.Status:
        """Its daemon's last status; `silent` if that is too old."""
        shipped = self._shipped_status()
        silent = self._now - self.facts.wall > max(SILENT, 10 * float(shipped.interval))
        state = ("silent" if silent else shipped.state) if self._status else "unknown"
        return msgspec.structs.replace(shipped, host=self.name, state=state, central=True)

    def _shipped_status(self) -> responses.Status:
        if self._status:
            try:
                return from_builtins(self._status, responses.Status, strict=False)
            except msgspec.ValidationError:
                # The daemon has another major version.
                self._status = {}
        facts = self.facts
        return responses.Status(
            self.name,
            facts.version,
            API_VERSION,
            "unknown",
            False,
            None,
            False,
            Moment(facts.wall),
            ASSUMED_INTERVAL,
            facts.cpus or 0,
            facts.irqs or 0,
            facts.overrides or 0,
            (),
            (),
            responses.HistoryState(True),
            None,
        )

    async def refresh(self) -> None:
        """Nothing: the status is what was shipped last."""

    async def view(self) -> View:
        """The last cycle."""
        last = self._last = await self._server.last(self)
        return View(int(last.wall * 1000), last.snapshot, last.record, last.totals, last.wall)

    def overrides(self) -> tuple[Override, ...]:
        """Those of the last cycle, after `view` was called; none before."""
        return () if self._last is None else self._last.overrides

    def findings(self, view: View) -> responses.FindingsAnswer:
        """What is known of it from the last cycle and its daemon's last status."""
        if self.facts.verdict in VERDICTS:
            return stored_answer(
                self.facts.verdict, self._findings, self.facts.counts or {}, self.facts.wall
            )
        status = self._shipped_status()
        context = Context(writers=view.snapshot.writers, enabled=frozenset(status.policies) or None)
        return findings_answer(view, state_of(view, status), context)

    async def explain(self, irq: Irq, now: bool) -> Explained:
        """The steps of the last plan that concern this IRQ. Only the host's daemon knows the chain
        of limits.
        """
        plan = (await self.view()).record.plan
        steps = [
            Step(kept.policy, "claim", kept.cpus, kept.reason)
            for kept in plan.kept
            if kept.irq == irq.number
        ]
        steps += [
            Step(move.policy, "move", move.after, move.reason)
            for move in plan.moves
            if move.irq == irq.number
        ]
        steps += [
            Step(no.policy, "refuse", None, f"{no.reason}; {no.advice}".rstrip("; "))
            for no in plan.refused
            if no.irq == irq.number
        ]
        record = self._last.record if self._last is not None else None
        if record is None:
            return Explained(tuple(steps))
        return Explained(tuple(steps), record.cycle, record.wall, record.cause)

    async def policies(self) -> list[InstalledPolicy]:
        """The enabled policies by name, and those that were set aside."""
        status = self._shipped_status()
        found = [
            InstalledPolicy(name, (), position=position)
            for position, name in enumerate(status.policies)
        ]
        return found + [
            InstalledPolicy(failure.policy, (), position=len(found), problem=failure.reason)
            for failure in status.aside
        ]

    async def states(self) -> list[IrqState]:
        """The last recorded state of every IRQ."""
        return await self._server.read(lambda store: store.irqs(self.name))

    async def series(self, query: Query) -> list[Point]:
        """Counts by step."""
        return await self._server.read(
            lambda store: store.series(msgspec.structs.replace(query, host=self.name))
        )

    async def samples(self, start: float, end: float, limit: int) -> list[Sample]:
        """The newest samples, oldest first."""
        return await self._server.read(lambda store: store.newest(start, end, limit, self.name))

    async def decisions(
        self, start: float, end: float, identity: str, limit: int
    ) -> list[Decision]:
        """The newest first."""
        return await self._server.read(
            lambda store: store.decisions(start, end, identity, limit, self.name)
        )

    def subscribe(self) -> Subscription:
        """Subscribe to cycles as they are shipped: one with each sample."""
        return self._server.follow(self.name)
