"""Recorded traffic on a host of which only the placement is made up: what fired, and what it cost,
happens where a policy put it.

A history knows how often each IRQ fired and how long each CPU was in hard and in soft interrupts,
not which IRQ took how much of that. `Recording.share_out` finds the seconds an interrupt of each
IRQ that explain the CPUs' times best (Richardson-Lucy iterations, the maximum likelihood of counts
with non-negative costs), together with a background that no IRQ causes and that stays where it was.
The recorded seconds are then divided in proportion: nothing is added to what was measured.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.kernel.write_loop import PlanWriter, WriteRequest
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove
from irqbal.model.readings import (
    Census,
    Counts,
    CpuTime,
    IrqFacts,
    Original,
    Pulse,
    Topology,
)
from irqbal.model.view import Cpu, Device, Interface, Thread
from irqbal.simulated.ground_truth import GroundTruth, TruthTally
from irqbal.simulated.machine import Card, Machine, SimulatedIrq
from irqbal.simulated.settings import SimulatedSettings
from irqbal.simulated.state import SimulatedState
from irqbal.simulated.traffic import Source

START = 1000.0
"""Where a replayed host's own clock stands when it begins (seconds)."""
WRAP = 1 << 32
_CHUNKS = 240
_STEPS = 200
_LEAST_STEPS = 30
_WORK = 5_000_000
"""The costs are fitted to at most so many equations a CPU, in so many steps; fewer where there are
more terms than that to visit.
"""
_IDLE = 0.1
"""The share of all time that is taken to be background before the first step."""
_NOMINAL = 1e-6
"""Seconds an interrupt where no CPU's time was recorded: then loads are interrupts."""
_UNLIMITED = 1 << 30
"""Vectors a CPU: a history does not say when a kernel had none left."""


class Frame:
    """One recorded interval. `lines`, `cpus` and `counts` run side by side: an IRQ (its index),
    where it fired, and how often.

    `spent` are each CPU's seconds of hard and of soft interrupts; `hard` and `soft` what of them is
    each entry's, and `rest` what is nobody's. `wall` is the interval's end (seconds since the
    epoch), `seconds` its length.
    """

    __slots__ = ("counts", "cpus", "hard", "lines", "rest", "seconds", "soft", "spent", "wall")

    def __init__(self, wall: float, seconds: float, spent: dict[int, tuple[float, float]]) -> None:
        self.wall, self.seconds, self.spent = wall, seconds, spent
        self.lines, self.cpus, self.counts = array("l"), array("l"), array("d")
        self.hard, self.soft = array("d"), array("d")
        self.rest: dict[int, tuple[float, float]] = {}


