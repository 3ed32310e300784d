"""`/proc/stat`: every IRQ's total and each CPU's time in interrupts
(Documentation/filesystems/proc.rst, 1.7).

`intr` holds the grand total, then the total of IRQ n at index n, gaps included; totals are u32 and
wrap. `cpuN` holds jiffies (USER_HZ): user nice system idle iowait irq softirq …
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from operator import itemgetter

import msgspec

from irqbal.model.readings import CpuTime

PATHS = ("proc/stat",)
"""Files below the root that this module reads (see `host.READERS`)."""

_HZ = os.sysconf("SC_CLK_TCK")
_U32 = 0xFFFFFFFF


class Stat(msgspec.Struct, frozen=True):
    """Totals of the requested IRQs (empty if this kernel has none here), and each CPU's seconds in
    interrupts.
    """

    totals: dict[int, int]
    cpu_times: dict[int, CpuTime]


_CPU = re.compile(rb"^cpu(\d{1,7})(?: +\d+){5} +(\d{1,18}) +(\d{1,18})(?=[ \n])", re.MULTILINE)
_NUMBERS = re.compile(rb"[\d ]*", re.ASCII)


def parse_stat(data: bytes, irqs: Iterable[int]) -> Stat:
    """Parse the file, with the totals of these IRQs. Lines that cannot be parsed are skipped."""
    times = {
        int(cpu): CpuTime(int(irq) / _HZ, int(softirq) / _HZ)
        for cpu, irq, softirq in _CPU.findall(data)
    }
    at = 0 if data.startswith(b"intr ") else data.find(b"\nintr ") + 1
    if not data.startswith(b"intr ", at):
        return Stat({}, times)
    end = data.find(b"\n", at)
    line = data[at + 5 : end if end >= 0 else len(data)]
    try:
        # The first number is the grand total.
        values = (
            list(map(int, line.split()))
            if _NUMBERS.fullmatch(line)
            else [_int(field) for field in line.split()]
        )
    except ValueError:
        # A number has more digits than int() accepts.
        values = [_int(field) for field in line.split()]
    last = len(values) - 1
    numbers = list(irqs)
    if len(numbers) > 1 and min(numbers) >= 0 and max(numbers) < last:
        # The usual case. For thousands of IRQs this takes a third of the time of the loop below.
        picked = itemgetter(*[number + 1 for number in numbers])(values)
        if min(picked) >= 0 and max(picked) <= _U32:
            return Stat(dict(zip(numbers, picked, strict=True)), times)
    totals = {
        number: values[number + 1] & _U32
        for number in numbers
        if 0 <= number < last and values[number + 1] >= 0
    }
    return Stat(totals, times)


def _int(field: bytes) -> int:
    try:
        return int(field)
    except ValueError:
        return -1
