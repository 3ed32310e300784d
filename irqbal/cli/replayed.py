"""`irqbal simulate --history`: a window of a history, read for replaying, and scored as it was."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from irqbal.cli.recorded_host import HistoryIrqs, HostBuilder
from irqbal.cpuset import CpuSet
from irqbal.errors import HistoryError
from irqbal.history.samples import Decision, IrqState, Sample
from irqbal.history.store import HistoryStore
from irqbal.kernel.host import KernelHost
from irqbal.planner.ledger import Ledger
from irqbal.render.console import to_the_second
from irqbal.simulated.cost_split import Frame
from irqbal.simulated.recording import Recording
from irqbal.simulated.replay_host import RecordedHost, ReplayHost
from irqbal.simulated.score import CycleScore, SimulationResult, SimulationRun
from irqbal.tracking.tracker import HostTracker

RECORDED = "(as recorded)"
"""Stands for a configuration's name where nothing was tried: what really happened."""
MOST_DECISIONS = 1_000_000
"""Decisions of one window, at most; two days of a busy host have a tenth of that."""
UNSURE = 0.15
"""Share of the time that may be attributed one way or another without a note."""
_REFUSED = "refused by the kernel: managed"


class HistoryWindow(msgspec.Struct, frozen=True):
    """A part of a history: seconds since the epoch, and whose it is (a MongoDB holds several hosts,
    a file one: empty).
    """

    start: float
    end: float
    host: str = ""


class Replay(msgspec.Struct, frozen=True):
    """Everything that was read of a history's window, which `start` and `end` bound (seconds since
    the epoch); `notes` are sentences about what had to be made up or left out.
    """

    recording: Recording
    host: RecordedHost
    decisions: tuple[Decision, ...]
    start: float
    end: float
    notes: tuple[str, ...]

    def __str__(self) -> str:
        samples = len(self.recording.frames)
        return (
            f"{samples} samples, {self.recording.seconds:.0f} s between "
            f"{to_the_second(self.start)} and {to_the_second(self.end)}"
        )


def read(store: HistoryStore, window: HistoryWindow, root: Path) -> Replay:
    """Read a window of the history, and the host below `root`. Raises HistoryError if there are no
    samples or they are another host's, HostError.
    """
    recording, states = _record(store.samples(window.start, window.end, window.host))
    if not recording.frames:
        raise HistoryError(
            f"the history has no samples between {to_the_second(window.start)} and "
            f"{to_the_second(window.end)}: samples are kept for two days unless the configuration "
            "says otherwise; --start and --end name another time, --history another history"
        )
    decisions = tuple(
        store.decisions(window.start, window.end, limit=MOST_DECISIONS, host=window.host)
    )
    history = HistoryIrqs(
        {state.identity: state for state in store.irqs(window.host)} | states,
        {
            item.identity
            for item in decisions
            if item.code == "managed" or item.result.startswith(_REFUSED)
        },
    )
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
    builder = HostBuilder(snapshot, recording, history)
    host = builder.build()
    recording.share_out()
    frames = recording.frames
    return Replay(
        recording,
        host,
        decisions,
        frames[0].wall - frames[0].seconds,
        frames[-1].wall,
        (*builder.notes(), *_cost_notes(recording)),
    )


def _cost_notes(recording: Recording) -> list[str]:
    """How well the costs of IRQs are known."""
    if not recording.timed:
        return ["no CPU's time in interrupts was recorded: every interrupt counts the same"]
    doubt = recording.doubt()
    if doubt <= UNSURE:
        return []
    return [
        "what single IRQs cost is known roughly: the window's halves disagree about "
        f"{doubt * 100:.0f} % of the time; a longer window, or one in which IRQs were moved, "
        "determines it better"
    ]


def _record(samples: Iterable[Sample]) -> tuple[Recording, dict[str, IrqState]]:
    """The samples, and the first state of every IRQ in them."""
    recording = Recording()
    states: dict[str, IrqState] = {}
    for sample in samples:
        for state in sample.states:
            if not state.gone:
                states.setdefault(state.identity, state)
        fired: dict[tuple[str, int], int] = {}
        hard: dict[int, float] = {}
        soft: dict[int, float] = {}
        for series, value in sample.values.items():
            if series.kind == "irq" and value > 0 and series.cpu >= 0:
                fired[series.name, series.cpu] = value
            elif series.kind == "time" and series.name in ("irq", "softirq"):
                (hard if series.name == "irq" else soft)[series.cpu] = value / 1e6
        if sample.seconds > 0:
            spent = {cpu: (hard.get(cpu, 0.0), soft.get(cpu, 0.0)) for cpu in {*hard, *soft}}
            recording.add(Frame(sample.wall, sample.seconds, spent), fired)
    return recording, states


def cycles_in(replay: Replay, interval: float, most: int | None) -> int:
    """How many cycles of this length (seconds) the recording has time for, at most `most`. Raises
    HistoryError if there is none.
    """
    cycles = int(replay.recording.seconds / interval + 1e-6) - 1
    if cycles < 1:
        raise HistoryError(
            f"{replay}: that is less than two intervals of {interval:g} s; give more time with "
            "--start and --end, or a shorter interval"
        )
    return cycles if most is None else min(cycles, most)


def recorded(replay: Replay, interval: float, cycles: int) -> SimulationResult:
    """What was really done in that time."""
    host, trial = ReplayHost(replay.host, replay.recording), SimulationRun(RECORDED)
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
        refused = sum(item.result.startswith("refused") for item in now)
        trial.cycle(CycleScore(moves=moves, settings=len(written) - moves, refused=refused))
    host.advance(interval)
    trial.passed(host.recorded())
    return trial.result()