class Recording:
    """Intervals in the order in which they were recorded. Gaps between them are left out: time
    passes in what was seen alone.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        """The IRQs' identities, by index."""
        self.frames: list[Frame] = []
        self.timed = False
        """Whether CPUs' times were recorded."""
        self._index: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        """How long it is, without gaps."""
        return sum(frame.seconds for frame in self.frames)

    @property
    def cpus(self) -> CpuSet:
        """Every CPU on which an IRQ fired."""
        return CpuSet({cpu for frame in self.frames for cpu in frame.cpus})

    def add(
        self,
        wall: float,
        seconds: float,
        fired: Mapping[tuple[str, int], int],
        hard: Mapping[int, float],
        soft: Mapping[int, float],
    ) -> None:
        """An interval: interrupts by identity and CPU, and seconds in hard and soft interrupts by
        CPU.
        """
        spent = {cpu: (hard.get(cpu, 0.0), soft.get(cpu, 0.0)) for cpu in {*hard, *soft}}
        frame = Frame(wall, seconds, spent)
        for (name, cpu), count in fired.items():
            at = self._index.get(name)
            if at is None:
                at = self._index[name] = len(self.names)
                self.names.append(name)
            frame.lines.append(at)
            frame.cpus.append(cpu)
            frame.counts.append(count)
        self.timed = self.timed or any(first + second > 0 for first, second in spent.values())
        self.frames.append(frame)

    def share_out(self) -> tuple[dict[str, float], dict[str, float]]:
        """Divide the recorded times; returns the seconds an interrupt by identity, hard and
        soft.
        """
        found = tuple(self._share(kind) for kind in (0, 1))
        for frame in self.frames:
            rest: dict[int, list[float]] = {cpu: [0.0, 0.0] for cpu in frame.spent}
            for kind, ((costs, background), shares) in enumerate(
                zip(found, (frame.hard, frame.soft), strict=True)
            ):
                needed = dict.fromkeys(frame.spent, background * frame.seconds)
                weights = [
                    count * costs[at] for at, count in zip(frame.lines, frame.counts, strict=True)
                ]
                for cpu, weight in zip(frame.cpus, weights, strict=True):
                    needed[cpu] = needed.get(cpu, 0.0) + weight
                scale = {
                    cpu: frame.spent[cpu][kind] / total if total > 0 else 0.0
                    for cpu, total in needed.items()
                    if cpu in frame.spent
                }
                if not self.timed:
                    scale = dict.fromkeys(needed, 1.0)
                del shares[:]
                shares.extend(
                    weight * scale.get(cpu, 0.0)
                    for cpu, weight in zip(frame.cpus, weights, strict=True)
                )
                for cpu, row in rest.items():
                    row[kind] = background * frame.seconds * scale.get(cpu, 0.0)
            frame.rest = {cpu: (row[0], row[1]) for cpu, row in rest.items()}
        hard, soft = (dict(zip(self.names, costs, strict=True)) for costs, _ in found)
        return hard, soft

    def doubt(self) -> float:
        """The share of the time about which the recording's halves disagree, when their fits set
        out from different guesses.
        """
        middle = len(self.frames) // 2
        if not (self.timed and middle):
            return float(self.timed)
        times: list[list[float]] = []
        for frames, tilt in ((self.frames[:middle], 2.0), (self.frames[middle:], 0.5)):
            half = Recording()
            half.names, half.frames, half.timed = self.names, frames, True
            times.append(
                [
                    hard + soft
                    for hard, soft in zip(
                        *(half._share(kind, tilt)[0] for kind in (0, 1)), strict=True
                    )
                ]
            )
        amounts = dict.fromkeys(range(len(self.names)), 0.0)
        for at, count in (
            (at, count)
            for frame in self.frames
            for at, count in zip(frame.lines, frame.counts, strict=True)
        ):
            amounts[at] += count
        # Who never fired in one of the halves says nothing about it.
        pairs = [
            (a * amount, b * amount)
            for a, b, amount in zip(*times, amounts.values(), strict=True)
            if a > 0 and b > 0
        ]
        total = sum(a + b for a, b in pairs)
        return sum(abs(a - b) for a, b in pairs) / total if total > 0 else 0.0

    def _share(self, kind: int, tilt: float = 1.0) -> tuple[list[float], float]:
        """(seconds an interrupt by index, background in seconds a second) of one kind of time."""
        if not self.timed:
            return [0.0 if kind else _NOMINAL] * len(self.names), 0.0
        equations = self._equations(kind)
        amounts = [0.0] * len(self.names)
        spent = seconds = 0.0
        for served, time, length in equations:
            spent += time
            seconds += length
            for at, count in served.items():
                amounts[at] += count
        total = sum(amounts)
        mean = (1 - _IDLE) * spent / total if total else 0.0
        costs = [mean * tilt ** (at % 3 - 1) for at in range(len(self.names))]
        background = (_IDLE if total else 1.0) * spent / seconds if seconds else 0.0
        terms = sum(len(served) + 1 for served, _, _ in equations)
        for _ in range(max(_LEAST_STEPS, min(_STEPS, _WORK // max(1, terms)))):
            shares, idle = [0.0] * len(costs), 0.0
            for served, time, length in equations:
                needed = background * length + sum(
                    count * costs[at] for at, count in served.items()
                )
                if needed > 0:
                    scale = time / needed
                    idle += background * length * scale
                    for at, count in served.items():
                        shares[at] += count * costs[at] * scale
            costs = [
                share / amount if amount else 0.0
                for share, amount in zip(shares, amounts, strict=True)
            ]
            background = idle / seconds if seconds else 0.0
        return costs, background

    def _equations(self, kind: int) -> list[tuple[dict[int, float], float, float]]:
        """(interrupts by index, seconds spent, seconds) of each CPU in each stretch of
        intervals.
        """
        size = max(1, -(-len(self.frames) // _CHUNKS))
        equations = []
        for begin in range(0, len(self.frames), size):
            served: dict[int, dict[int, float]] = {}
            spent: dict[int, float] = {}
            length: dict[int, float] = {}
            for frame in self.frames[begin : begin + size]:
                for cpu, times in frame.spent.items():
                    spent[cpu] = spent.get(cpu, 0.0) + times[kind]
                    length[cpu] = length.get(cpu, 0.0) + frame.seconds
                for at, cpu, count in zip(frame.lines, frame.cpus, frame.counts, strict=True):
                    row = served.setdefault(cpu, {})
                    row[at] = row.get(at, 0.0) + count
            equations += [(served.get(cpu, {}), time, length[cpu]) for cpu, time in spent.items()]
        return equations


class Stand(msgspec.Struct, frozen=True):
    """One IRQ as the replay begins: where it may fire and where it does; `hint` and `node` as the
    kernel told them.
    """

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


class Scene(msgspec.Struct, frozen=True):
    """The host on which a recording is replayed: everything that does not happen, but is."""

    cpus: tuple[Cpu, ...]
    devices: tuple[Device, ...]
    interfaces: tuple[Interface, ...]
    threads: tuple[Thread, ...]
    irqs: tuple[Stand, ...]
    online: CpuSet
    default: CpuSet
    flow_entries: int = -1


class ReplayHost:
    """Implements irqbal.model.host.Host. Nothing happens on it until `advance` is called. IRQs that
    nobody can move fire where they did.
    """

    def __init__(self, scene: Scene, recording: Recording) -> None:
        """`recording` must have been shared out."""
        self._scene, self._recording = scene, recording
        self._stands = {stand.number: stand for stand in scene.irqs}
        self.state = _state(scene)
        self._writer = PlanWriter(SimulatedSettings(self.state))
        by_identity = {stand.identity: self.state.lines[stand.number] for stand in scene.irqs}
        self._lines: list[SimulatedIrq | None] = [by_identity.get(name) for name in recording.names]
        self._fired = dict.fromkeys(self.state.lines, 0.0)
        self._counts: dict[int, dict[int, float]] = {number: {} for number in self.state.lines}
        self._times = {cpu.number: [0.0, 0.0] for cpu in scene.cpus}
        self._frames = iter(recording.frames)
        self._frame: Frame | None = None
        self._left = self._elapsed = 0.0
        self._tally, self._recorded = TruthTally(), TruthTally()
        self._known: dict[int, int] = {}
        self._totals: dict[int, int] = {}

    # Time

    def advance(self, seconds: float) -> None:
        """Let so much of the recorded time pass, as far as there is any. `truth` and `recorded`
        then speak of this time.
        """
        self._tally, self._recorded = TruthTally(), TruthTally()
        while seconds > 1e-9:
            if self._left <= 1e-9:
                self._frame = next(self._frames, None)
                if self._frame is None:
                    return
                self._left = self._frame.seconds
            assert self._frame is not None
            step = min(seconds, self._left)
            self._run(self._frame, step)
            seconds -= step
            self._left -= step
            self._elapsed += step

    @property
    def wall(self) -> float:
        """When what happened last was recorded (seconds since the epoch)."""
        return 0.0 if self._frame is None else self._frame.wall - self._left

    def truth(self) -> GroundTruth:
        """What happened in the time of the last `advance`."""
        return self._tally.truth(self.state.online)

    def recorded(self) -> GroundTruth:
        """The same time as it was recorded: on the CPUs where everything fired."""
        return self._recorded.truth(self.state.online)

    def _run(self, frame: Frame, step: float) -> None:
        part = step / frame.seconds
        times = self._times
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
            self._fired[line.number] += count * part
            served = self._counts[line.number]
            served[where] = served.get(where, 0.0) + count * part
            times[where][0] += hard * part
            times[where][1] += soft * part
            load = (hard + soft) / frame.seconds
            for tally, place in ((self._tally, where), (self._recorded, cpu)):
                tally.add(line.number, place, load, load, step)
                if line.address and not line.managed:
                    tally.fired += count * part
                    tally.local += count * part if place in self.state.local(line) else 0.0
        self._tally.seconds += step
        self._recorded.seconds += step

    # The face of a host

    @property
    def boot_id(self) -> str:
        """It was never booted."""
        return "replay"

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """The cheap reading, of the IRQs of the last census. Packets were not recorded by queue."""
        totals = {number: int(self._fired[number]) % WRAP for number in self._known}
        effective = {
            number: self.state.lines[number].effective
            for number, total in totals.items()
            if total != self._totals.get(number, 0) and (looked is None or number in looked)
        }
        self._totals = totals
        times = {cpu: CpuTime(*self._times[cpu]) for cpu in self.state.online}
        return Pulse(START + self._elapsed, totals, times, self.state.online, effective)

    def census(self) -> Census:
        """Every IRQ with its mask."""
        self._known = {number: line.inode for number, line in self.state.lines.items()}
        return Census(
            START + self._elapsed,
            tuple(map(self._facts, self.state.lines.values())),
            self.state.default,
        )

    def _facts(self, line: SimulatedIrq) -> IrqFacts:
        stand = self._stands[line.number]
        return IrqFacts(
            line.number,
            line.action,
            line.chip,
            stand.vector,
            stand.unmovable,
            line.mask,
            line.effective,
            stand.hint,
            stand.node,
            line.inode,
        )

    def counts(self) -> Counts:
        """Interrupts and times by CPU; what else was recorded is not replayed."""
        irqs = {
            number: {cpu: int(count) % WRAP for cpu, count in row.items()}
            for number, row in self._counts.items()
        }
        times = {
            name: {cpu: round(row[at] * 1e6) for cpu, row in self._times.items()}
            for at, name in enumerate(("irq", "softirq"))
        }
        return Counts(START + self._elapsed, frozenset(self.state.online), irqs, {}, {}, {}, times)

    def topology(self) -> Topology:
        """CPUs and devices as they are on the host now; steering as the policies set it."""
        scene, interfaces = self._scene, self.state.interfaces
        return Topology(
            scene.cpus,
            scene.devices,
            tuple(interfaces[item.name] for item in scene.interfaces),
            scene.threads,
            scene.flow_entries,
        )

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The mask and the inode of these IRQs."""
        lines = self.state.lines
        return {
            number: (lines[number].mask, lines[number].inode)
            for number in numbers
            if number in lines
        }

    def isolation(self) -> dict[str, CpuSet]:
        """Nothing isolates CPUs but what the host was recorded with."""
        return {}

    def population(self) -> int:
        """Nothing comes or goes."""
        return len(self.state.lines) + 2

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """Write what the plan says to this host alone, one outcome each. Steering is taken, and
        changes no traffic.
        """
        request = WriteRequest(
            moves=moves, steering=steering, default=default, inodes=self._known, dry_run=dry_run
        )
        return self._writer.apply(request, lambda originals: None)

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back."""
        return self._writer.restore(originals)

    def writers(self) -> tuple[str, ...]:
        """Nobody else is at work here."""
        return ()

    def close(self) -> None:
        """There is nothing to give back."""


def _state(scene: Scene) -> SimulatedState:
    """Masks and CPUs, with every IRQ where the scene has it."""
    possible = CpuSet(cpu.number for cpu in scene.cpus)
    nodes = {device.address: device.node for device in scene.devices}
    lines = tuple(_line(stand, possible, nodes.get(stand.address, -1)) for stand in scene.irqs)
    state = SimulatedState(
        Machine(scene.cpus, tuple(Card(device) for device in scene.devices), lines), _UNLIMITED
    )
    state.interfaces = {interface.name: interface for interface in scene.interfaces}
    state.online, state.default = scene.online, scene.default & possible or possible
    for stand in scene.irqs:
        line = state.lines[stand.number]
        first = _first(stand.effective, stand.affinity, scene.online)
        if line.managed:
            line.effective = first
        else:
            state.set_mask(line.number, first)
            mask = stand.affinity & possible
            line.mask = mask if first <= mask else first
    return state


def _first(*sets: CpuSet) -> CpuSet:
    """The first CPU of the first of these sets that has an online one; the last set are the online
    ones.
    """
    found: Sequence[CpuSet] = [cpus & sets[-1] for cpus in sets]
    return CpuSet.of(next(cpus.first for cpus in found if cpus))


def _line(stand: Stand, possible: CpuSet, node: int) -> SimulatedIrq:
    """`node` is the device's, which counts before the one that the kernel says of the IRQ."""
    managed = bool(stand.unmovable)
    mask = stand.affinity & possible or possible
    return SimulatedIrq(
        stand.number,
        stand.action,
        stand.chip,
        -1 if stand.vector is None else stand.vector,
        Source("idle"),
        stand.address,
        "",
        node if node >= 0 else stand.node,
        managed,
        mask,
        counts={},
    )
