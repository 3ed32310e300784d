"""From totals to samples: what was counted since the last reading, without spikes and without zeros
where nothing is known. Pure.
"""

from __future__ import annotations

import msgspec

from irqbal.history.samples import IrqState, Kind, Series
from irqbal.load.irq_rates import WRAP, was_reset
from irqbal.model.readings import Counts
from irqbal.model.view import Irq, Snapshot


class Recorded(msgspec.Struct, frozen=True):
    """A sample in the making: it gets its sequence number when it is stored."""

    wall: float
    seconds: float
    values: dict[Series, int]
    states: tuple[IrqState, ...]


class Recorder:
    """Holds the last reading of one host. The first reading after a start only begins an interval:
    what was before is a gap.
    """

    def __init__(self) -> None:
        self._time: float | None = None
        self._totals: dict[Series, int] = {}
        self._rows: dict[str, dict[int, int]] = {}
        self._snapshot: Snapshot | None = None
        self._numbers: dict[int, str] = {}
        self._lives: dict[str, int] = {}
        self._states: dict[str, IrqState] = {}
        self._series: dict[tuple[Kind, str, int], Series] = {}
        self._cpus: frozenset[int] = frozenset()

    def totals_of(self, identity: str) -> dict[int, int]:
        """Interrupts of one IRQ by CPU, as of the last reading; empty for one that it did not
        have.
        """
        counted = {
            series.cpu: total
            for series, total in self._totals.items()
            if series.kind == "irq" and series.name == identity
        }
        return (
            {**dict.fromkeys(sorted(self._cpus), 0), **counted} if identity in self._lives else {}
        )

    def take(self, counts: Counts, snapshot: Snapshot, wall: float) -> Recorded | None:
        """The interval that ends with this reading, or None for the first. `wall` is seconds since
        the epoch.
        """
        last, cpus = self._time, self._cpus
        self._time, self._cpus = counts.time, counts.cpus
        renewed = self._meet(snapshot) if snapshot is not self._snapshot else frozenset[str]()
        values: dict[Series, int] = {}
        if last is None or counts.time <= last:
            self._states = {}
            self._irqs(counts, renewed, cpus, values)
            self._others(counts, 1.0, values)
            self._snapshot = None
            return None
        seconds = counts.time - last
        self._irqs(counts, renewed, cpus, values, seconds)
        self._others(counts, seconds, values)
        changed = () if snapshot is self._snapshot else self._changed(snapshot)
        self._snapshot = snapshot
        return Recorded(wall, seconds, values, changed)

    def _meet(self, snapshot: Snapshot) -> frozenset[str]:
        """Other IRQs, or other lives of them: those that live anew. Who is gone is dropped: when
        one returns, it begins anew.
        """
        lives = {irq.identity: irq.generation for irq in snapshot.irqs}
        self._numbers = {irq.number: irq.identity for irq in snapshot.irqs}
        if lives == self._lives:
            return frozenset()
        # Another generation, or an IRQ that was not there before.
        renewed = frozenset(name for name, life in lives.items() if self._lives.get(name) != life)
        for series in [
            series
            for series in self._totals
            if series.kind == "irq" and (series.name in renewed or series.name not in lives)
        ]:
            del self._totals[series]
            if series.name not in lives:
                self._series.pop((series.kind, series.name, series.cpu), None)
        self._rows = {
            name: row for name, row in self._rows.items() if name in lives and name not in renewed
        }
        self._lives = lives
        return renewed

    def _irqs(
        self,
        counts: Counts,
        renewed: frozenset[str],
        cpus: frozenset[int],
        values: dict[Series, int],
        seconds: float = 1.0,
    ) -> None:
        """What IRQs counted since. A CPU that is offline has no column now; what it had counted is
        kept until it returns.
        """
        numbers, rows, totals = self._numbers, self._rows, self._totals
        for number, row in counts.irqs.items():
            identity = numbers.get(number)
            # The reader gives the same object for a row that is as it was.
            if identity is None or rows.get(identity) is row:
                continue
            rows[identity] = row
            anew = identity in renewed
            for cpu, total in row.items():
                if not total:
                    continue
                series = self._named("irq", identity, cpu)
                then = totals.get(series)
                totals[series] = total
                # A life that began within the interval, or a cell that was nothing: all of it
                # happened since. A CPU that is new says nothing yet.
                since = total if anew or cpu in cpus else 0
                if delta := since if then is None else _difference(series, then, total, seconds):
                    values[series] = delta

    def _others(self, counts: Counts, seconds: float, values: dict[Series, int]) -> None:
        others: tuple[tuple[Kind, dict[str, dict[int, int]]], ...] = (
            ("row", counts.rows),
            ("softirq", counts.softirqs),
            ("softnet", counts.softnet),
            ("time", counts.times),
        )
        totals = self._totals
        for kind, table in others:
            for name, row in table.items():
                for cpu, total in row.items():
                    series = self._named(kind, name, cpu)
                    then = totals.get(series)
                    totals[series] = total
                    if (
                        then is not None
                        and then != total
                        and (delta := _difference(series, then, total, seconds))
                    ):
                        values[series] = delta

    def _named(self, kind: Kind, name: str, cpu: int) -> Series:
        """One object a series, for as long as it lives: stores look it up by its identity."""
        key = (kind, name, cpu)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series(kind, name, cpu)
        return found

    def _changed(self, snapshot: Snapshot) -> tuple[IrqState, ...]:
        states = {irq.identity: _state(irq) for irq in snapshot.irqs}
        changed = [
            state for identity, state in states.items() if self._states.get(identity) != state
        ]
        changed += [
            msgspec.structs.replace(state, gone=True)
            for identity, state in self._states.items()
            if identity not in states
        ]
        self._states = states
        return tuple(changed)


def _difference(series: Series, then: int, total: int, seconds: float) -> int:
    """Counts since; a u32 that wrapped goes on, one that was reset starts from nothing. Times are
    wide and only fall by rounding.
    """
    if total >= then:
        return total - then
    if series.kind == "time":
        return 0
    return total if was_reset(then, total, seconds) else (total - then) % WRAP


def _state(irq: Irq) -> IrqState:
    queue = "" if irq.queue is None else str(irq.queue)
    return IrqState(
        irq.identity,
        irq.number,
        irq.action,
        irq.device or "",
        queue,
        str(irq.affinity),
        str(irq.effective),
    )
