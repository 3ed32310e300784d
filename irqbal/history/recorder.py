"""From totals to samples: what was counted since the last reading, without spikes and without zeros where nothing is known. Pure."""

from __future__ import annotations

import msgspec

from irqbal.history.samples import Kind, Series, State
from irqbal.host import Counts
from irqbal.model import Irq, Snapshot
from irqbal.rates import WRAP, fell


class Recorded(msgspec.Struct, frozen=True):
    """A sample in the making: it gets its sequence number when it is stored."""

    wall: float
    seconds: float
    values: dict[Series, int]
    states: tuple[State, ...]


class Recorder:
    """Holds the last reading of one host. The first reading after a start only begins an interval: what was before is a gap."""

    def __init__(self) -> None:
        self._time: float | None = None
        self._totals: dict[Series, int] = {}
        self._lives: dict[str, int] = {}
        self._states: dict[str, State] = {}
        self._series: dict[tuple[Kind, str, int], Series] = {}
        self._cpus: frozenset[int] = frozenset()

    def totals_of(self, identity: str) -> dict[int, int]:
        """Interrupts of one IRQ by CPU, as of the last reading; empty for one that it did not have."""
        counted = {series.cpu: total for series, total in self._totals.items() if series.kind == "irq" and series.name == identity}
        return {**dict.fromkeys(sorted(self._cpus), 0), **counted} if identity in self._lives else {}

    def take(self, counts: Counts, snapshot: Snapshot, wall: float) -> Recorded | None:
        """The interval that ends with this reading, or None for the first. `wall` is seconds since the epoch."""
        numbers = {irq.number: irq for irq in snapshot.irqs}
        totals = self._flatten(counts, numbers)
        lives = {irq.identity: irq.generation for irq in snapshot.irqs}
        before, last, cpus = self._totals, self._time, self._cpus
        self._cpus = counts.cpus
        # Another generation, or an IRQ that was not there before.
        renewed = {name for name, life in lives.items() if self._lives.get(name) != life}
        # A CPU that is offline has no column now; what it had counted is kept until it returns, but for IRQs that live anew.
        kept = before
        if renewed:
            kept = {series: total for series, total in before.items() if series.kind != "irq" or series.name not in renewed}
        self._totals = {**kept, **totals}
        self._time = counts.time
        self._lives = lives
        if last is None or counts.time <= last:
            self._states = {}
            return None
        seconds = counts.time - last
        values: dict[Series, int] = {}
        for series, total in totals.items():
            then = before.get(series)
            if series.kind == "irq" and (then is None or series.name in renewed):
                # A life that began within the interval, or a cell that was nothing: all of it happened since. A CPU that is new says
                # nothing yet.
                delta = total if series.name in renewed or series.cpu in cpus else 0
            elif then is None:
                continue
            else:
                delta = _difference(series, then, total, seconds)
            if delta:
                values[series] = delta
        self._forget(lives)
        return Recorded(wall, seconds, values, self._changed(snapshot))

    def _flatten(self, counts: Counts, numbers: dict[int, Irq]) -> dict[Series, int]:
        totals: dict[Series, int] = {}
        for number, row in counts.irqs.items():
            irq = numbers.get(number)
            if irq is not None:
                for cpu, total in row.items():
                    if total:
                        totals[self._named("irq", irq.identity, cpu)] = total
        others: tuple[tuple[Kind, dict[str, dict[int, int]]], ...] = (
            ("row", counts.rows), ("softirq", counts.softirqs), ("softnet", counts.softnet), ("time", counts.times),
        )  # fmt: skip
        for kind, table in others:
            for name, row in table.items():
                for cpu, total in row.items():
                    totals[self._named(kind, name, cpu)] = total
        return totals

    def _named(self, kind: Kind, name: str, cpu: int) -> Series:
        """One object a series, for as long as it lives: stores look it up by its identity."""
        key = (kind, name, cpu)
        found = self._series.get(key)
        if found is None:
            found = self._series[key] = Series(kind, name, cpu)
        return found

    def _forget(self, lives: dict[str, int]) -> None:
        """IRQs that are gone are dropped: when one returns, it begins anew."""
        gone = {series for series in self._totals if series.kind == "irq" and series.name not in lives}
        for series in gone:
            del self._totals[series]
            self._series.pop((series.kind, series.name, series.cpu), None)

    def _changed(self, snapshot: Snapshot) -> tuple[State, ...]:
        states = {irq.identity: _state(irq) for irq in snapshot.irqs}
        changed = [state for identity, state in states.items() if self._states.get(identity) != state]
        changed += [
            msgspec.structs.replace(state, gone=True) for identity, state in self._states.items() if identity not in states
        ]
        self._states = states
        return tuple(changed)


def _difference(series: Series, then: int, total: int, seconds: float) -> int:
    """Counts since; a u32 that wrapped goes on, one that was reset starts from nothing. Times are wide and only fall by rounding."""
    if total >= then:
        return total - then
    if series.kind == "time":
        return 0
    return total if fell(then, total, seconds) else (total - then) % WRAP


def _state(irq: Irq) -> State:
    queue = "" if irq.queue is None else str(irq.queue)
    return State(irq.identity, irq.number, irq.action, irq.device or "", queue, str(irq.affinity), str(irq.effective))
