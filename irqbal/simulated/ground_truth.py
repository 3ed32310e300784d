"""What really happened on a simulated host: loads by IRQ and CPU, which no reading of a kernel
contains. Balancers are scored by it.
"""

from __future__ import annotations

import msgspec

from irqbal.cpuset import CpuSet


class GroundTruth(msgspec.Struct, frozen=True):
    """One interval. Loads are seconds of CPU that interrupts needed in each second; above 1.0 a CPU
    could not keep up.

    `needed` is by IRQ with this interval's noise, `usual` without it; `loads` are those of CPUs,
    from the usual ones, so that noise does not count for or against a placement. `online` are the
    CPUs at the interval's end. `locality` is the share of the movable devices' interrupts that
    fired on the device's own node (1.0 if none fired). `dropped` is the share of the needed time
    for which no CPU had time.
    """

    needed: dict[int, float]
    usual: dict[int, float]
    loads: dict[int, float]
    online: CpuSet
    locality: float = 1.0
    dropped: float = 0.0

    @property
    def busiest(self) -> float:
        """The busiest CPU's load."""
        return max(self.loads.values(), default=0.0)

    @property
    def bound(self) -> float:
        """The least load of the busiest CPU that any placement can reach: the mean over the online
        CPUs, or the hottest IRQ's.
        """
        return max(
            sum(self.usual.values()) / max(1, len(self.online)),
            max(self.usual.values(), default=0.0),
        )

    @property
    def ratio(self) -> float:
        """The busiest CPU's load divided by the bound; 1.0 is the best possible."""
        return self.busiest / self.bound if self.bound > 0 else 1.0


class TruthTally:
    """Adds up one interval. `local` and `fired` count interrupts of movable devices on their own
    node and in all, `demand` and `served` seconds that were needed and spent.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.needed: dict[int, float] = {}
        self.usual: dict[int, float] = {}
        self.loads: dict[int, float] = {}
        self.local = self.fired = self.demand = self.served = 0.0

    def add(self, number: int, cpu: int, needed: float, usual: float, seconds: float) -> None:
        """An IRQ fired on this CPU for so many seconds; `needed` and `usual` are loads."""
        self.needed[number] = self.needed.get(number, 0.0) + needed * seconds
        self.usual[number] = self.usual.get(number, 0.0) + usual * seconds
        self.loads[cpu] = self.loads.get(cpu, 0.0) + usual * seconds

    def truth(self, online: CpuSet) -> GroundTruth:
        """The interval's truth."""
        seconds = self.seconds or 1.0

        def a_second(sums: dict[int, float]) -> dict[int, float]:
            return {key: value / seconds for key, value in sums.items()}

        locality = self.local / self.fired if self.fired else 1.0
        dropped = 1 - self.served / self.demand if self.demand else 0.0
        return GroundTruth(
            a_second(self.needed),
            a_second(self.usual),
            a_second(self.loads),
            online,
            locality,
            dropped,
        )
