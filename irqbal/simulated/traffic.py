"""Who sends how much, and when: packets a second of every interrupt source, drawn from a seed.

Time comes in beats (one balancing interval each): within a beat rates are constant, and what a beat
brings depends on the seed and its number alone, so readings at other moments see the same traffic.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import msgspec

from irqbal.simulated import napi

SHAPES = {
    "steady": "queues differ up to threefold, 10 % noise",
    "even": "every queue alike, 10 % noise",
    "skewed": "a few queues of each NIC carry most (Zipf), 10 % noise",
    "diurnal": "steady, and everything swells and ebbs over 120 beats",
    "bursts": "steady, and now and then a queue gets eight times as much for three beats",
    "hopping": "steady, and in each NIC one queue in sixteen is an elephant, another every ten "
    "beats",
}
"""Shapes of traffic, and what each is like."""
EVENTS = {
    "reset": "a NIC is reset every fifteen beats: its IRQs are set up anew",
    "unplug": "a CPU goes offline every twelve beats, and is back four beats later",
}
"""What else may happen, and when."""

NOISE = 0.1
HOP_BEATS = 10
BURST_BEATS = 3
DAY_BEATS = 120
RESET_BEATS = 15
UNPLUG_BEATS = 12
UNPLUGGED_BEATS = 4

_ELEPHANT = 20.0
_ONE_IN = 16
_BURST = 8.0
_TIDE = 0.7
_BURST_CHANCE = 0.03
_ZIPF = 1.0
_HOTTEST = 0.8
"""CPUs that the hottest queue may keep busy: more than one could serve only drops packets."""
_DISK_SHARE = 0.1
_HARD = 1e-6
"""Seconds that the hard interrupt itself takes."""
_CHEAPEST = 0.8e-6
"""Seconds that a packet of the cheapest queue costs; the dearest costs ten times as much."""
_PER_IO = 4e-6
"""Seconds that the completion of an I/O costs, in the hard interrupt; up to twice as much."""


class Source(msgspec.Struct, frozen=True):
    """What stands behind one IRQ: a queue of `group` (an interface, a disk), or nothing much.
    `kind`: net, disk or idle.
    """

    kind: str
    group: str = ""


class Flow(msgspec.Struct, frozen=True):
    """What one IRQ brings in a second: packets (or I/Os), interrupts, and seconds of hard and soft
    interrupt time.

    `usual` is the time without this beat's noise.
    """

    packets: float = 0.0
    interrupts: float = 0.0
    hard: float = 0.0
    soft: float = 0.0
    usual: float = 0.0

    @property
    def seconds(self) -> float:
        """CPU time, hard and soft."""
        return self.hard + self.soft


class Traffic:
    """The packets of all sources of one host, beat by beat."""

    def __init__(
        self, sources: Sequence[Source], shape: str, seed: int, cpus: int, busy: float
    ) -> None:
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
        self._scale(cpus * busy)

    def beat(self, number: int) -> list[Flow]:
        """What every source brings during this beat, in the order of the sources."""
        drawn = random.Random(f"{self._seed}/noise/{number}")
        factors = self._factors(number)
        return [
            self._flow(at, self._weights[at] * factors[at], max(0.0, drawn.gauss(1.0, NOISE)))
            for at in range(len(self._sources))
        ]

    def _flow(self, at: int, packets: float, noise: float) -> Flow:
        usual = self._seconds(at, packets)
        packets *= noise
        fired = (
            napi.interrupts(packets, self._levels[at])
            if self._sources[at].kind == "net"
            else packets
        )
        hard, soft = self._hard[at] * fired, self._costs[at] * packets
        return Flow(packets, fired, hard, soft, usual)

    def _seconds(self, at: int, packets: float) -> float:
        fired = (
            napi.interrupts(packets, self._levels[at])
            if self._sources[at].kind == "net"
            else packets
        )
        return self._hard[at] * fired + self._costs[at] * packets

    def _draw_weights(self, drawn: random.Random) -> list[float]:
        """Packets a second of each source on average, not yet scaled to how busy the host is to
        be.
        """
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
        """Scale packets so that the sources together take `target` CPUs, and no queue's peak more
        than one CPU can do.
        """
        peak = {"bursts": _BURST, "hopping": _ELEPHANT, "diurnal": 1 + _TIDE}.get(self._shape, 1.0)
        wanted = target
        for kind in ("net", "disk"):
            here = [at for at, source in enumerate(self._sources) if source.kind == kind]
            if not here:
                continue
            costs = {at: self._weights[at] * (self._costs[at] or self._hard[at]) for at in here}
            mean = sum(costs.values())
            if kind == "net" and self._shape == "hopping":
                mean *= 1 + (_ELEPHANT - 1) / _ONE_IN
            scale = min(
                wanted / mean, _HOTTEST / (max(costs.values()) * (peak if kind == "net" else 1.0))
            )
            for at in here:
                self._weights[at] *= scale
            # Drives come on top of NICs, as a share of what those really reach.
            wanted = _DISK_SHARE * mean * scale

    def _factors(self, number: int) -> list[float]:
        """By how much each source brings more or less than its average in this beat."""
        factors = [1.0] * len(self._sources)
        if self._shape == "diurnal":
            tide = 1.0 + _TIDE * math.sin(2 * math.pi * number / DAY_BEATS)
            factors = [tide if source.kind != "idle" else 1.0 for source in self._sources]
        elif self._shape == "bursts":
            drawn = random.Random(f"{self._seed}/bursts/{number // BURST_BEATS}")
            factors = [
                _BURST if drawn.random() < _BURST_CHANCE and source.kind == "net" else 1.0
                for source in self._sources
            ]
        elif self._shape == "hopping":
            drawn = random.Random(f"{self._seed}/hopping/{number // HOP_BEATS}")
            for places in self._groups.values():
                for at in drawn.sample(places, max(1, len(places) // _ONE_IN)):
                    factors[at] = _ELEPHANT
        return factors


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
