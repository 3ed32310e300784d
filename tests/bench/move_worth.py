"""What each move of spread_by_rate was worth: the busiest CPU's true load over the next minute,
with it and without.

`python move_worth.py [CPUS …]` prints a row for each host and traffic of the bench: the moves after
learning, and the share of them that took at least 2 % and half a percent of a CPU off the busiest
CPU. The replay without a move leaves its IRQ where it was; all others are where they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from balance import BEAT, HOSTS, LEARNING, MEASURED, SEEDS, TRAFFIC
from irqbal.config.reader import parse
from irqbal.model.plan import Move
from irqbal.service.assembly import bind, settings
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import HostSpec, parse_spec
from irqbal.simulated.traffic import Flow

MINUTE = 6
"""Beats of a minute."""
SHARE, LEAST = 0.02, 0.005
"""What a move must take off the busiest CPU: a share of its load, and CPUs."""


class WatchedHost(SimulatedHost):
    """A simulated host that tells the traffic to come."""

    def __init__(self, spec: HostSpec) -> None:
        super().__init__(spec, lambda originals: None, BEAT)

    def coming(self) -> list[list[Flow]]:
        """The flows of the next minute's beats, in the order of the lines."""
        return [self._traffic.beat(self._beat + beat) for beat in range(1, MINUTE + 1)]


def worths(host: WatchedHost, moves: tuple[Move, ...]) -> Iterator[bool]:
    """Whether each of these moves, which were just made, is worth it."""
    lines = list(host.state.lines.values())
    places = [line.effective.first for line in lines]
    beats = [[flow.seconds for flow in flows] for flows in host.coming()]
    loads = []
    for flows in beats:
        cpus: dict[int, float] = {}
        for cpu, load in zip(places, flows, strict=True):
            cpus[cpu] = cpus.get(cpu, 0.0) + load
        loads.append(cpus)
    index = {line.number: at for at, line in enumerate(lines)}
    for move in moves:
        at = index[move.irq]
        was, now = move.before.first, places[at]
        with_it = without = 0.0
        for flows, cpus in zip(beats, loads, strict=True):
            with_it += max(cpus.values())
            back = {now: cpus[now] - flows[at], was: cpus.get(was, 0.0) + flows[at]}
            without += max((cpus | back).values())
        gain = (without - with_it) / MINUTE
        yield gain >= LEAST and gain >= SHARE * without / MINUTE


def measure(cpus: int, traffic: str, seed: int) -> tuple[int, int]:
    """(moves after learning, those of them that were worth it)."""
    host = WatchedHost(parse_spec(f"{HOSTS[cpus]},traffic={traffic},seed={seed}"))
    config = parse("", "(defaults)")
    policies = bind(config, "(defaults)")
    made = worth = 0
    try:
        balancer = Balancer(
            host, policies, settings(config, COOLDOWN_INTERVALS), BEAT, dry_run=False
        )
        balancer.first_look()
        for cycle in range(LEARNING + MEASURED):
            host.advance(BEAT)
            result = balancer.run_cycle("tick")
            if cycle < LEARNING or not result.fresh:
                continue
            moves = tuple(
                move
                for move in result.record.plan.moves
                if move.cause == "place" and len(move.before) == 1
            )
            made += len(moves)
            worth += sum(worths(host, moves))
    finally:
        policies.close()
    return made, worth


def main() -> None:
    """See the module's docstring."""
    print("| CPUs, traffic | moves in half an hour | worth it |\n| --- | --- | --- |")
    for cpus in map(int, sys.argv[1:] or HOSTS):
        for traffic in TRAFFIC:
            made, worth = measure(cpus, traffic, SEEDS[0])
            share = f"{worth / made:.0%}" if made else "-"
            print(f"| {cpus}, {traffic} | {made} | {share} |", flush=True)


if __name__ == "__main__":
    main()
