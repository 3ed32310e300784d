"""What the kernel of a simulated host has counted since it was booted: interrupts, CPU time,
packets, softirqs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from irqbal.cpuset import CpuSet
from irqbal.identify.nic_queues import ServedQueues, packet_counters
from irqbal.model.readings import CpuTime
from irqbal.simulated.fake_kernel import WRAP
from irqbal.simulated.machine import SimulatedIrq
from irqbal.simulated.traffic import Flow

_JIFFY = 0.01
"""Seconds of a jiffy (USER_HZ is 100), in which the kernel reports CPU times."""


class Counters:
    """Counters by CPU, and by IRQ where a NIC's queue has one. Interrupts are counted in the IRQs
    themselves, since a reset of the device clears them.
    """

    def __init__(
        self, lines: Iterable[SimulatedIrq], possible: CpuSet, queues: Mapping[int, ServedQueues]
    ) -> None:
        """`queues` are the queues that IRQs serve, by number."""
        self._queues = queues
        self._fraction = {line.number: 0.0 for line in lines}
        self._line_packets = dict(self._fraction)
        self._times = {cpu: [0.0, 0.0] for cpu in possible}
        self._packets = dict.fromkeys(possible, 0.0)
        self._softirqs = {
            "NET_RX": dict.fromkeys(possible, 0),
            "BLOCK": dict.fromkeys(possible, 0),
        }

    def fire(self, line: SimulatedIrq, cpu: int, flow: Flow, seconds: float) -> int:
        """Count what an IRQ did on this CPU in so many seconds; returns its interrupts."""
        fired = flow.interrupts * seconds + self._fraction[line.number]
        interrupts = int(fired)
        self._fraction[line.number] = fired - interrupts
        line.counts[cpu] = line.counts.get(cpu, 0) + interrupts
        times = self._times[cpu]
        times[0] += flow.hard * seconds
        times[1] += flow.soft * seconds
        if line.source.kind == "net":
            self._packets[cpu] += flow.packets * seconds
            self._line_packets[line.number] += flow.packets * seconds
            self._softirqs["NET_RX"][cpu] += interrupts
        elif line.source.kind == "disk":
            self._softirqs["BLOCK"][cpu] += interrupts
        return interrupts

    def cpu_times(self, online: CpuSet, exact: bool) -> dict[int, CpuTime]:
        """Seconds in hard and soft interrupts by CPU, in whole jiffies unless `exact`."""
        if exact:
            return {cpu: CpuTime(*self._times[cpu]) for cpu in online}
        return {
            cpu: CpuTime(*(int(time / _JIFFY) / 100 for time in self._times[cpu])) for cpu in online
        }

    def queue_packets(self) -> dict[tuple[str, str, int], int]:
        """Packets by (interface, `rx` or `tx`, queue)."""
        found: dict[tuple[str, str, int], int] = {}
        for number, packets in self._line_packets.items():
            served = self._queues.get(number)
            keys = () if served is None else packet_counters(served.queues)
            for key in keys:
                # A queue that both receives and sends sends a packet for each that it receives.
                found[key] = int(packets) // len(keys)
        return found

    def packets(self, online: CpuSet) -> dict[int, int]:
        """Packets by CPU, as /proc/net/softnet_stat has them."""
        return {cpu: int(self._packets[cpu]) % WRAP for cpu in online}

    def softirqs(self) -> dict[str, dict[int, int]]:
        """Softirqs by name and possible CPU."""
        return {
            name: {cpu: count % WRAP for cpu, count in counted.items()}
            for name, counted in self._softirqs.items()
        }
