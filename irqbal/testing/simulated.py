"""A made-up host that policies balance in this process, so that a debugger and a coverage tool see
them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError
from irqbal.model.plan import Failure, Plan, Record
from irqbal.model.view import Snapshot
from irqbal.planner.check_plan import check_plan
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import protocol
from irqbal.plugins.discovery import InstalledPlugin, find
from irqbal.plugins.policy_host import PolicyHost
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.problems import node_of
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer
from irqbal.simulated.ground_truth import GroundTruth
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec

Wanted = ModuleType | str | tuple[ModuleType | str, Mapping[str, Any]]
"""A policy: its module or the name it is installed under, with or without options as the YAML would
have them.
"""


def ask(snapshot: Snapshot, *policies: Wanted, **settings: Any) -> Plan:
    """The plan that these policies lead to, in this order, with every IRQ explained; a policy that
    raises fails the test.

    `settings` are the planner's, such as `banned=CpuSet.of(0)`. Raises AssertionError, or
    IrqbalError if a policy cannot be used.
    """
    wanted = Settings(**{"explain_all": True, **settings})
    answer, failures = _InProcess(policies).plan(snapshot, Ledger(), wanted)
    assert not failures, _sentence(failures)
    return check_plan(answer.plan, snapshot, wanted)


class Simulated:
    """A made-up host with a clock of its own, balanced by these policies:
    `Simulated("1x4,nic=8,traffic=skewed", my_policy)`.

    The text is what `irqbal simulate --host` takes. Nothing happens until `balance` is called.
    """

    def __init__(
        self, spec: str, *policies: Wanted, interval: float = 10.0, **settings: Any
    ) -> None:
        self.host = SimulatedHost(parse_spec(spec), lambda originals: None, interval)
        """The host; `host.state` can be changed between two calls of `balance`, as by somebody
        else.
        """
        wanted = Settings(
            **{"cooldown": interval * COOLDOWN_INTERVALS, "explain_all": True, **settings}
        )
        self._balancer = Balancer(self.host, _InProcess(policies), wanted, interval, dry_run=False)
        self._interval = interval
        self._balancer.first_look()
        self._after = self._balancer.current_snapshot()

    def balance(self, cycles: int = 6) -> list[Record]:
        """So many intervals and cycles; what each did. Raises AssertionError if a policy raised."""
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
        """The host as the policies saw it in the last cycle, after what was written."""
        return self._after

    @property
    def places(self) -> dict[str, CpuSet]:
        """Each IRQ's mask by its name."""
        return {irq.action: irq.affinity for irq in self.snapshot.irqs}

    def truth(self) -> GroundTruth:
        """What really happens from here on: another interval, with the loads that no policy
        sees.
        """
        self.host.advance(self._interval)
        return self.host.truth()


class _Nowhere:
    """Stands in for the socket to the daemon, which wants to know who is running."""

    def sendall(self, data: bytes) -> None:
        """Nobody listens."""


class _InProcess(PolicySupervisor):
    """Policies without a child: no deadlines, and a crash takes the test along; `check_policy` is
    for those.
    """

    def __init__(self, policies: Iterable[Wanted]) -> None:
        entries = tuple(entry_of(index, item) for index, item in enumerate(policies))
        super().__init__(entries)
        self._in_process = PolicyHost(_Nowhere())
        bound = self._in_process.answer(protocol.BindRequest(entries))
        assert isinstance(bound, protocol.BindResult)
        said = [refused.reason for refused in bound.refused if not refused.config]
        said += [f"{problem.key}: {problem.text}" for problem in bound.problems]
        if said:
            raise IrqbalError("; ".join(said))

    def plan(
        self, snapshot: Snapshot, ledger: Ledger, settings: Settings
    ) -> tuple[protocol.PlanResult, tuple[Failure, ...]]:
        answer = self._in_process.answer(protocol.PlanRequest(snapshot, ledger, settings))
        assert isinstance(answer, protocol.PlanResult)
        names = self.names()
        return answer, tuple(
            Failure(names[item.index], item.code, item.reason) for item in answer.raised
        )


def entry_of(index: int, wanted: Wanted) -> protocol.PolicyEntry:
    """What the daemon would make of the YAML's entry. Raises IrqbalError if nothing installed has
    the name.
    """
    policy, options = wanted if isinstance(wanted, tuple) else (wanted, {})
    if isinstance(policy, ModuleType):
        # A module that a test made need not be importable by its name.
        sys.modules.setdefault(policy.__name__, policy)
        found = InstalledPlugin(policy.__name__.rpartition(".")[2], policy.__name__, ("this test",))
    else:
        installed = find()
        if policy not in installed:
            raise IrqbalError(
                f"no installed package provides the policy {policy}; installed are "
                f"{', '.join(installed) or 'none'}"
            )
        found = installed[policy]
    return protocol.PolicyEntry(found, index, node_of(dict(options)))


def _sentence(failures: Iterable[Failure]) -> str:
    return "; ".join(f"{failure.policy}: {failure.reason}" for failure in failures)
