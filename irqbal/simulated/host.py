"""A made-up host with the face of a real one, and a clock of its own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.identify.queue_names import counters, identify
from irqbal.kernel.irqs import MANAGED
from irqbal.kernel.write_loop import PlanWriter, WriteRequest
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove
from irqbal.model.readings import (
    Census,
    Counts,
    CpuTime,
    IrqFacts,
    Original,
    Pulse,
    Save,
    Topology,
)
from irqbal.model.view import Queue
from irqbal.simulated.ground_truth import GroundTruth, TruthTally
from irqbal.simulated.kernel_errnos import shows_owned
from irqbal.simulated.machine import SimulatedIrq, build
from irqbal.simulated.settings import SimulatedSettings
from irqbal.simulated.spec import HostSpec
from irqbal.simulated.state import SimulatedState
from irqbal.simulated.traffic import Flow, Traffic, reset_in, unplugged_in

START = 1000.0
"""Where a made-up host's own clock stands when it is made."""
BEAT = 10.0
"""Seconds in which rates are constant, unless another number is asked for."""
JIFFY = 0.01
WRAP = 1 << 32


class SimulatedHost:
    """Implements irqbal.model.host.Host. Nothing happens on it until `advance` is called; with a
    `clock`, every pulse first lets as much time pass as that clock says has passed (seconds). The
    same specification gives the same host, whatever the moments of reading.

    It has been up for one beat when it is made: nobody meets a host on which nothing has ever
    fired.
    """

    def __init__(
        self,
        spec: HostSpec,
        save: Save | None = None,
        beat: float = BEAT,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.spec = spec
        self.save = save
        """Puts originals on disk before a write; without it only dry runs are possible."""
        self.state = SimulatedState(build(spec), spec.vectors, spec.kernel)
        self._beat_seconds, self._clock = beat, clock
        self._origin = (START if clock is None else clock()) - beat
        self._elapsed = 0.0
        self._beat, self._left = -1, 0.0
        self._lines: tuple[SimulatedIrq, ...] = tuple(self.state.lines.values())
        self._sources = Traffic(
            [line.source for line in self._lines], spec.traffic[0], spec.seed, spec.cpus, spec.busy
        )
        self._flows: list[Flow] = []
        self._carry = [0.0] * len(self._lines)
        self._line_packets = [0.0] * len(self._lines)
        self._queues = self._identify()
        self._times = {cpu: [0.0, 0.0] for cpu in self.state.possible}
        self._packets = dict.fromkeys(self.state.possible, 0.0)
        self._softirqs = {
            "NET_RX": dict.fromkeys(self.state.possible, 0),
            "BLOCK": dict.fromkeys(self.state.possible, 0),
        }
        self._tally = TruthTally()
        self._writer = PlanWriter(SimulatedSettings(self.state))
        self._known: dict[int, int] = {}
        self._totals: dict[int, int] = {}
        self._unplugged: int | None = None
        self._boot_id = str(uuid.UUID(int=spec.seed, version=4) if clock is None else uuid.uuid4())
        self.advance(beat)

    @classmethod
    def live(cls, spec: HostSpec, save: Save | None = None, beat: float = BEAT) -> SimulatedHost:
        """A host on which time passes as it does here, and that was booted just now."""
        return cls(spec, save, beat, time.monotonic)

    def _identify(self) -> dict[int, Queue]:
        """Which queue each IRQ serves, as irqbal tells it from the names."""
        found: dict[int, Queue] = {}
        for card in self.state.machine.cards:
            actions = {
                line.number: line.action
                for line in self._lines
                if line.address == card.device.address
            }
            found |= identify(card.device, actions, self.state.interfaces)
        return found

    # Time

    def advance(self, seconds: float) -> None:
        """Let so much time pass. `truth` then speaks of this time."""
        if seconds <= 0:
            return
        self._tally = TruthTally()
        while seconds > 1e-9:
            if self._left <= 1e-9:
                self._begin_beat()
            step = min(seconds, self._left)
            self._run(step)
            seconds -= step
            self._left -= step
            self._elapsed += step

    def truth(self) -> GroundTruth:
        """What happened in the time of the last `advance`."""
        return self._tally.truth(self.state.online)

    def _begin_beat(self) -> None:
        self._beat += 1
        self._left = self._beat_seconds
        spec, state = self.spec, self.state
        if "unplug" in spec.traffic:
            gone = unplugged_in(self._beat, spec.seed, spec.cpus)
            if self._unplugged is not None and gone != self._unplugged:
                state.plug(self._unplugged)
            if gone is not None and gone != self._unplugged:
                state.unplug(gone)
            self._unplugged = gone
        if "reset" in spec.traffic:
            interface = reset_in(self._beat, spec.seed, list(state.interfaces))
            if interface:
                state.reset(interface)
        self._flows = self._sources.beat(self._beat)

    def _run(self, seconds: float) -> None:
        """Everything fires where it is placed. A CPU that is asked for more than a second a second
        serves all alike less.
        """
        state, tally = self.state, self._tally
        demand: dict[int, float] = {}
        firing = []
        for at, line in enumerate(self._lines):
            cpu = line.effective.first
            # A managed IRQ whose CPUs are all offline is shut down.
            if cpu in state.online:
                firing.append((at, line, cpu, self._flows[at]))
                demand[cpu] = demand.get(cpu, 0.0) + self._flows[at].seconds
        share = {
            cpu: min(1.0, 1.0 / wanted) if wanted > 0 else 1.0 for cpu, wanted in demand.items()
        }
        for at, line, cpu, flow in firing:
            served = seconds * share[cpu]
            fired = flow.interrupts * served + self._carry[at]
            whole = int(fired)
            self._carry[at] = fired - whole
            line.counts[cpu] = line.counts.get(cpu, 0) + whole
            times = self._times[cpu]
            times[0] += flow.hard * served
            times[1] += flow.soft * served
            tally.add(line.number, cpu, flow.seconds, flow.usual, seconds)
            tally.wanted += flow.seconds * seconds
            tally.served += flow.seconds * served
            if line.address and not line.managed:
                tally.fired += whole
                tally.local += whole if cpu in state.local(line) else 0
            if line.source.kind == "net":
                self._packets[cpu] += flow.packets * served
                self._line_packets[at] += flow.packets * served
                self._softirqs["NET_RX"][cpu] += whole
            elif line.source.kind == "disk":
                self._softirqs["BLOCK"][cpu] += whole
        tally.seconds += seconds

    def _now(self) -> float:
        return self._origin + self._elapsed

    # The face of a host

    @property
    def boot_id(self) -> str:
        """Made of the seed; with a clock, new for each such host."""
        return self._boot_id

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """The cheap reading: as the real one it knows the IRQs of the last census alone."""
        if self._clock is not None:
            self.advance(self._clock() - self._now())
        totals: dict[int, int] = {}
        effective: dict[int, CpuSet] = {}
        stale: set[int] = set()
        for number, inode in self._known.items():
            line = self.state.lines[number]
            totals[number] = sum(line.counts.values()) % WRAP
            if totals[number] == self._totals.get(number, 0):
                continue
            if line.inode != inode:
                stale.add(number)
            elif looked is None or number in looked:
                effective[number] = line.effective
        self._totals = totals
        return Pulse(
            self._now(),
            totals,
            self._cpu_times(),
            self.state.online,
            effective,
            frozenset(stale),
            self._queue_packets(),
            {},
        )

    def _queue_packets(self) -> dict[tuple[str, str, int], int]:
        """What the NICs' queues have counted; nothing where the drivers do not tell."""
        if not self.spec.packets:
            return {}
        found: dict[tuple[str, str, int], int] = {}
        for at, line in enumerate(self._lines):
            queue = self._queues.get(line.number)
            if queue is not None and queue.kind != "io":
                for key in counters(queue):
                    # A queue that both receives and sends sends a packet for each that it receives.
                    found[key] = int(self._line_packets[at]) // len(counters(queue))
        return found

    def census(self) -> Census:
        """Every IRQ with its mask."""
        self._known = {number: line.inode for number, line in self.state.lines.items()}
        shown = shows_owned(self.spec.kernel)
        facts = tuple(
            IrqFacts(
                line.number,
                line.action,
                line.chip,
                line.vector,
                MANAGED if line.managed and shown else "",
                line.mask,
                line.effective,
                CpuSet(),
                line.node,
                line.inode,
            )
            for line in self._lines
        )
        return Census(self._now(), facts, self.state.default)

    def counts(self) -> Counts:
        """Everything that is counted, by online CPU."""
        state = self.state
        irqs = {
            line.number: {
                cpu: count for cpu in state.online if (count := line.counts.get(cpu, 0) % WRAP)
            }
            for line in self._lines
        }
        rows = {
            "LOC": {cpu: int(self._elapsed * 250) % WRAP for cpu in state.online},
            "ERR": {-1: 0},
            "MIS": {-1: 0},
        }
        softirqs = {
            name: {cpu: count % WRAP for cpu, count in counted.items()}
            for name, counted in self._softirqs.items()
        }
        nothing = dict.fromkeys(state.online, 0)
        processed = {cpu: int(self._packets[cpu]) % WRAP for cpu in state.online}
        softnet = {"processed": processed, "dropped": nothing, "time_squeeze": nothing}
        times = self._cpu_times()
        spent = {
            "irq": {cpu: round(time.irq * 1e6) for cpu, time in times.items()},
            "softirq": {cpu: round(time.softirq * 1e6) for cpu, time in times.items()},
        }
        return Counts(self._now(), frozenset(state.online), irqs, rows, softirqs, softnet, spent)

    def topology(self) -> Topology:
        """CPUs, devices and interfaces."""
        machine, online = self.state.machine, self.state.online
        cpus = tuple(
            msgspec.structs.replace(cpu, online=cpu.number in online) for cpu in machine.cpus
        )
        interfaces = tuple(self.state.interfaces[name] for name in sorted(self.state.interfaces))
        return Topology(cpus, tuple(card.device for card in machine.cards), interfaces, (), 0)

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The mask and the inode of these IRQs; numbers that no IRQ has are left out."""
        lines = self.state.lines
        return {
            number: (lines[number].mask, lines[number].inode)
            for number in numbers
            if number in lines
        }

    def isolation(self) -> dict[str, CpuSet]:
        """Nothing isolates CPUs here."""
        return {}

    def population(self) -> int:
        """As the link count of the folder of all IRQs: one for each, and two of its own."""
        return len(self._lines) + 2

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """Write what the plan says, one outcome each. Raises HostError if originals cannot be saved
        at all.
        """
        if self.save is None and not dry_run:
            raise HostError("irqbal's own error: a write was asked for without a journal")
        request = WriteRequest(
            moves=moves, steering=steering, default=default, inodes=self._known, dry_run=dry_run
        )
        return self._writer.apply(request, self.save or (lambda originals: None))

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back."""
        return self._writer.restore(originals)

    def writers(self) -> tuple[str, ...]:
        """Nobody else is at work here."""
        return ()

    def close(self) -> None:
        """There is nothing to give back."""

    def _cpu_times(self) -> dict[int, CpuTime]:
        """Of online CPUs, in whole jiffies unless the specification says exact."""
        times = {cpu: self._times[cpu] for cpu in self.state.online}
        if self.spec.exact:
            return {cpu: CpuTime(irq, softirq) for cpu, (irq, softirq) in times.items()}
        return {
            cpu: CpuTime(int(irq / JIFFY) / 100, int(softirq / JIFFY) / 100)
            for cpu, (irq, softirq) in times.items()
        }
