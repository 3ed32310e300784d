"""What the metrics count over the daemon's life."""

from __future__ import annotations

from irqbal.model.plan import Record

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the cycles' histogram, seconds."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class CycleCounters:
    """What is counted over the daemon's life."""

    def __init__(self) -> None:
        self.cycles = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.moves: dict[tuple[str, str], int] = {}
        self.refusals: dict[str, int] = {}
        self.drift = 0
        self.failures: dict[tuple[str, str], int] = {}
        self._refused: set[tuple[int | None, str]] = set()

    def count(self, record: Record) -> None:
        """One more cycle. A refusal that stands is counted once, when it begins."""
        self.cycles += 1
        self.seconds += record.seconds
        for index, bound in enumerate((*BUCKETS, float("inf"))):
            self.buckets[index] += record.seconds <= bound
        plan = record.plan
        results = {outcome.identity: outcome.result for outcome in record.outcomes}
        for move in plan.moves:
            key = (move.policy, results.get(move.identity, "unknown").replace(" ", "_"))
            self.moves[key] = self.moves.get(key, 0) + 1
        refused = {(item.irq, item.code) for item in plan.refused}
        for _, code in refused - self._refused:
            self.refusals[code] = self.refusals.get(code, 0) + 1
        self._refused = refused
        self.drift += len(plan.drifted)
        for failure in plan.failures:
            self.failures[failure.policy, failure.code] = (
                self.failures.get((failure.policy, failure.code), 0) + 1
            )
