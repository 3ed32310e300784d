"""`/proc/stat`: every IRQ's total and each CPU's time in interrupts (Documentation/filesystems/proc.rst, 1.7).

`intr` holds the grand total, then the total of IRQ n at index n, gaps included; totals are u32 and wrap. `cpuN` holds
jiffies (USER_HZ): user nice system idle iowait irq softirq …
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec

from irqbal.host import CpuTime

_HZ = os.sysconf("SC_CLK_TCK")


class Stat(msgspec.Struct, frozen=True):
    """Per-IRQ totals of the IRQs asked for (empty where this kernel gives none), and the CPUs' seconds in interrupts.
    """

    totals: dict[int, int]
    cpu_times: dict[int, CpuTime]


def parse_stat(data: bytes, irqs: Iterable[int]) -> Stat:
    """Lines that are not understood are passed over."""
    totals: dict[int, int] = {}
    times: dict[int, CpuTime] = {}
    for line in data.splitlines():
        if line.startswith(b"cpu") and line[3:4].isdigit():
            fields = line.split()
            try:
                times[int(fields[0][3:])] = CpuTime(int(fields[6]) / _HZ, int(fields[7]) / _HZ)
            except (ValueError, IndexError, OverflowError):
                continue
        elif line.startswith(b"intr "):
            fields = line.split()
            last = len(fields) - 2
            for number in irqs:
                if 0 <= number < last:
                    try:
                        totals[number] = int(fields[number + 2]) & 0xFFFFFFFF
                    except ValueError:
                        continue
    return Stat(totals, times)
