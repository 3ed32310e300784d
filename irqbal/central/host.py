"""One host of a central server, as its daemon reported it. It can be read, not changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec

from irqbal.api import responses
from irqbal.api.backend import InstalledPolicy, Subscription, View
from irqbal.api.contract import API_VERSION
from irqbal.central.stores import FleetStore
from irqbal.history.host_status import HostFacts, LastSeen
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.store import Query
from irqbal.model.plan import Step
from irqbal.model.view import Override
from irqbal.wire import Duration, Moment, dec_hook

T = TypeVar("T")

SILENT = 600.0
"""Seconds after which a host that was not heard of counts as silent; more, where it samples less
often.
"""
TO_LOOK = Duration(60)


class Read(Protocol):
    """What a host asks of the server."""

    async def read(self, work: Callable[[FleetStore], T]) -> T:
        """Off the loop. Raises HistoryError."""

    def last(self, host: StoredHost) -> Awaitable[LastSeen]:
        """The last cycle."""

    def follow(self, host: str) -> Subscription:
        """Cycles as they come in."""


class StoredHost:
    """One host, as it was when it was looked up."""

    def __init__(self, server: Read, facts: HostFacts, status: dict[str, Any], now: float) -> None:
        self.name, self.facts = facts.host, facts
        self._server, self._status, self._now = server, status, now
        self._seen: LastSeen | None = None

    def status(self) -> responses.Status:
        """What its daemon said of itself, unless it has been silent since."""
        told = self._told()
        silent = self._now - self.facts.wall > max(SILENT, 10 * float(told.interval))
        state = ("silent" if silent else told.state) if self._status else "unknown"
        return msgspec.structs.replace(told, host=self.name, state=state, central=True)

    def _told(self) -> responses.Status:
        if self._status:
            try:
                return msgspec.convert(
                    self._status, responses.Status, strict=False, dec_hook=dec_hook
                )
            except msgspec.ValidationError:
                # Of another major version.
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
            TO_LOOK,
            facts.cpus or 0,
            facts.irqs or 0,
            facts.overrides or 0,
            (),
            (),
            responses.HistoryState(True),
            None,
        )

    async def view(self) -> View:
        """The last cycle."""
        seen = self._seen = await self._server.last(self)
        return View(int(seen.wall * 1000), seen.snapshot, seen.record, seen.totals)

    def overrides(self) -> tuple[Override, ...]:
        """As of the last cycle, once that was looked at."""
        return () if self._seen is None else self._seen.overrides

    async def explain(self, number: int) -> tuple[Step, ...]:
        """What the last plan said of it: the chain of limits is known to the host's daemon
        alone.
        """
        plan = (await self.view()).record.plan
        steps = [
            Step(kept.policy, "claim", kept.cpus, kept.reason)
            for kept in plan.kept
            if kept.irq == number
        ]
        steps += [
            Step(move.policy, "move", move.after, move.reason)
            for move in plan.moves
            if move.irq == number
        ]
        steps += [
            Step(no.policy, "refuse", None, f"{no.reason}; {no.advice}".rstrip("; "))
            for no in plan.refused
            if no.irq == number
        ]
        return tuple(steps)

    async def policies(self) -> list[InstalledPolicy]:
        """The enabled ones, by name."""
        status = self._told()
        found = [
            InstalledPolicy(name, (), position=position)
            for position, name in enumerate(status.policies)
        ]
        return found + [
            InstalledPolicy(failure.policy, (), position=len(found), problem=failure.reason)
            for failure in status.aside
        ]

    async def states(self) -> list[IrqState]:
        """IRQs that the history knows."""
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
        """Cycles as they are shipped: one a sample."""
        return self._server.follow(self.name)
