"""The traffic of a simulated host: packets a second of every interrupt source, drawn from a seed.

Time is divided into beats (one balancing interval each). Within a beat rates are constant; they
depend on the seed and the beat's number alone, so the moments of reading do not change the traffic.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from irqbal.simulated import napi
from irqbal.simulated.shapes import WAVES

SHAPES = {
    "steady": "queues differ up to threefold, 10 % noise",
    "even": "all queues the same, 10 % noise",
    "skewed": "a few queues of each NIC carry most (Zipf), 10 % noise",
    "diurnal": "steady, and everything swells and ebbs over 360 beats",
    "bursts": "steady, and now and then a queue gets eight times as much for three beats",
    "hopping": "steady, and in each NIC one queue in sixteen is an elephant, another every ten "
    "beats",
    "toggling": "steady, and every three beats a tenth of the queues goes to three times as much, "
    "or back",
    "noisy": "steady, and each queue's rate wanders (log-normal, deviation 0.3, correlation 0.8)",
    "churning": "steady, and flows come to queues at random and stay for Pareto times (1.3)",
}
"""Shapes of traffic, with their descriptions."""
EVENTS = {
    "reset": "a NIC is reset every fifteen beats: its IRQs are set up again",
    "unplug": "a CPU goes offline every twelve beats, and is back four beats later",
}
"""Events that can be added, with their descriptions."""

NOISE = 0.1
"""Standard deviation of a source's rate from beat to beat, relative to its usual rate."""
RESET_BEATS = 15
"""Beats between two resets of a NIC."""
UNPLUG_BEATS = 12
"""Beats between two hotplugs."""
UNPLUGGED_BEATS = 4
"""Beats in which the CPU is offline."""

_ZIPF = 1.0
"""Exponent of the Zipf distribution over a NIC's queues (`skewed`)."""
_HOTTEST = 0.8
"""CPUs that the hottest queue keeps busy, at most: above 1 a single CPU would drop packets."""
_DISK_SHARE = 0.1
"""CPU time of the drives' interrupts, relative to that of the NICs."""
_HARD = 1e-6
"""Seconds of the hard interrupt itself."""
_CHEAPEST = 0.8e-6
"""Seconds of a packet of the cheapest queue; one of the dearest takes ten times as long."""
_PER_IO = 4e-6
"""Seconds of the completion of an I/O, in the hard interrupt, on the fastest drive; twice as much
on the slowest.
"""


class Source(msgspec.Struct, frozen=True):
    """What raises one IRQ: a queue of `group` (an interface or a drive), or hardly anything. `kind`
    is `net`, `disk` or `idle`.
    """

    kind: str
    group: str = ""


class Flow(msgspec.Struct, frozen=True):
    """One IRQ's traffic in a second: packets (or I/Os), interrupts, and seconds of hard and soft
    interrupt time. `usual` is the time without this beat's noise.
    """

    packets: float = 0.0
    interrupts: float = 0.0
    hard: float = 0.0
    soft: float = 0.0
    usual: float = 0.0

    @property
    def seconds(self) -> float:
        """CPU seconds a second, hard and soft."""
        return self.hard + self.soft


