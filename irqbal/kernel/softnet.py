"""`/proc/net/softnet_stat`: a row of hex numbers a CPU (net/core/net-procfs.c): packets processed,
dropped because the backlog was full, and times that the softirq ran out of budget (time_squeeze).
Newer kernels name the CPU in column 13; before, it is the row.
"""

from __future__ import annotations

import re
from itertools import compress
from operator import ne

PATHS = ("proc/net/softnet_stat",)
"""Files below the root that this module reads (see `host.READERS`)."""

_HEX = re.compile(rb"[0-9a-f]{8}")
_ROW = re.compile(rb"\s*[0-9a-f]{8}(?:\s+[0-9a-f]{8})*\s*")


def parse_softnet(data: bytes) -> dict[str, dict[int, int]]:
    """`processed`, `dropped`, `time_squeeze` -> CPU -> count. A row that cannot be parsed is
    skipped.
    """
    found: dict[str, dict[int, int]] = {"processed": {}, "dropped": {}, "time_squeeze": {}}
    for row, line in enumerate(data.splitlines()):
        cells = line.split()
        if len(cells) < 3 or not _ROW.fullmatch(line):
            continue
        cpu = int(cells[12], 16) if len(cells) > 12 else row
        for name, cell in zip(found, cells[:3], strict=True):
            found[name][cpu] = int(cell, 16)
    return found


class Squeezes:
    """How often each CPU's softirqs had too little time or room: the sum of `dropped` and
    `time_squeeze`. Only rows that changed are parsed; without a change the same mapping is
    returned.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._cpus: list[int] = []
        self._counts: dict[int, int] = {}

    def read(self, data: bytes) -> dict[int, int]:
        """CPU -> count, from the content of the file."""
        # Columns 2 and 3, and 13 where there is one: the kernel pads all to eight digits.
        parts = [line[9:26] + line[107:116] for line in data.splitlines()]
        if parts != self._parts:
            self._counts = self._changed_rows(parts) or self._all_rows(data)
            self._parts, self._cpus = parts, list(self._counts)
        return self._counts

    def _changed_rows(self, parts: list[bytes]) -> dict[int, int]:
        """Counts from the rows that changed; empty if the CPUs are others or a row cannot be
        parsed.
        """
        counts = dict(self._counts)
        if not len(parts) == len(self._parts) == len(self._cpus):
            return {}
        rows = zip(self._cpus, parts, self._parts, strict=True)
        for cpu, part, before in compress(rows, map(ne, parts, self._parts)):
            if (
                part[17:] != before[17:]
                or not _HEX.fullmatch(part[:8])
                or not _HEX.fullmatch(part[9:17])
            ):
                return {}
            counts[cpu] = int(part[:8], 16) + int(part[9:17], 16)
        return counts

    def _all_rows(self, data: bytes) -> dict[int, int]:
        softnet = parse_softnet(data)
        return {
            cpu: count + softnet["dropped"][cpu] for cpu, count in softnet["time_squeeze"].items()
        }
