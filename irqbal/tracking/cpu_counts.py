"""Interrupts by IRQ and CPU, from the totals of pulses and the one CPU of each IRQ. Pure but for
the host that it reads.

`/proc/interrupts` has a cell for each IRQ and CPU, a million on a large host, and the kernel prints
them all at each reading. An IRQ that was delivered to one CPU since the last reading counted there
what its total grew by, so only the others are read one by one. The whole file is read now and then:
it alone has the rows with names, and it corrects what an IRQ counted while another program moved it
and irqbal had not seen that yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import compress
from operator import ne

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.load.irq_rates import WRAP, was_reset
from irqbal.model.host import Host
from irqbal.model.readings import Counts, GrownRow, Pulse
from irqbal.tracking.delivery import NOWHERE

WHOLE_EVERY = 5
"""Readings of which one reads the whole file."""
MOST_ALONE = 0.125
"""Share of the IRQs that are read one by one, at most: beyond it the whole file costs less."""


class CpuCounts:
    """The counts of the last reading, and the IRQs whose CPU was not one and the same since."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._rows: dict[int, dict[int, int]] = {}
        self._totals: dict[int, int] = {}
        self._cpus: CpuSet | None = None
        self._unsure: set[int] = set()
        self._unsure_before: set[int] = set()
        """Those of the reading before: an IRQ may leave its CPU only with its next interrupt."""
        self._readings = 0
        self._time = 0.0

    def unsure(self, numbers: Iterable[int]) -> None:
        """These IRQs moved or were set up again."""
        self._unsure.update(numbers)

    def read(self, pulse: Pulse, possible: CpuSet, places: Mapping[int, CpuSet]) -> Counts:
        """Every counter, as of `pulse`, which was just read. `possible` are all CPUs of the host,
        `places` the effective affinities by IRQ number. Raises HostError.
        """
        self._readings += 1
        counts = None
        # A file of fewer CPUs leaves out what the others counted; the totals do not.
        if self._cpus == pulse.online == possible and self._readings % WHOLE_EVERY:
            counts = self._partial(pulse, places)
        if counts is None:
            counts = self._host.counts()
            self._rows = counts.irqs
            self._totals = {number: sum(row.values()) % WRAP for number, row in self._rows.items()}
            self._readings = 0
        self._cpus, self._time = pulse.online, counts.time
        self._unsure, self._unsure_before = set(), self._unsure
        return counts

    def _partial(self, pulse: Pulse, places: Mapping[int, CpuSet]) -> Counts | None:
        """The counts without the whole file; None if it must be read."""
        totals, rows, before = pulse.totals, self._rows, self._totals
        if totals.keys() - rows.keys():
            return None
        then = list(map(before.__getitem__, totals))
        fired = list(compress(totals.items(), map(ne, totals.values(), then)))
        alone = set()
        unsure = self._unsure | self._unsure_before
        changed: dict[int, dict[int, int]] = {}
        seconds = pulse.time - self._time
        for number, total in fired:
            bits = places.get(number, NOWHERE).bits
            last = before[number]
            # A power of two is one CPU.
            if (
                not bits
                or bits & (bits - 1)
                or number in unsure
                or (total < last and was_reset(last, total, seconds))
            ):
                alone.add(number)
            else:
                row, cpu = rows[number], bits.bit_length() - 1
                changed[number] = GrownRow(row, cpu, (row.get(cpu, 0) + total - last) % WRAP)
        if len(alone) > MOST_ALONE * len(totals):
            return None
        read = self._host.counts_of(alone) if alone else {}
        if len(read) < len(alone):
            return None
        changed |= read
        counts = self._host.counts(whole=False, pulse=pulse)
        self._totals = dict(totals) | {
            number: sum(row.values()) % WRAP for number, row in read.items()
        }
        # A row that did not change is the same object as before.
        self._rows = {number: changed.get(number, rows[number]) for number in totals}
        return msgspec.structs.replace(counts, irqs=self._rows)
