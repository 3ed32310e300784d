"""A placement's record over many cycles on a made-up host: how near to the best it came, how soon,
and how quietly it stays.
"""

from __future__ import annotations

import msgspec

from irqbal.simulated.ground_truth import GroundTruth

QUIET = 3
"""Cycles without a move after which a balancer counts as at rest."""
POOR = 1.2
"""Times the bound; cycles whose busiest CPU has more are counted."""
EARLY = 3
"""The first judgement is of the interval after so many cycles."""


class TrialResult(msgspec.Struct, frozen=True):
    """What one configuration came to. Ratios are the busiest CPU's true load over the bound that no
    placement can beat.

    `early` is the ratio after three cycles, `mean` that of all intervals from then on, `final` of
    the last. `locality` is the share of interrupts on their device's own node, from then on.
    `moves` are masks written, `settings` steering and default written, `refused` what the host
    would not have. `converged` is the first of three cycles in a row without a move,
    `moves_at_rest` what was moved after them; both are None where there never were three. `poor`
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


class TrialRun:
    """Adds up what happens, interval by interval: first the time that passed, then the cycle at its
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
        """An interval; the first is the one before any cycle."""
        self._truths.append(truth)

    def cycle(
        self, moves: int, settings: int, refused: int, seconds: float, failures: tuple[str, ...]
    ) -> None:
        """A cycle, and what it wrote."""
        self._moves.append(moves)
        self._settings += settings
        self._refused += refused
        self._seconds += seconds
        self._failures |= dict.fromkeys(failures)

    def result(self) -> TrialResult:
        """What it came to; at least one interval and one cycle must have passed, and an interval
        must be the last.
        """
        truths, moves = self._truths, self._moves
        since = truths[min(EARLY, len(truths) - 1) :]
        rest = next(
            (at for at in range(len(moves) - QUIET + 1) if not any(moves[at : at + QUIET])), None
        )
        return TrialResult(
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
