"""Running policies in the author's own process, where a debugger and a coverage tool see them: once
on a snapshot, or cycle after cycle on a simulated host.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError
from irqbal.model.plan import Failure, Plan, Record
from irqbal.model.view import Snapshot
from irqbal.planner.check_plan import check_plan
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import protocol
from irqbal.plugins.discovery import InstalledPlugin, find
from irqbal.plugins.identification import Identification, with_queues
from irqbal.plugins.planner_host import PlannerHost
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.problems import node_of
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer
from irqbal.simulated.ground_truth import GroundTruth
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec

Wanted = ModuleType | str | tuple[ModuleType | str, Mapping[str, Any]]
"""A policy: its module or the name under which it is installed, alone or with options as the YAML
would have them.
"""


def ask(snapshot: Snapshot, *policies: Wanted, **settings: Any) -> Plan:
    """The plan of these policies, in this order, with an explanation of every IRQ; a policy that
    raises fails the test.

    `settings` are the planner's, such as `banned=CpuSet.of(0)`. Raises AssertionError, or
    IrqbalError if a policy cannot be used.
    """
    planner = Settings(**{"explain_all": True, **settings})
    result, failures = _InProcess(policies).plan(snapshot, Ledger(), planner)
    assert not failures, _sentence(failures)
    return check_plan(result.plan, snapshot, planner, result.limits)


class Simulated:
    """A simulated host with a clock of its own, balanced by these policies:
    `Simulated("1x4,nic=8,traffic=skewed", my_policy)`.

    `spec` is what `irqbal simulate --host` takes, `interval` seconds a cycle; `settings` are the
    planner's. Nothing happens until `balance` is called.
    """

    def __init__(
        self, spec: str, *policies: Wanted, interval: float = 10.0, **settings: Any
    ) -> None:
        self.host = SimulatedHost(parse_spec(spec), lambda originals: None, interval)
        """The host; a test may change `host.state` between two calls of `balance`."""
        planner = Settings(
            **{"cooldown": interval * COOLDOWN_INTERVALS, "explain_all": True, **settings}
        )
        self._balancer = Balancer(self.host, _InProcess(policies), planner, interval, dry_run=False)
        self._interval = interval
        self._balancer.first_look()
        self._after = self._balancer.current_snapshot()

    def balance(self, cycles: int = 6) -> list[Record]:
        """Let this many intervals pass, with a cycle at the end of each, and return the records of
        the cycles. Raises AssertionError if a policy raised.
        """
        records = []
        for _ in range(cycles):
            self.host.advance(self._interval)
            result = self._balancer.run_cycle("tick")
            record, self._after = result.record, result.after
            assert not record.plan.failures, _sentence(record.plan.failures)
            assert not record.problem, record.problem
            records.append(record)
        return records

    @property
    def snapshot(self) -> Snapshot:
        """The host as it was after the last cycle's writes."""
        return self._after

    @property
    def places(self) -> dict[str, CpuSet]:
        """Each IRQ's affinity by its name."""
        return {irq.action: irq.affinity for irq in self.snapshot.irqs}

    def truth(self) -> GroundTruth:
        """Let one more interval pass, and return the loads that it really had, without the noise
        that policies see.
        """
        self.host.advance(self._interval)
        return self.host.truth()


class _Discard:
    """Stands in for the socket on which a policy host reports which hook it calls."""

    def sendall(self, data: bytes) -> None:
        """Discard the message."""


class _InProcess(PolicySupervisor):
    """Policies without a host process. There are no deadlines, and a crash ends the test's process:
    `check_policy` finds such policies.
    """

    def __init__(self, policies: Iterable[Wanted]) -> None:
        entries = tuple(entry_of(index, item) for index, item in enumerate(policies))
        super().__init__(())
        self._entries = {entry.index: entry for entry in entries}
        self._in_process = PlannerHost(_Discard())
        self._queues = Identification()
        bound = self._in_process.answer(protocol.BindRequest(entries))
        assert isinstance(bound, protocol.BindResult)
        problems = [refused.reason for refused in bound.refused if not refused.config]
        problems += [f"{problem.key}: {problem.text}" for problem in bound.problems]
        if problems:
            raise IrqbalError("; ".join(problems))

    def plan(
        self, snapshot: Snapshot, ledger: Ledger, settings: Settings
    ) -> tuple[protocol.PlanResult, tuple[Failure, ...]]:
        names = self.names()
        raised: list[protocol.HookRaised] = []
        for index in names:
            asked = self._queues.unasked(index, snapshot)
            found = self._in_process.answer(protocol.IdentifyRequest(index, asked))
            assert isinstance(found, protocol.IdentifyResult)
            self._queues.note(index, asked, found.queues)
            raised += found.raised
        queues = self._queues.queues(sorted(names), snapshot)
        request = protocol.PlanRequest(ledger, settings)
        result = self._in_process.plan(request, with_queues(snapshot, queues))
        plan = msgspec.structs.replace(result.plan, queues=queues)
        failures = tuple(
            Failure(names[item.index], "raised", item.reason) for item in (*raised, *result.raised)
        )
        return msgspec.structs.replace(result, plan=plan), failures


def entry_of(index: int, item: Wanted) -> protocol.PolicyEntry:
    """The entry that the daemon would create from the YAML. Raises IrqbalError if no installed
    plugin has the name.
    """
    policy, options = item if isinstance(item, tuple) else (item, {})
    if isinstance(policy, ModuleType):
        # A module that a test created need not be importable by its name.
        sys.modules.setdefault(policy.__name__, policy)
        plugin = InstalledPlugin(
            policy.__name__.rpartition(".")[2], policy.__name__, ("this test",)
        )
    else:
        installed = find()
        if policy not in installed:
            raise IrqbalError(
                f"no installed package provides the policy {policy}; installed are "
                f"{', '.join(installed) or 'none'}"
            )
        plugin = installed[policy]
    return protocol.PolicyEntry(plugin, index, node_of(dict(options)))


def _sentence(failures: Iterable[Failure]) -> str:
    return "; ".join(f"{failure.policy}: {failure.reason}" for failure in failures)
