"""What all hosts that are not real have in common: IRQs and masks as a `SimulatedState` has them,
censuses, pulses and writes as of a kernel, and time that passes only in `advance`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.kernel.write_loop import PlanWriter, WriteRequest, cannot_save
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove
from irqbal.model.readings import Census, IrqFacts, Original, Save, Scheduling
from irqbal.simulated.machine import SimulatedIrq
from irqbal.simulated.settings import SimulatedSettings
from irqbal.simulated.state import SimulatedState

WRAP = 1 << 32
"""The kernel's counters are u32: they wrap at this number."""
_INSTANT = 1e-9
"""Seconds that count as none: what rounding leaves of a stretch of time."""


class IrqPulse(msgspec.Struct, frozen=True):
    """The part of a pulse that is about IRQs; see `Pulse`."""

    totals: dict[int, int]
    effective: dict[int, CpuSet]
    stale: frozenset[int]


class FakeKernel(ABC):
    """The part of irqbal.model.host.Host that a simulated and a replayed host share."""

    def __init__(self, state: SimulatedState, save: Save | None) -> None:
        """`save` stores originals before a write; without it only dry runs are possible."""
        self.state, self.save = state, save
        self.elapsed = 0.0
        """Seconds that have passed on this host."""
        self._left = 0.0
        self._writer = PlanWriter(SimulatedSettings(state))
        self._inodes: dict[int, int] = {}
        self._totals: dict[int, int] = {}

    # Time

    def advance(self, seconds: float) -> None:
        """Let so much time pass, as far as there is any. What the host reports as the truth is then
        about this time.
        """
        if seconds <= 0:
            return
        self.begin_interval()
        while seconds > _INSTANT:
            if self._left <= _INSTANT:
                self._left = self.next_stretch()
                if self._left <= 0:
                    return
            step = min(seconds, self._left)
            self.run(step)
            seconds -= step
            self._left -= step
            self.elapsed += step

    @property
    def left(self) -> float:
        """Seconds that are left of the present stretch."""
        return self._left

    @abstractmethod
    def begin_interval(self) -> None:
        """A new interval begins: its truth starts from nothing."""

    @abstractmethod
    def next_stretch(self) -> float:
        """Begin a stretch of time with constant rates; returns its length in seconds, 0 at the end
        of time.
        """

    @abstractmethod
    def run(self, seconds: float) -> None:
        """Let interrupts fire for so long, within the present stretch."""

    # What a kernel reports

    @abstractmethod
    def now(self) -> float:
        """The time of a reading, in seconds of this host's own clock."""

    @abstractmethod
    def total(self, line: SimulatedIrq) -> int:
        """How often an IRQ fired since it was set up."""

    def facts(self, line: SimulatedIrq) -> IrqFacts:
        """What the kernel reports of an IRQ that it lets move."""
        return IrqFacts(
            number=line.number,
            action=line.action,
            chip=line.chip,
            vector=line.vector,
            unmovable="",
            affinity=line.mask,
            effective=line.effective,
            hint=CpuSet(),
            node=line.node,
            inode=line.inode,
        )

    def scheduling(self) -> Scheduling:
        """Nothing: there are no tasks here."""
        return Scheduling()

    def census(self) -> Census:
        """Every IRQ with its mask."""
        lines = self.state.lines.values()
        self._inodes = {line.number: line.inode for line in lines}
        return Census(
            time=self.now(),
            irqs=tuple(map(self.facts, lines)),
            default_affinity=self.state.default,
        )

    def irq_pulse(self, looked: Collection[int] | None) -> IrqPulse:
        """Totals of the IRQs of the last census, and the effective affinity of those of `looked`
        (None: of all) that fired since the last pulse.
        """
        totals: dict[int, int] = {}
        effective: dict[int, CpuSet] = {}
        stale: set[int] = set()
        for number, inode in self._inodes.items():
            line = self.state.lines[number]
            totals[number] = self.total(line) % WRAP
            if totals[number] == self._totals.get(number, 0):
                continue
            if line.inode != inode:
                stale.add(number)
            elif looked is None or number in looked:
                effective[number] = line.effective
        self._totals = totals
        return IrqPulse(totals, effective, frozenset(stale))

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The mask and the inode of these IRQs; numbers that no IRQ has are left out."""
        lines = self.state.lines
        return {
            number: (lines[number].mask, lines[number].inode)
            for number in numbers
            if number in lines
        }

    def counts_of(self, numbers: Iterable[int]) -> dict[int, dict[int, int]]:
        """The counts of these IRQs by CPU."""
        lines = self.state.lines
        return {
            number: {cpu: count % WRAP for cpu, count in lines[number].counts.items() if count}
            for number in numbers
            if number in lines
        }

    def population(self) -> int:
        """As the link count of /proc/irq: one for each IRQ, and two of its own."""
        return len(self.state.lines) + 2

    def isolation(self) -> dict[str, CpuSet]:
        """Isolation does not change here."""
        return {}

    # Writes

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """Write the changes of a plan to this host alone, one outcome each. Raises HostError if
        there is no way to save originals.
        """
        request = WriteRequest(
            moves=moves, steering=steering, default=default, inodes=self._inodes, dry_run=dry_run
        )
        return self._writer.apply(request, self.save or cannot_save)

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back."""
        return self._writer.restore(originals)

    def writers(self) -> tuple[str, ...]:
        """No other program writes here."""
        return ()

    def close(self) -> None:  # noqa: B027 - nothing needs to be closed
        """There are no files or sockets to close."""
