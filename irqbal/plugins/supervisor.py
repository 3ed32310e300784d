"""The daemon's side of all policies: irqbal's own in the planner's process, each stranger's
distribution in one of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Literal

import msgspec

from irqbal.model.plan import Failure
from irqbal.model.policy import Needs
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds, protocol
from irqbal.plugins.answer_reuse import StrangersWord
from irqbal.plugins.check_items import HookRoom
from irqbal.plugins.descriptions import checked
from irqbal.plugins.hosted import HostedDistribution, at_once, by_distribution
from irqbal.plugins.identification import Identification
from irqbal.plugins.observer_supervisor import ObserverSupervisor
from irqbal.plugins.plan_session import IDENTIFIES, PlanSession
from irqbal.plugins.planner_process import PlannerProcess, SupervisorStopped
from irqbal.problems import LocatedProblem

__all__ = ["NOT_READY", "PATIENCE", "PolicySupervisor", "SupervisorStopped", "supervised"]

Section = Literal["policies", "observers"]
"""A list of the YAML."""
PATIENCE = bounds.START_DEADLINE + bounds.IMPORT_DEADLINE
"""Seconds that commands which ask once wait for strangers."""
NOT_READY = "its process was not ready in time, so it could not be checked"


class PolicySupervisor:
    """The policies that the YAML names, each in the process where it belongs.

    All methods but `stop` are called from one thread; the attributes may be read from any.
    """

    def __init__(
        self, entries: Iterable[protocol.PolicyEntry], starting_at_once: int | None = None
    ) -> None:
        """`starting_at_once`: how many strangers' processes may be starting at the same time."""
        self._entries = {entry.index: entry for entry in entries}
        gate = threading.Semaphore(starting_at_once or max(1, len(self._entries)))
        own = [entry for entry in self._entries.values() if entry.plugin.own]
        self._planner = PlannerProcess(own)
        self._strangers = [
            HostedDistribution("policies", group, gate)
            for group in by_distribution(self._entries.values())
            if not group[0].plugin.own
        ]
        self._identification = Identification()
        self._words: dict[int, StrangersWord] = {}
        self._planned = False
        self._missing: frozenset[str] = frozenset()

    def names(self) -> dict[int, str]:
        """The policies' names by index."""
        return {index: entry.plugin.name for index, entry in self._entries.items()}

    @property
    def aside(self) -> dict[int, Failure]:
        """Policies that are not called until the next try, by index, with the reason."""
        found = dict(self._planner.aside)
        for host in self._strangers:
            found |= host.aside
        return dict(sorted(found.items()))

    @property
    def needs(self) -> dict[int, Needs]:
        """What each bound policy depends on, by index."""
        found = dict(self._planner.bound.needs)
        for host in self._strangers:
            if host.bound is not None:
                found |= host.bound.needs
        return dict(sorted(found.items()))

    @property
    def again(self) -> float | None:
        """Seconds after which some policy wants a new plan at the latest; None: none does."""
        return min((needs.again for needs in self.needs.values() if needs.again), default=None)

    @property
    def pid(self) -> int | None:
        """The process id of the planner's host; None: there is none, or it is not known yet."""
        return self._planner.pid

    @property
    def pids(self) -> dict[str, int | None]:
        """The process ids of strangers' hosts, by distribution."""
        return {host.name: host.pid for host in self._strangers}

    @property
    def starting(self) -> tuple[str, ...]:
        """The policies that are not ready yet."""
        return tuple(name for host in self._strangers for name in host.starting())

    @property
    def busy(self) -> bool:
        """Whether a stranger's process is being started, or works on a request."""
        return any(host.busy for host in self._strangers)

    def spawn(self) -> None:
        """Start all processes unless they run, without waiting until they are ready. Raises
        PolicyHostError, or SupervisorStopped after `stop`.
        """
        self._planner.spawn()
        for host in self._strangers:
            if host.bound is None and not host.busy and not host.aside:
                host.start()

    def bind(self, patience: float = bounds.READY_DEADLINE) -> list[LocatedProblem]:
        """Import all policies and return the problems with their options. A policy that cannot be
        imported is set aside; strangers' may take `patience` seconds longer than irqbal's own, and
        are ready later if they do not.
        """
        self.spawn()
        self._planner.bind()
        end = time.monotonic() + patience
        for host in self._strangers:
            host.wait(end - time.monotonic())
        problems = list(self._planner.bound.problems)
        for host in self._strangers:
            if host.bound is not None:
                problems += host.bound.problems
        self._missing = self._not_ready()
        # Who could not be used is reported by the first plan's `aside`, and not as its failure.
        self._planner.take_failures()
        for host in self._strangers:
            host.take_failures()
        return problems

    def is_own(self, problem: LocatedProblem) -> bool:
        """Whether a problem is with the options of one of irqbal's own policies."""
        return problem in self._planner.bound.problems

    def describe(self) -> protocol.DescribeResult:
        """The options and the summary of each policy that is bound. What is no description is left
        out.
        """
        frame = protocol.pack(protocol.DescribeRequest())
        found = self._planner.request(lambda: (frame,), protocol.DescribeResult)
        found = checked(found, self._entries)
        for host in self._strangers:
            if host.bound is not None:
                found.schemas.update(host.bound.described.schemas)
                found.about.update(host.bound.described.about)
        return found

    def hooks(self) -> dict[int, tuple[str, ...]]:
        """The names of each bound policy's hooks, by index."""
        found = dict(self._planner.bound.hooks)
        for host in self._strangers:
            if host.bound is not None:
                found |= host.bound.hooks
        return found

    def tend(self) -> str:
        """Start again what has failed, if its time has come. Returns why a new plan is due, such as
        that a policy has become ready, or an empty text.
        """
        for host in self._strangers:
            host.tend()
        before, self._missing = self._missing, self._not_ready()
        ready = sorted((before - self._missing) | set(self._planner.due()))
        return f"ready now: {', '.join(ready)}" if ready else ""

    def _not_ready(self) -> frozenset[str]:
        return frozenset((*self.starting, *(failure.policy for failure in self.aside.values())))

    def plan(
        self, snapshot: Snapshot, ledger: Ledger, settings: Settings
    ) -> tuple[protocol.PlanResult, tuple[Failure, ...]]:
        """Request a plan: the result, and every policy that failed on the way. One that hangs,
        crashes or breaks the protocol is set aside, and the plan is made without it.

        Raises PolicyHostError if no host can be started, SupervisorStopped after `stop`.
        """
        names = self.names()
        seconds = bounds.STRANGERS_DEADLINE if self._planned else bounds.FIRST_DEADLINE
        session = PlanSession(self._strangers, names, self._words, snapshot, seconds)
        self._planner.bind()
        session.ask_queues(self._identification)
        self._ask_own_queues(snapshot)
        queues = self._identification.queues(sorted(self._entries), snapshot)
        session.identified(queues)
        strangers = session.ask_limits()
        frame = protocol.pack(protocol.PlanRequest(ledger, settings, strangers))
        # What strangers said, and may still say, comes back in the plan, and in its explanations.
        said = len(frame) + len(strangers) * HookRoom.on(snapshot).frame
        most = bounds.MAX_ANSWER_SIZE + len(snapshot.irqs) * bounds.MAX_PLAN_PER_IRQ + 2 * said
        result = self._planner.request(
            lambda: (session.frame, frame), protocol.PlanResult, most, session.answer
        )
        self._planned = True
        self._planner.count_raises(result.raised)
        failures = (*self._planner.take_failures(), *session.failures())
        plan = msgspec.structs.replace(result.plan, queues=queues, starting=self.starting)
        known = {irq.identity for irq in snapshot.irqs} | ledger.entries.keys()
        ledger = result.ledger.only(known)
        return msgspec.structs.replace(result, plan=plan, ledger=ledger), failures

    def _ask_own_queues(self, snapshot: Snapshot) -> None:
        for index in self._entries:
            if not self._planner.has(index, IDENTIFIES):
                continue
            asked = self._identification.unasked(index, snapshot)
            if asked:
                frame = protocol.pack(protocol.IdentifyRequest(index, asked))
                most = bounds.MAX_ANSWER_SIZE + len(asked) * bounds.QUEUE_SIZE
                found = self._planner.request(lambda: (frame,), protocol.IdentifyResult, most)  # noqa: B023
                self._identification.note(index, asked, found.queues)

    def stop(self) -> None:
        """End all hosts now and for good, from any thread; a request under way raises
        SupervisorStopped.
        """
        at_once([self._planner.kill, *(host.kill for host in self._strangers)])

    def close(self) -> None:
        """End all hosts for good, and wait until they are gone."""
        self.stop()
        self._planner.close()
        for host in self._strangers:
            host.close()


def supervised(
    section: Section, entries: Iterable[protocol.PolicyEntry]
) -> PolicySupervisor | ObserverSupervisor:
    """The supervisor of what stands in this list of the YAML."""
    return PolicySupervisor(entries) if section == "policies" else ObserverSupervisor(entries)
