"""`/proc/net/softnet_stat`: a row of hex numbers a CPU (net/core/net-procfs.c): packets processed, dropped because the backlog was
full, and times that the softirq ran out of budget (time_squeeze). Newer kernels name the CPU in column 13; before, it is the row.
"""

from __future__ import annotations

import re

_HEX = re.compile(rb"[0-9a-f]{8}")


def parse_softnet(data: bytes) -> dict[str, dict[int, int]]:
    """`processed`, `dropped`, `time_squeeze` -> CPU -> count. A row that is not understood is passed over."""
    found: dict[str, dict[int, int]] = {"processed": {}, "dropped": {}, "time_squeeze": {}}
    for row, line in enumerate(data.splitlines()):
        cells = line.split()
        if len(cells) < 3 or not all(_HEX.fullmatch(cell) for cell in cells):
            continue
        cpu = int(cells[12], 16) if len(cells) > 12 else row
        for name, cell in zip(found, cells[:3], strict=True):
            found[name][cpu] = int(cell, 16)
    return found
