"""How well a configuration balances a simulated host over many cycles: how near to the best
placement it comes, how soon, and whether it then leaves the host alone.
"""

from __future__ import annotations

import msgspec

from irqbal.simulated.ground_truth import GroundTruth

QUIET = 3
"""Cycles without a move after which a balancer counts as at rest."""
POOR = 1.2
"""Ratio of the busiest CPU's load to the bound above which a cycle counts as poor."""
EARLY = 3
"""Cycles before the first interval that is scored: irqbal's budgets do not apply in them."""


class SimulationResult(msgspec.Struct, frozen=True):
    """The score of one configuration. Ratios are the busiest CPU's true load over the bound that no
    placement can beat.

    `early` is the ratio after three cycles, `mean` that of all intervals from then on, `final` of
    the last. `locality` is the share of interrupts on their device's own node, from then on.
    `moves` are masks written, `settings` steering and default written, `refused` writes that
    the host refused. `converged` is the first of three cycles in a row without a move,
    `moves_at_rest` what was moved after them; both are None if there were no such three. `poor`
    counts intervals above 1.2 times the bound. `seconds` are those of one cycle's reading, planning
    and writing on this machine.
    """

    config: str
    cycles: int
    start: float
    early: float
    mean: float
    final: float
    locality: float
    moves: int
    settings: int
    refused: int
    converged: int | None
    moves_at_rest: int | None
    poor: int
    seconds: float
    failures: tuple[str, ...] = ()


class CycleScore(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle: masks and other settings written, writes that were refused, the cycle's time on
    this machine (seconds), and a sentence for each policy that failed.
    """

    moves: int
    settings: int = 0
    refused: int = 0
    seconds: float = 0.0
    failures: tuple[str, ...] = ()


class SimulationRun:
    """Adds up the intervals of a trial: for each, first `passed`, then `cycle` for the cycle at its
    end.
    """

    def __init__(self, config: str) -> None:
        self._config = config
        self._truths: list[GroundTruth] = []
        self._moves: list[int] = []
        self._settings = self._refused = 0
        self._seconds = 0.0
        self._failures: dict[str, None] = {}

    def passed(self, truth: GroundTruth) -> None:
        """An interval has passed; the first one is before any cycle."""
        self._truths.append(truth)

    def cycle(self, score: CycleScore) -> None:
        """A cycle, and what it wrote."""
        self._moves.append(score.moves)
        self._settings += score.settings
        self._refused += score.refused
        self._seconds += score.seconds
        self._failures |= dict.fromkeys(score.failures)

    def result(self) -> SimulationResult:
        """The score; at least one interval and one cycle must have passed, and an interval must be
        the last.
        """
        truths, moves = self._truths, self._moves
        since = truths[min(EARLY, len(truths) - 1) :]
        rest = next(
            (at for at in range(len(moves) - QUIET + 1) if not any(moves[at : at + QUIET])), None
        )
        return SimulationResult(
            self._config,
            len(moves),
            truths[0].ratio,
            since[0].ratio,
            sum(truth.ratio for truth in since) / len(since),
            truths[-1].ratio,
            sum(truth.locality for truth in since) / len(since),
            sum(moves),
            self._settings,
            self._refused,
            None if rest is None else rest + 1,
            None if rest is None else sum(moves[rest:]),
            sum(truth.ratio > POOR for truth in since),
            self._seconds / len(moves),
            tuple(self._failures),
        )
