"""Recorded traffic on a host of which only the placement is simulated: what fired, and what it
cost, happens where a policy put it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.kernel.write_loop import discard
from irqbal.model.readings import Counts, CpuTime, IrqFacts, Pulse, Topology
from irqbal.model.view import Cpu, Device, Interface, Thread
from irqbal.simulated.cost_split import Frame
from irqbal.simulated.fake_kernel import WRAP, FakeKernel
from irqbal.simulated.ground_truth import GroundTruth, TruthTally
from irqbal.simulated.machine import Card, Machine, SimulatedIrq
from irqbal.simulated.recording import Recording
from irqbal.simulated.state import SimulatedState
from irqbal.simulated.traffic import Source

START = 1000.0
"""A replayed host's own clock when it begins, in seconds."""
_UNLIMITED = 1 << 30
"""Vectors of each CPU: a history does not hold when a kernel had none left."""


class RecordedIrq(msgspec.Struct, frozen=True, kw_only=True):
    """One IRQ when the replay begins: its mask, where it fires, and the facts of its kernel."""

    identity: str
    number: int
    action: str
    chip: str
    vector: int | None
    address: str
    node: int
    unmovable: str
    affinity: CpuSet
    effective: CpuSet
    hint: CpuSet = CpuSet()


class RecordedHost(msgspec.Struct, frozen=True, kw_only=True):
    """The host on which a recording is replayed, when the replay begins."""

    cpus: tuple[Cpu, ...]
    devices: tuple[Device, ...]
    interfaces: tuple[Interface, ...]
    threads: tuple[Thread, ...]
    irqs: tuple[RecordedIrq, ...]
    online: CpuSet
    default: CpuSet
    rfs_entries: int = -1