class Traffic:
    """The packets of all sources of one host, beat by beat."""

    def __init__(self, sources: Sequence[Source], *, shape: str, seed: int, load: float) -> None:
        """`load` is the number of CPUs that all sources together keep busy, on average."""
        self._sources = tuple(sources)
        self._shape, self._seed = shape, seed
        drawn = random.Random(f"{seed}/queues")
        self._weights = self._draw_weights(drawn)
        self._costs = [
            _CHEAPEST * 10 ** drawn.uniform(0, 1) if source.kind == "net" else 0.0
            for source in sources
        ]
        self._levels = [
            napi.TCP if drawn.random() < 0.5 else drawn.uniform(0.4, 1.0) * napi.UDP
            for _ in sources
        ]
        self._hard = [
            _HARD if source.kind == "net" else _PER_IO * drawn.uniform(1, 2) for source in sources
        ]
        self._groups: dict[str, list[int]] = {}
        for at, source in enumerate(sources):
            if source.kind == "net":
                self._groups.setdefault(source.group, []).append(at)
        idle = [at for at, source in enumerate(sources) if source.kind == "idle"]
        self._wave = WAVES[shape](seed, len(sources), self._groups, idle)
        self._scale(load)

    def beat(self, number: int) -> list[Flow]:
        """The traffic of each source during this beat, in the order of the sources."""
        drawn = random.Random(f"{self._seed}/noise/{number}")
        factors = self._wave.factors(number)
        return [
            self._flow(at, self._weights[at] * factors[at], max(0.0, drawn.gauss(1.0, NOISE)))
            for at in range(len(self._sources))
        ]

    def _flow(self, at: int, packets: float, noise: float) -> Flow:
        usual = self._hard[at] * self._interrupts(at, packets) + self._costs[at] * packets
        packets *= noise
        fired = self._interrupts(at, packets)
        hard, soft = self._hard[at] * fired, self._costs[at] * packets
        return Flow(packets, fired, hard, soft, usual)

    def _interrupts(self, at: int, packets: float) -> float:
        """Interrupts a second of a source; each completed I/O raises one."""
        net = self._sources[at].kind == "net"
        return napi.interrupts(packets, self._levels[at]) if net else packets

    def _draw_weights(self, drawn: random.Random) -> list[float]:
        """Average packets of each source relative to the others; `_scale` makes them rates."""
        weights = []
        ranks: dict[str, list[int]] = {}
        for source in self._sources:
            if source.kind == "net":
                ranks.setdefault(source.group, []).append(len(ranks.get(source.group, [])) + 1)
        for group in ranks.values():
            drawn.shuffle(group)
        for source in self._sources:
            if source.kind == "idle":
                weights.append(drawn.uniform(0.02, 0.2))
            elif source.kind == "disk" or self._shape not in ("even", "skewed"):
                weights.append(drawn.uniform(0.5, 1.5))
            elif self._shape == "even":
                weights.append(1.0)
            else:
                weights.append(1.0 / ranks[source.group].pop() ** _ZIPF)
        return weights

    def _scale(self, target: float) -> None:
        """Scale packets so that the sources together need `target` CPUs, and no queue's peak needs
        more than `_HOTTEST` CPUs.
        """
        budget = target
        for kind in ("net", "disk"):
            here = [at for at, source in enumerate(self._sources) if source.kind == kind]
            if not here:
                continue
            costs = {at: self._weights[at] * (self._costs[at] or self._hard[at]) for at in here}
            mean = sum(costs.values())
            if kind == "net":
                mean *= self._wave.mean
            peak = self._wave.peak if kind == "net" else 1.0
            scale = min(budget / mean, _HOTTEST / (max(costs.values()) * peak))
            for at in here:
                self._weights[at] *= scale
            # The drives' share is relative to what the NICs reach.
            budget = _DISK_SHARE * mean * scale


def reset_in(beat: int, seed: int, interfaces: Sequence[str]) -> str:
    """The interface whose NIC is reset at the beginning of this beat, or an empty text."""
    if not interfaces or beat < RESET_BEATS or beat % RESET_BEATS:
        return ""
    return random.Random(f"{seed}/reset/{beat}").choice(interfaces)


def unplugged_in(beat: int, seed: int, cpus: int) -> int | None:
    """The CPU that is offline during this beat, or None. CPU 0 never is, as on most hosts."""
    if cpus < 2 or beat < UNPLUG_BEATS or beat % UNPLUG_BEATS >= UNPLUGGED_BEATS:
        return None
    return random.Random(f"{seed}/unplug/{beat // UNPLUG_BEATS}").randrange(1, cpus)
