"""`irqbal simulate --history`: recorded traffic, and the host on which it is replayed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HistoryError
from irqbal.history.samples import Decision, IrqState, Sample
from irqbal.history.store import HistoryStore
from irqbal.kernel.host import KernelHost
from irqbal.kernel.irqs import MANAGED
from irqbal.model.view import Irq, Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.render.console import to_the_second
from irqbal.simulated.replay import Recording, ReplayHost, Scene, Stand
from irqbal.simulated.score import TrialResult, TrialRun
from irqbal.tracking.tracker import HostTracker

RECORDED = "(as recorded)"
"""Stands for a configuration's name where nothing was tried: what really happened."""
MOST_DECISIONS = 1_000_000
UNSURE = 0.15
"""Share of the time that may be attributed one way or another without a word."""
FEW = 8
"""Names in one sentence, at most."""
_IDENTITY = re.compile(r"(?P<where>[^/]+)/(?P<vector>-|\d+)/(?P<action>.+?)(?:#\d+)?")
_NVME_QUEUE = re.compile(r"nvme\d+q[1-9]\d*")
_REFUSED = "refused by the kernel: managed"


class Replay(msgspec.Struct, frozen=True):
    """Everything that was read of a history's window; `said` are sentences about what had to be
    made up or left out.
    """

    recording: Recording
    scene: Scene
    decisions: tuple[Decision, ...]
    start: float
    end: float
    said: tuple[str, ...]

    def __str__(self) -> str:
        samples = len(self.recording.frames)
        return (
            f"{samples} samples, {self.recording.seconds:.0f} s between "
            f"{to_the_second(self.start)} and {to_the_second(self.end)}"
        )


def read(store: HistoryStore, start: float, end: float, root: Path, host: str = "") -> Replay:
    """Read a window of the history, and the host below `root`. Raises HistoryError, HostError."""
    recording, states = _record(store.samples(start, end, host))
    if not recording.frames:
        raise HistoryError(
            f"the history has no samples between {to_the_second(start)} and "
            f"{to_the_second(end)}: samples are kept for two days unless the configuration "
            "says otherwise; --start and --end name another time, --history another history"
        )
    known = {state.identity: state for state in store.irqs(host)} | states
    decisions = tuple(store.decisions(start, end, limit=MOST_DECISIONS, host=host))
    managed = {
        item.identity
        for item in decisions
        if item.code == "managed" or item.result.startswith(_REFUSED)
    }
    live = KernelHost(root)
    try:
        snapshot = HostTracker(live, 10.0).look(Ledger())
    finally:
        live.close()
    foreign = recording.cpus - CpuSet(cpu.number for cpu in snapshot.cpus)
    if foreign:
        raise HistoryError(
            f"interrupts were recorded on CPUs {foreign}, which this host does not have: --root "
            "names a tree of the host that recorded them"
        )
    scene, said = _scene(snapshot, recording, known, managed)
    recording.share_out()
    if not recording.timed:
        said.append("no CPU's time in interrupts was recorded: every interrupt counts alike")
    elif (doubt := recording.doubt()) > UNSURE:
        said.append(
            "what single IRQs cost is known roughly: the window's halves disagree about "
            f"{doubt * 100:.0f} % of the time; "
            "a longer one, or one in which IRQs were moved, tells more"
        )
    frames = recording.frames
    return Replay(
        recording,
        scene,
        decisions,
        frames[0].wall - frames[0].seconds,
        frames[-1].wall,
        tuple(said),
    )


def _record(samples: Iterable[Sample]) -> tuple[Recording, dict[str, IrqState]]:
    """The samples, and the first state of every IRQ that they tell of."""
    recording = Recording()
    states: dict[str, IrqState] = {}
    for sample in samples:
        for state in sample.states:
            if not state.gone:
                states.setdefault(state.identity, state)
        fired: dict[tuple[str, int], int] = {}
        spent: dict[str, dict[int, float]] = {"irq": {}, "softirq": {}}
        for series, value in sample.values.items():
            if series.kind == "irq" and value > 0 and series.cpu >= 0:
                fired[series.name, series.cpu] = value
            elif series.kind == "time" and series.name in spent:
                spent[series.name][series.cpu] = value / 1e6
        if sample.seconds > 0:
            recording.add(sample.wall, sample.seconds, fired, spent["irq"], spent["softirq"])
    return recording, states


