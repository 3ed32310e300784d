"""`/proc/softirqs`: soft interrupts by name and CPU (Documentation/filesystems/proc.rst, 1.8).
Columns are possible CPUs.

Counts are u32 and wrap.
"""

from __future__ import annotations

import re

PATHS = ("proc/softirqs",)
"""Files below the root that this module reads (see `host.READERS`)."""

_CPU = re.compile(rb"CPU(\d{1,6})")


def parse_softirqs(data: bytes) -> dict[str, dict[int, int]]:
    """Name -> CPU -> count. A row that cannot be parsed is skipped."""
    lines = data.splitlines()
    cpus = [int(number) for number in _CPU.findall(lines[0])] if lines else []
    found: dict[str, dict[int, int]] = {}
    for line in lines[1:]:
        name, colon, rest = line.partition(b":")
        cells = rest.split()
        if (
            colon
            and len(cells) == len(cpus)
            and b"".join(cells).isdigit()
            and max(map(len, cells)) <= 20
        ):
            found[name.strip().decode("ascii", "replace")] = dict(
                zip(cpus, map(int, cells), strict=True)
            )
    return found
