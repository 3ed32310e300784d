"""From totals to samples: what was counted between two readings. Pure.

A counter that was reset causes no spike, and a time that nobody observed causes no zeros: it is a
gap.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from irqbal.history.samples import IrqState, Kind, Series
from irqbal.load.irq_rates import WRAP, was_reset
from irqbal.model.queues import queues_text
from irqbal.model.readings import Counts, GrownRow
from irqbal.model.view import Irq, Snapshot

_NOTHING: dict[int, int] = {}
_UNKNOWN: dict[int, float] = {}


class NewSample(msgspec.Struct, frozen=True):
    """A sample before it is stored, which gives it a sequence number. Fields as in `Sample`."""

    wall: float
    seconds: float
    values: dict[Series, int]
    states: tuple[IrqState, ...]


class Recorder:
    """Holds the last reading of one host. The first reading of all only begins an interval."""

    def __init__(self) -> None:
        self._time: float | None = None
        """Monotonic time of the last reading; None before the first."""
        self._totals: dict[Series, int] = {}
        self._tables: dict[tuple[Kind, str], dict[int, int]] = {}
        """The rows of the last reading of each kind but IRQs, by kind and name."""
        self._rows: dict[str, dict[int, int]] = {}
        """Identity -> its row in the last reading, to skip rows that are the same object."""
        self._snapshot: Snapshot | None = None
        """The snapshot whose states were recorded; None: record all states with the next sample."""
        self._identities: dict[int, str] = {}
        self._generations: dict[str, int] = {}
        self._states: dict[str, IrqState] = {}
        self._series: dict[tuple[Kind, str, int], Series] = {}
        self._cpus: frozenset[int] = frozenset()

    def totals_of(self, identity: str) -> dict[int, int]:
        """Total interrupts of one IRQ by CPU at the last reading; empty if it was not in it."""
        counted = {
            series.cpu: total
            for series, total in self._totals.items()
            if series.kind == "irq" and series.name == identity
        }
        return (
            {**dict.fromkeys(sorted(self._cpus), 0), **counted}
            if identity in self._generations
            else {}
        )

    def take(
        self,
        counts: Counts,
        snapshot: Snapshot,
        wall: float,
        times_per_interrupt: Mapping[int, float] = _UNKNOWN,
    ) -> NewSample | None:
        """The sample of the interval that ends with this reading; None for the first reading.
        `wall` is the time of the reading in seconds since the epoch, `times_per_interrupt` the
        seconds of CPU that an interrupt takes, by IRQ number, as far as they are known.
        """
        last, cpus = self._time, self._cpus
        self._time, self._cpus = counts.time, counts.cpus
        renewed = frozenset[str]() if snapshot is self._snapshot else self._follow(snapshot)
        values: dict[Series, int] = {}
        if last is None or counts.time <= last:
            self._states = {}
            self._irqs(counts, renewed, cpus, values)
            self._others(counts, 1.0, values)
            self._snapshot = None
            return None
        seconds = counts.time - last
        self._irqs(counts, renewed, cpus, values, seconds)
        interrupts = list(values.items())
        self._others(counts, seconds, values)
        self._loads(interrupts, values, times_per_interrupt)
        changed = () if snapshot is self._snapshot else self._changed(snapshot)
        self._snapshot = snapshot
        return NewSample(wall, seconds, values, changed)

    def _follow(self, snapshot: Snapshot) -> frozenset[str]:
        """Adopt the snapshot's IRQs, forget the totals of others, and return the identities whose
        generation is new: their counters began at 0.
        """
        generations = {irq.identity: irq.generation for irq in snapshot.irqs}
        self._identities = {irq.number: irq.identity for irq in snapshot.irqs}
        if generations == self._generations:
            return frozenset()
        renewed = frozenset(
            identity
            for identity, generation in generations.items()
            if self._generations.get(identity) != generation
        )
        for series in [
            series
            for series in self._totals
            if series.kind == "irq" and (series.name in renewed or series.name not in generations)
        ]:
            del self._totals[series]
            if series.name not in generations:
                for kind in ("irq", "load"):
                    self._series.pop((kind, series.name, series.cpu), None)
        self._rows = {
            name: row
            for name, row in self._rows.items()
            if name in generations and name not in renewed
        }
        self._generations = generations
        return renewed

    def _irqs(
        self,
        counts: Counts,
        renewed: frozenset[str],
        cpus: frozenset[int],
        values: dict[Series, int],
        seconds: float = 1.0,
    ) -> None:
        """Add to `values` what IRQs counted since the last reading, whose CPUs are `cpus`. An
        offline CPU has no column; its last totals stay until it returns.
        """
        identities, rows, totals = self._identities, self._rows, self._totals
        for number, row in counts.irqs.items():
            identity = identities.get(number)
            # The reader returns the same object for a row that did not change.
            if identity is None or rows.get(identity) is row:
                continue
            last, rows[identity] = rows.get(identity, _NOTHING), row
            is_new = identity in renewed
            if isinstance(row, GrownRow) and row.before is last and not is_new:
                series = self._named("irq", identity, row.cpu)
                before, total = totals.get(series), row[row.cpu]
                if before is not None and before < total:
                    totals[series], values[series] = total, total - before
                    continue
            # A count that fell while the IRQ's others rose by as much was attributed to a CPU that
            # the IRQ had left: what was counted there is not counted again where it really was.
            shown = [total for cpu, total in last.items() if cpu in counts.cpus]
            moves = not is_new and sum(row.values()) >= sum(shown)
            surplus = 0
            deltas: dict[Series, int] = {}
            for cpu, total in row.items():
                if not total:
                    continue
                series = self._named("irq", identity, cpu)
                before = totals.get(series)
                totals[series] = total
                if before is None:
                    # The generation began within the interval, or the total was 0: all of it was
                    # counted since. On a new CPU it is unknown when it was counted.
                    delta = total if is_new or cpu in cpus else 0
                elif moves and was_reset(before, total, seconds):
                    surplus += before - total
                    continue
                else:
                    delta = _difference(series, before, total, seconds)
                if delta:
                    deltas[series] = delta
            for cpu in (last.keys() - row.keys()) & counts.cpus if moves else ():
                surplus += totals.pop(self._named("irq", identity, cpu), 0)
            values |= _without(deltas, surplus) if surplus else deltas

    def _loads(
        self,
        interrupts: list[tuple[Series, int]],
        values: dict[Series, int],
        times_per_interrupt: Mapping[int, float],
    ) -> None:
        """Add to `values` the time that these interrupts took: by the costs that were learnt, and
        on no CPU more than the kernel measured there.
        """
        microseconds = {
            identity: 1e6 * times_per_interrupt.get(number, 0.0)
            for number, identity in self._identities.items()
        }
        expected: dict[int, float] = {}
        for (_, identity, cpu), count in interrupts:
            expected[cpu] = expected.get(cpu, 0.0) + count * microseconds[identity]
        measured: dict[int, int] = {}
        for (kind, _, cpu), taken in values.items():
            if kind == "time":
                measured[cpu] = measured.get(cpu, 0) + taken
        shares = {
            cpu: min(1.0, measured.get(cpu, 0) / total) if measured and total > 0 else 1.0
            for cpu, total in expected.items()
        }
        for (_, identity, cpu), count in interrupts:
            # Rounded down, so that the parts stay within the whole.
            if taken := int(count * microseconds[identity] * shares[cpu] + 1e-6):
                values[self._named("load", identity, cpu)] = taken

    def _others(self, counts: Counts, seconds: float, values: dict[Series, int]) -> None:
        """Add to `values` what other counters counted since the last reading."""
        others: tuple[tuple[Kind, dict[str, dict[int, int]]], ...] = (
            ("row", counts.rows),
            ("softirq", counts.softirqs),
            ("softnet", counts.softnet),
            ("time", counts.times),
        )
        for kind, table in others:
            for name, row in table.items():
                before = self._tables.get((kind, name), _NOTHING)
                # An offline CPU may have no column; its last total stays until it returns.
                away = before.keys() - row.keys()
                self._tables[kind, name] = {**before, **row} if away else row
                if row == before:
                    continue
                for cpu, total in row.items():
                    last = before.get(cpu)
                    if last is None or last == total:
                        continue
                    series = self._named(kind, name, cpu)
                    if delta := _difference(series, last, total, seconds):
                        values[series] = delta

    def _named(self, kind: Kind, name: str, cpu: int) -> Series:
        """Always the same object for a series, because stores look it up by id()."""
        key = (kind, name, cpu)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series(kind, name, cpu)
        return series

    def _changed(self, snapshot: Snapshot) -> tuple[IrqState, ...]:
        """The states that differ from those recorded last, and those of IRQs that are gone."""
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


def _difference(series: Series, before: int, total: int, seconds: float) -> int:
    """What was counted between two totals. A 32-bit counter may have wrapped, or have been reset to
    0. Times do not wrap; they decrease only by rounding.
    """
    if total >= before:
        return total - before
    if series.kind == "time":
        return 0
    return total if was_reset(before, total, seconds) else (total - before) % WRAP


def _without(deltas: dict[Series, int], surplus: int) -> dict[Series, int]:
    """What is left of these counts without so many, which were counted before; of the largest
    first.
    """
    left = {}
    for series, delta in sorted(deltas.items(), key=lambda item: -item[1]):
        cut = min(delta, surplus)
        surplus -= cut
        if delta > cut:
            left[series] = delta - cut
    return left


def _state(irq: Irq) -> IrqState:
    return IrqState(
        irq.identity,
        irq.number,
        irq.action,
        irq.device or "",
        queues_text(irq.queues),
        str(irq.affinity),
        str(irq.effective),
    )
