"""What the metrics count over the daemon's life."""

from __future__ import annotations

from irqbal.model.plan import Record, RefusalCode

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram of cycle times, in seconds, up to half the default interval."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus' text format."""


class CycleCounters:
    """Totals over all cycles since the start. `moves` are by policy and result, `refusals` by code,
    `failures` by policy and code; `buckets` are cumulative, as in Prometheus.
    """

    def __init__(self) -> None:
        self.cycles = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.moves: dict[tuple[str, str], int] = {}
        self.refusals: dict[str, int] = {}
        self.drift = 0
        self.failures: dict[tuple[str, str], int] = {}
        self._standing: set[tuple[int | None, RefusalCode]] = set()

    def count(self, record: Record) -> None:
        """Add a cycle. A refusal that stands for several cycles is counted once."""
        self.cycles += 1
        self.seconds += record.seconds
        for index, bound in enumerate((*BUCKETS, float("inf"))):
            self.buckets[index] += record.seconds <= bound
        plan = record.plan
        results = {outcome.identity: outcome.result for outcome in record.outcomes}
        for move in plan.moves:
            key = (move.policy, results.get(move.identity, "unknown").replace(" ", "_"))
            self.moves[key] = self.moves.get(key, 0) + 1
        standing = {(item.irq, item.code) for item in plan.refused}
        for _, code in standing - self._standing:
            self.refusals[code] = self.refusals.get(code, 0) + 1
        self._standing = standing
        self.drift += len(plan.drifted)
        for failure in plan.failures:
            key = (failure.policy, failure.code)
            self.failures[key] = self.failures.get(key, 0) + 1
