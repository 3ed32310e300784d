"""A simulated host: a machine, traffic and events from a specification."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection

import msgspec

from irqbal.identify.device_queues import device_queues
from irqbal.identify.nic_queues import KernelQueues, ServedQueues
from irqbal.identify.vector_names import Vector
from irqbal.model.readings import Counts, CpuTime, IrqFacts, Pulse, Save, Topology
from irqbal.model.unmovable import OWNED
from irqbal.simulated.counters import Counters
from irqbal.simulated.events import HostEvents
from irqbal.simulated.fake_kernel import WRAP, FakeKernel
from irqbal.simulated.ground_truth import GroundTruth, TruthTally
from irqbal.simulated.kernel_errnos import shows_owned
from irqbal.simulated.machine import SimulatedIrq, build
from irqbal.simulated.spec import HostSpec
from irqbal.simulated.state import SimulatedState
from irqbal.simulated.traffic import Flow, Traffic

START = 1000.0
"""A simulated host's own clock when it is created, in seconds."""
BEAT = 10.0
"""Seconds in which rates are constant: by default irqbal's default interval."""
_TIMER_HZ = 250
"""Local timer interrupts a second, on each CPU (CONFIG_HZ of Debian's kernels)."""


class SimulatedHost(FakeKernel):
    """Implements irqbal.model.host.Host. Time passes in `advance`; with a `clock`, each pulse first
    lets as much time pass as that clock shows (seconds). The same specification gives the same
    host, whatever the moments of reading.

    It has been up for one beat when it is created, so that every IRQ has fired.
    """

    def __init__(
        self,
        spec: HostSpec,
        save: Save | None = None,
        beat: float = BEAT,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`beat` is the time in which rates are constant, in seconds."""
        super().__init__(SimulatedState(build(spec), spec.vectors, spec.kernel), save)
        self.spec = spec
        self._beat_seconds, self._clock = beat, clock
        self._origin = (START if clock is None else clock()) - beat
        self._beat = -1
        lines = tuple(self.state.lines.values())
        self._traffic = Traffic(
            [line.source for line in lines],
            shape=spec.traffic[0],
            seed=spec.seed,
            load=spec.cpus * spec.busy,
        )
        self._flows: list[Flow] = []
        self._events = HostEvents(spec, self.state)
        self.counters = Counters(lines, self.state.possible, _queues(self.state))
        self._tally = TruthTally()
        self._boot_id = str(uuid.UUID(int=spec.seed, version=4) if clock is None else uuid.uuid4())
        self.advance(beat)

    @classmethod
    def live(cls, spec: HostSpec, save: Save | None = None, beat: float = BEAT) -> SimulatedHost:
        """A host on which time passes as it does here, and that was booted just now."""
        return cls(spec, save, beat, time.monotonic)

    # Time

    def begin_interval(self) -> None:
        """The truth starts from nothing."""
        self._tally = TruthTally()

    def next_stretch(self) -> float:
        """Begin the next beat."""
        self._beat += 1
        self._events.begin(self._beat)
        self._flows = self._traffic.beat(self._beat)
        return self._beat_seconds

    def truth(self) -> GroundTruth:
        """What happened in the time of the last `advance`."""
        return self._tally.truth(self.state.online)

    def run(self, seconds: float) -> None:
        """Every IRQ fires where it is placed. A CPU with more than a second of work a second does
        the same share of each IRQ's.
        """
        state, tally = self.state, self._tally
        demand: dict[int, float] = {}
        firing = []
        for line, flow in zip(state.lines.values(), self._flows, strict=True):
            cpu = line.effective.first
            # A managed IRQ whose CPUs are all offline is shut down.
            if cpu in state.online:
                firing.append((line, cpu, flow))
                demand[cpu] = demand.get(cpu, 0.0) + flow.seconds
        share = {cpu: 1.0 if needed <= 1.0 else 1.0 / needed for cpu, needed in demand.items()}
        for line, cpu, flow in firing:
            served = seconds * share[cpu]
            interrupts = self.counters.fire(line, cpu, flow, served)
            tally.add(line.number, cpu, flow.seconds, flow.usual, seconds)
            tally.demand += flow.seconds * seconds
            tally.served += flow.seconds * served
            if line.address and not line.managed:
                tally.fired += interrupts
                tally.local += interrupts if cpu in state.local(line) else 0
        tally.seconds += seconds

    # What a kernel reports

    @property
    def boot_id(self) -> str:
        """Made of the seed; with a clock, new for each such host."""
        return self._boot_id

    def now(self) -> float:
        """Seconds of this host's own clock."""
        return self._origin + self.elapsed

    def total(self, line: SimulatedIrq) -> int:
        """How often an IRQ fired since it was set up."""
        return sum(line.counts.values())

    def facts(self, line: SimulatedIrq) -> IrqFacts:
        """What this version of the kernel reports of an IRQ."""
        owned = line.managed and shows_owned(self.spec.kernel)
        return msgspec.structs.replace(super().facts(line), unmovable=OWNED if owned else "")

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """The cheap reading, of the IRQs of the last census."""
        if self._clock is not None:
            self.advance(self._clock() - self.now())
        irqs = self.irq_pulse(looked)
        return Pulse(
            time=self.now(),
            totals=irqs.totals,
            cpu_times=self._cpu_times(),
            online=self.state.online,
            effective=irqs.effective,
            stale=irqs.stale,
            packets=self.counters.queue_packets() if self.spec.packets else {},
        )

    def counts(self, whole: bool = True, pulse: Pulse | None = None) -> Counts:
        """Everything that is counted, by online CPU; IRQs and rows are left out unless `whole`."""
        online = self.state.online
        times = self._cpu_times()
        nothing = dict.fromkeys(online, 0)
        return Counts(
            time=self.now(),
            cpus=frozenset(online),
            irqs={
                line.number: {
                    cpu: count for cpu in online if (count := line.counts.get(cpu, 0) % WRAP)
                }
                for line in (self.state.lines.values() if whole else ())
            },
            rows={
                "LOC": {cpu: int(self.elapsed * _TIMER_HZ) % WRAP for cpu in online},
                "ERR": {-1: 0},
                "MIS": {-1: 0},
            }
            if whole
            else {},
            softirqs=self.counters.softirqs(),
            softnet={
                "processed": self.counters.packets(online),
                "dropped": nothing,
                "time_squeeze": nothing,
            },
            times={
                "irq": {cpu: round(time.irq * 1e6) for cpu, time in times.items()},
                "softirq": {cpu: round(time.softirq * 1e6) for cpu, time in times.items()},
            },
        )

    def topology(self) -> Topology:
        """CPUs, devices and interfaces."""
        machine, interfaces = self.state.machine, self.state.interfaces
        return Topology(
            cpus=tuple(
                msgspec.structs.replace(cpu, online=cpu.number in self.state.online)
                for cpu in machine.cpus
            ),
            devices=tuple(card.device for card in machine.cards),
            interfaces=tuple(interfaces[name] for name in sorted(interfaces)),
            threads=(),
            rfs_entries=0,
        )

    def _cpu_times(self) -> dict[int, CpuTime]:
        return self.counters.cpu_times(self.state.online, self.spec.exact)


def _queues(state: SimulatedState) -> dict[int, ServedQueues]:
    """The queues that each IRQ serves, as irqbal finds them by the names."""
    found: dict[int, ServedQueues] = {}
    for card in state.machine.cards:
        vectors = [
            Vector(line.number, line.action)
            for line in state.lines.values()
            if line.address == card.device.address
        ]
        found |= device_queues(card.device, vectors, state.interfaces, KernelQueues())
    return found