class ReplayHost(FakeKernel):
    """Implements irqbal.model.host.Host. Time passes in `advance` alone. IRQs that cannot be moved
    fire where they did; steering is written and changes no traffic.
    """

    def __init__(self, host: RecordedHost, recording: Recording) -> None:
        """The recording's times must have been shared out."""
        super().__init__(_state(host), discard)
        self._host = host
        self._irqs = {irq.number: irq for irq in host.irqs}
        lines = {irq.identity: self.state.lines[irq.number] for irq in host.irqs}
        self._lines = [lines.get(name) for name in recording.names]
        self._counts: dict[int, dict[int, float]] = {number: {} for number in self.state.lines}
        self._times = {cpu.number: [0.0, 0.0] for cpu in host.cpus}
        self._frames = iter(recording.frames)
        self._frame = Frame(0.0, 0.0, {})
        self._tally, self._recorded = TruthTally(), TruthTally()

    # Time

    def begin_interval(self) -> None:
        """Both truths start from nothing."""
        self._tally, self._recorded = TruthTally(), TruthTally()

    def next_stretch(self) -> float:
        """Begin the next recorded interval."""
        frame = next(self._frames, None)
        if frame is None:
            return 0.0
        self._frame = frame
        return frame.seconds

    @property
    def wall(self) -> float:
        """When what happened last was recorded (seconds since the epoch)."""
        return self._frame.wall - self.left

    def truth(self) -> GroundTruth:
        """What happened in the time of the last `advance`."""
        return self._tally.truth(self.state.online)

    def recorded(self) -> GroundTruth:
        """The same time as it was recorded: on the CPUs where everything fired."""
        return self._recorded.truth(self.state.online)

    def run(self, seconds: float) -> None:
        """Let a part of the present interval happen."""
        frame, times = self._frame, self._times
        part = seconds / frame.seconds
        for cpu, (hard, soft) in frame.rest.items():
            if cpu in times:
                times[cpu][0] += hard * part
                times[cpu][1] += soft * part
        for at, cpu, count, hard, soft in zip(
            frame.lines, frame.cpus, frame.counts, frame.hard, frame.soft, strict=True
        ):
            line = self._lines[at]
            if line is None:
                continue
            where = cpu if line.managed else line.effective.first
            served = self._counts[line.number]
            served[where] = served.get(where, 0.0) + count * part
            times[where][0] += hard * part
            times[where][1] += soft * part
            load = (hard + soft) / frame.seconds
            for tally, place in ((self._tally, where), (self._recorded, cpu)):
                tally.add(line.number, place, load, load, seconds)
                if line.address and not line.managed:
                    tally.fired += count * part
                    tally.local += count * part if place in self.state.local(line) else 0.0
        self._tally.seconds += seconds
        self._recorded.seconds += seconds

    # What a kernel reports

    @property
    def boot_id(self) -> str:
        """The same for every replay."""
        return "replay"

    def now(self) -> float:
        """Seconds of this host's own clock."""
        return START + self.elapsed

    def total(self, line: SimulatedIrq) -> int:
        """How often an IRQ fired since the replay began."""
        # Parts of an interval add up to a whole number but for the rounding of floats.
        return int(sum(self._counts[line.number].values()) + 1e-6)

    def facts(self, line: SimulatedIrq) -> IrqFacts:
        """An IRQ as its kernel reported it, with its present mask."""
        irq = self._irqs[line.number]
        return msgspec.structs.replace(
            super().facts(line),
            vector=irq.vector,
            unmovable=irq.unmovable,
            hint=irq.hint,
            node=irq.node,
        )

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """The cheap reading, of the IRQs of the last census. Packets were not recorded by queue."""
        irqs = self.irq_pulse(looked)
        return Pulse(
            time=self.now(),
            totals=irqs.totals,
            cpu_times={cpu: CpuTime(*self._times[cpu]) for cpu in self.state.online},
            online=self.state.online,
            effective=irqs.effective,
        )

    def counts_of(self, numbers: Iterable[int]) -> dict[int, dict[int, int]]:
        """The counts of these IRQs by CPU."""
        counts = self._counts
        return {
            number: {cpu: int(count) % WRAP for cpu, count in counts[number].items()}
            for number in numbers
            if number in counts
        }

    def counts(self, whole: bool = True, pulse: Pulse | None = None) -> Counts:
        """Interrupts and times by CPU; what else was recorded is not replayed. Without `whole` the
        interrupts are left out.
        """
        return Counts(
            time=self.now(),
            cpus=frozenset(self.state.online),
            irqs={
                number: {cpu: int(count) % WRAP for cpu, count in row.items()}
                for number, row in (self._counts.items() if whole else ())
            },
            rows={},
            softirqs={},
            softnet={},
            times={
                name: {cpu: round(row[at] * 1e6) for cpu, row in self._times.items()}
                for at, name in enumerate(("irq", "softirq"))
            },
        )

    def topology(self) -> Topology:
        """CPUs and devices as they are on the host now; steering as the policies set it."""
        host, interfaces = self._host, self.state.interfaces
        return Topology(
            cpus=host.cpus,
            devices=host.devices,
            interfaces=tuple(interfaces[item.name] for item in host.interfaces),
            threads=host.threads,
            rfs_entries=host.rfs_entries,
        )


def _state(host: RecordedHost) -> SimulatedState:
    """Masks and CPUs, with every IRQ where it was."""
    possible = CpuSet(cpu.number for cpu in host.cpus)
    nodes = {device.address: device.node for device in host.devices}
    lines = tuple(_line(irq, possible, nodes.get(irq.address, -1)) for irq in host.irqs)
    state = SimulatedState(
        Machine(host.cpus, tuple(Card(device) for device in host.devices), lines), _UNLIMITED
    )
    state.interfaces = {interface.name: interface for interface in host.interfaces}
    state.online, state.default = host.online, host.default & possible or possible
    for irq in host.irqs:
        line = state.lines[irq.number]
        first = _first_online(host.online, irq.effective, irq.affinity)
        if line.managed:
            line.effective = first
        else:
            state.set_mask(line.number, first)
            mask = irq.affinity & possible
            line.mask = mask if first <= mask else first
    return state


def _first_online(online: CpuSet, *preferred: CpuSet) -> CpuSet:
    """The first online CPU of the first of these sets that has one, else the first online CPU."""
    return CpuSet.of(next((cpus & online).first for cpus in (*preferred, online) if cpus & online))


def _line(irq: RecordedIrq, possible: CpuSet, node: int) -> SimulatedIrq:
    """`node` is the device's; it takes precedence over the IRQ's own."""
    return SimulatedIrq(
        number=irq.number,
        action=irq.action,
        chip=irq.chip,
        vector=-1 if irq.vector is None else irq.vector,
        source=Source("idle"),
        address=irq.address,
        node=node if node >= 0 else irq.node,
        managed=bool(irq.unmovable),
        mask=irq.affinity & possible or possible,
        counts={},
    )
