"""Run one configuration on a simulated host, with the real policies in their real process."""

from __future__ import annotations

import time
from typing import Protocol

from irqbal.cli.common import Common
from irqbal.config.schema import Config
from irqbal.model.host import Host
from irqbal.plugins.supervisor import PATIENCE
from irqbal.render.progress import Working
from irqbal.service.assembly import bind, settings
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer
from irqbal.simulated.ground_truth import GroundTruth
from irqbal.simulated.score import CycleScore, SimulationResult, SimulationRun


class Stage(Host, Protocol):
    """A simulated host: its time passes on request, and it knows the true loads."""

    def advance(self, seconds: float) -> None:
        """Let this much time pass."""

    def truth(self) -> GroundTruth:
        """The true loads in the time of the last `advance`."""


def attempt(
    host: Stage, config: Config, common: Common, cycles: int, progress: Working
) -> SimulationResult:
    """Run this configuration for this many cycles, and score it."""
    progress.tell(f"{common.name}: {cycles} cycles", cycles)
    trial = SimulationRun(common.name)
    interval = float(config.interval)
    policies = bind(config, common.name, PATIENCE)
    try:
        balancer = Balancer(
            host, policies, settings(config, COOLDOWN_INTERVALS), interval, dry_run=False
        )
        balancer.first_look()
        for cycle in range(cycles):
            progress.done(cycle)
            host.advance(interval)
            trial.passed(host.truth())
            started = time.perf_counter()
            record = balancer.run_cycle("tick").record
            seconds = time.perf_counter() - started
            written = [
                outcome for outcome in record.outcomes if outcome.result in ("written", "differs")
            ]
            moves = sum(outcome.irq is not None for outcome in written)
            refused = sum(outcome.result == "refused" for outcome in record.outcomes)
            failures = tuple(
                f"{failure.policy}: {failure.reason}" for failure in record.plan.failures
            )
            trial.cycle(
                CycleScore(
                    moves=moves,
                    settings=len(written) - moves,
                    refused=refused,
                    seconds=seconds,
                    failures=failures,
                )
            )
        host.advance(interval)
        trial.passed(host.truth())
    finally:
        policies.close()
    return trial.result()
