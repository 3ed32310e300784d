"""A balancer with real policies on a made-up host, cycle by cycle."""

from __future__ import annotations

from typing import Any

from irqbal.config.reader import parse
from irqbal.cpuset import CpuSet
from irqbal.model.view import Irq, Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.service.assembly import bind, settings
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer, Stored
from irqbal.service.cycle_result import CycleResult
from irqbal.service.kernel_requests import KernelRequest, RequestQueue
from irqbal.service.override_store import OverrideStore
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.state.originals import OriginalsFile

SPEC = "1x4x2,nic=8x1,traffic=even"
INTERVAL = 10.0


class Rig:
    """A balancer with the default policies on a made-up host."""

    def __init__(
        self, overrides: OverrideStore | None = None, originals: OriginalsFile | None = None
    ) -> None:
        save = (lambda found: None) if originals is None else originals.save
        self.host = SimulatedHost(parse_spec(SPEC), save, INTERVAL)
        config = parse("", "(defaults)")
        self.policies = bind(config, "(defaults)")
        self.requests = RequestQueue()
        self.balancer = Balancer(
            self.host,
            self.policies,
            settings(config, COOLDOWN_INTERVALS),
            INTERVAL,
            dry_run=False,
            stored=Stored(overrides=overrides or OverrideStore(), originals=originals),
            requests=self.requests,
        )
        self.balancer.first_look()

    def cycle(self, cause: str = "tick") -> CycleResult:
        self.host.advance(INTERVAL)
        return self.balancer.run_cycle(cause)

    def rested(self) -> CycleResult:
        """The first cycle that reuses its plan."""
        for _ in range(60):
            result = self.cycle()
            if not result.fresh:
                return result
        raise AssertionError("never at rest")

    def tamper(self, irq: Irq) -> CpuSet:
        """Another program moves an IRQ. Returns where it put it."""
        line = self.host.state.lines[irq.number]
        elsewhere = CpuSet.of((line.mask.first + 1) % 8)
        line.mask = line.effective = elsewhere
        return elsewhere

    def while_planning(self, *requests: KernelRequest) -> None:
        """These requests arrive while the policies of the next plan are asked."""
        plan = self.policies.plan

        def asked(snapshot: Snapshot, ledger: Ledger, settings: Settings) -> Any:
            for request in requests:
                self.requests.put(request)
            self.policies.plan = plan  # type: ignore[method-assign]
            return plan(snapshot, ledger, settings)

        self.policies.plan = asked  # type: ignore[method-assign]


def placed(result: CycleResult, at: int = 0) -> Irq:
    """One of the IRQs that irqbal placed."""
    return [irq for irq in result.after.irqs if irq.placed is not None and irq.movable][at]


def elsewhere(irq: Irq) -> CpuSet:
    return CpuSet.of((irq.affinity.first + 1) % 8)
