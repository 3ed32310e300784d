"""The daemon's side of a policy host: it starts the host, sends it requests, and starts a new one
without the policy that made the last one fail.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from irqbal.errors import PolicyHostError
from irqbal.model.plan import Failure, Record
from irqbal.model.policy import Needs
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds, process, protocol
from irqbal.plugins.channel import HostBlamed, HostChannel
from irqbal.problems import LocatedProblem

log = logging.getLogger(__name__)
Result = TypeVar("Result")


class SupervisorStopped(Exception):
    """The daemon is stopping and has ended the host."""


class _Attempts(msgspec.Struct, Generic[Result], frozen=True):
    """The result of a request, and the policies that were set aside until it succeeded."""

    result: Result
    failures: tuple[Failure, ...]


def _is_schema(text: str) -> bool:
    """Whether a text from a host is a JSON schema of a bearable size."""
    if len(text) > bounds.MAX_SCHEMA_LENGTH:
        return False
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False


class PolicySupervisor:
    """The policies (or observers) that the YAML names, in a host that is replaced whenever one of
    them makes it fail.

    All methods but `stop` are called from one thread.
    """

    def __init__(
        self, entries: Iterable[protocol.PolicyEntry], kind: process.HostKind = "policies"
    ) -> None:
        self._entries = {entry.index: entry for entry in entries}
        self._kind = kind
        self._host: HostChannel | None = None
        # Guards `_host` and `_stopped` against `stop` from another thread.
        self._lock = threading.Lock()
        self._stopped = False
        self._consecutive_raises: dict[int, int] = {}
        self.aside: dict[int, Failure] = {}
        """Policies that are no longer called, by index, with the reason."""
        self.needs: dict[int, Needs] = {}
        """What each bound policy depends on, by index."""

    def names(self) -> dict[int, str]:
        """The policies' names by index."""
        return {index: entry.plugin.name for index, entry in self._entries.items()}

    @property
    def again(self) -> float | None:
        """Seconds after which some policy wants a new plan at the latest; None: none does."""
        return min((needs.again for needs in self.needs.values() if needs.again), default=None)

    @property
    def pid(self) -> int | None:
        """The process id of the present host; None: there is none, or it is not known yet."""
        return None if self._host is None else self._host.pid

    def spawn(self) -> None:
        """Start the host unless it runs, without waiting until it is ready. Raises PolicyHostError,
        or SupervisorStopped after `stop`.
        """
        self._spawned()

    def bind(self) -> list[LocatedProblem]:
        """Import all policies and return the problems with their options. A policy that cannot be
        imported is set aside.
        """
        return list(self._until_success(self._start_and_bind).result.problems)

    def describe(self) -> protocol.DescribeResult:
        """The options and the summary of each policy that is bound. What is no description, or one
        of no such policy, is left out.
        """
        found = self._until_success(
            lambda: self._bound_host().request(protocol.DescribeRequest(), protocol.DescribeResult)
        ).result
        return protocol.DescribeResult(
            {
                index: text
                for index, text in found.schemas.items()
                if index in self._entries and _is_schema(text)
            },
            {
                index: text[: bounds.MAX_REASON_LENGTH]
                for index, text in found.about.items()
                if index in self._entries
            },
            {
                index: tuple(name[: bounds.MAX_NAME_LENGTH] for name in names)
                for index, names in found.hooks.items()
                if index in self._entries
            },
        )

    def plan(
        self, snapshot: Snapshot, ledger: Ledger, settings: Settings
    ) -> tuple[protocol.PlanResult, tuple[Failure, ...]]:
        """Request a plan: the result, and every policy that failed on the way. One that hangs,
        crashes or breaks the protocol is set aside, and the plan is requested again.

        Raises PolicyHostError if no host can be started, SupervisorStopped after `stop`.
        """
        request = protocol.PlanRequest(snapshot, ledger, settings)
        attempts = self._until_success(
            lambda: self._bound_host().request(request, protocol.PlanResult)
        )
        failures = (*attempts.failures, *self._count_raises(attempts.result.raised))
        return attempts.result, failures

    def observe(self, record: Record) -> tuple[Failure, ...]:
        """Pass a cycle's record to all observers, and return those that failed."""
        request = protocol.ObserveRequest(record)
        attempts = self._until_success(
            lambda: self._bound_host().request(request, protocol.ObserveResult)
        )
        return (*attempts.failures, *self._count_raises(attempts.result.raised))

    def stop(self) -> None:
        """End the host now, from any thread; a request under way raises SupervisorStopped."""
        with self._lock:
            self._stopped = True
            if self._host is not None:
                self._host.kill()

    def close(self) -> None:
        """End the host; the next request starts a new one."""
        with self._lock:
            if self._host is not None:
                self._host.close()
                self._host = None

    def _until_success(self, work: Callable[[], Result]) -> _Attempts[Result]:
        """Do the work; while it fails because of a policy, set that one aside and try again."""
        failures: list[Failure] = []
        unblamed = 0
        while True:
            try:
                return _Attempts(work(), tuple(failures))
            except HostBlamed as blamed:
                self.close()
                if self._stopped:
                    raise SupervisorStopped from None
                if blamed.index is not None and blamed.index in self._entries:
                    failures.append(self._set_aside(blamed.index, blamed.code, blamed.reason))
                    continue
                unblamed += 1
                if unblamed > 1:
                    raise PolicyHostError(
                        f"the policy host failed twice: {blamed.reason}"
                    ) from None

    def _bound_host(self) -> HostChannel:
        """The host with all policies bound, started if there is none."""
        if self._host is not None:
            return self._host
        self._start_and_bind()
        return self._spawned()

    def _spawned(self) -> HostChannel:
        with self._lock:
            if self._stopped:
                raise SupervisorStopped
            if self._host is None:
                packages = {
                    entry.plugin.module.partition(".")[0] for entry in self._entries.values()
                }
                self._host = HostChannel(self._kind, sorted(packages), self._entries)
            return self._host

    def _start_and_bind(self) -> protocol.BindResult:
        active = tuple(entry for index, entry in self._entries.items() if index not in self.aside)
        bound = self._spawned().request(protocol.BindRequest(active), protocol.BindResult)
        self.needs = bound.needs
        for refusal in bound.refused:
            if not refusal.config:
                self._set_aside(refusal.index, "unusable", refusal.reason)
        return bound

    def _count_raises(self, raised: tuple[protocol.HookRaised, ...]) -> list[Failure]:
        """The failures of hooks that raised; a policy that has done so in several consecutive
        cycles is set aside.
        """
        failures = []
        counts: dict[int, int] = {}
        for item in raised:
            if item.index not in self._entries or item.index in counts:
                continue
            counts[item.index] = self._consecutive_raises.get(item.index, 0) + 1
            if counts[item.index] >= bounds.RAISES_UNTIL_ASIDE:
                failures.append(self._set_aside(item.index, item.code, item.reason))
                self.close()
            else:
                failures.append(
                    Failure(self._entries[item.index].plugin.name, item.code, item.reason)
                )
        self._consecutive_raises = counts
        return failures

    def _set_aside(self, index: int, code: str, reason: str) -> Failure:
        plugin = self._entries[index].plugin
        failure = Failure(
            plugin.name, code, f"{reason} ({', '.join(plugin.distributions)})", aside=True
        )
        self.aside[index] = failure
        log.error(
            "the policy %s is set aside until the next reload: %s", plugin.name, failure.reason
        )
        return failure