def _scene(
    snapshot: Snapshot, recording: Recording, known: dict[str, IrqState], managed: set[str]
) -> tuple[Scene, list[str]]:
    """The host as it is now, with the recorded IRQs on it where they were when the window began."""
    began = _began(recording)
    stands = [
        _present(irq, known.get(irq.identity), began.get(irq.identity), irq.identity in managed)
        for irq in snapshot.irqs
    ]
    numbers = {irq.number for irq in snapshot.irqs}
    devices = {device.address: device for device in snapshot.devices}
    present = {irq.identity for irq in snapshot.irqs}
    rebuilt, lost = [], []
    for name in recording.names:
        if name in present:
            continue
        state = known.get(name)
        parts = _IDENTITY.fullmatch(name)
        if parts is None or state is None:
            lost.append(name)
            continue
        number = state.number if state.number not in numbers else max(numbers) + 1
        numbers.add(number)
        device = devices.get(state.device)
        if device is not None:
            devices[device.address] = msgspec.structs.replace(device, irqs=(*device.irqs, number))
        fixed = name in managed or _NVME_QUEUE.fullmatch(state.action) is not None
        vector = None if parts["vector"] == "-" else int(parts["vector"])
        affinity = CpuSet.parse(state.affinity) if state.affinity else snapshot.online
        stands.append(
            Stand(
                name,
                number,
                state.action,
                "" if device is not None else parts["where"],
                vector,
                "" if device is None else device.address,
                -1 if device is None else device.node,
                MANAGED if fixed else "",
                affinity,
                began.get(name) or CpuSet.parse(state.effective),
            )
        )
        rebuilt.append(
            f"{state.number} ({state.action}{'' if device is not None else ', of no device'})"
        )
    said = []
    if rebuilt:
        said.append(f"not on this host now, and made up from the history: {_few(rebuilt)}")
        if len(rebuilt) > len(snapshot.irqs) / 2:
            said.append(
                "most of what was recorded is not on this host: --root names a tree of the one "
                "that recorded it (`irqbal capture`)"
            )
    if lost:
        said.append(f"left out, for the history does not say what they are: {_few(lost)}")
    scene = Scene(
        snapshot.cpus,
        tuple(devices.values()),
        snapshot.interfaces,
        snapshot.threads,
        tuple(stands),
        (snapshot.online | recording.cpus),
        snapshot.default_affinity,
        snapshot.rfs_entries,
    )
    return scene, said


def _few(names: list[str]) -> str:
    """A list that can be read: of a long one the beginning, and how many more there are."""
    return ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")


def _began(recording: Recording) -> dict[str, CpuSet]:
    """Where each IRQ was when the window began: the CPU on which it fired most in the first
    interval in which it fired.
    """
    found: dict[int, int] = {}
    for frame in recording.frames:
        most: dict[int, tuple[float, int]] = {}
        for at, cpu, count in zip(frame.lines, frame.cpus, frame.counts, strict=True):
            if at not in found:
                most[at] = max(most.get(at, (0.0, 0)), (count, cpu))
        found |= {at: cpu for at, (_, cpu) in most.items()}
    return {recording.names[at]: CpuSet.of(cpu) for at, cpu in found.items()}


def _present(irq: Irq, state: IrqState | None, began: CpuSet | None, managed: bool) -> Stand:
    """An IRQ that is still there, with the mask that it had."""
    affinity = (
        CpuSet.parse(state.affinity) if state is not None and state.affinity else irq.affinity
    )
    effective = began or (CpuSet.parse(state.effective) if state is not None else irq.effective)
    return Stand(
        irq.identity,
        irq.number,
        irq.action,
        irq.chip,
        irq.vector,
        irq.device or "",
        irq.node,
        irq.unmovable or (MANAGED if managed else ""),
        affinity,
        effective,
        irq.hint,
    )


def cycles_in(replay: Replay, interval: float, most: int | None) -> int:
    """How many cycles of this length the recording has time for. Raises HistoryError if there is
    none.
    """
    cycles = int(replay.recording.seconds / interval + 1e-6) - 1
    if cycles < 1:
        raise HistoryError(
            f"{replay}: that is less than two intervals of {interval:g} s; give more time with "
            "--start and --end, or a shorter interval"
        )
    return cycles if most is None else min(cycles, most)


def recorded(replay: Replay, interval: float, cycles: int) -> TrialResult:
    """What was really done in that time."""
    host, trial = ReplayHost(replay.scene, replay.recording), TrialRun(RECORDED)
    left = sorted(replay.decisions, key=lambda item: item.wall, reverse=True)
    for _ in range(cycles):
        host.advance(interval)
        trial.passed(host.recorded())
        now = []
        while left and left[-1].wall <= host.wall:
            now.append(left.pop())
        written = [
            item for item in now if item.result == "written" or item.result.startswith("wrote ")
        ]
        moves = sum(item.kind == "move" for item in written)
        trial.cycle(
            moves,
            len(written) - moves,
            sum(item.result.startswith("refused") for item in now),
            0.0,
            (),
        )
    host.advance(interval)
    trial.passed(host.recorded())
    return trial.result()
