"""What the scheduler counts: context switches (`ctxt` of `/proc/stat`), time in which tasks waited
for a CPU (`some` of `/proc/pressure/cpu`, Documentation/accounting/psi.rst, CONFIG_PSI), and how
long all of them waited (`/proc/schedstat`, Documentation/scheduler/sched-stats.rst,
CONFIG_SCHEDSTATS or CONFIG_SCHED_INFO). Kernels without these options lack the files.
"""

from __future__ import annotations

import re
from pathlib import Path

from irqbal.kernel.files import bytes_or
from irqbal.model.readings import Scheduling

PATHS = ("proc/pressure/cpu", "proc/schedstat")
"""Files below the root that this module reads besides `/proc/stat` (see `host.READERS`)."""

_SWITCHES = re.compile(rb"^ctxt (\d+)$", re.MULTILINE)
_STALLED = re.compile(rb"^some .*\btotal=(\d+)", re.MULTILINE)
_CPU = re.compile(rb"^cpu\d+((?: \d+){9,})", re.MULTILINE)
_RUN_DELAY = 7
"""Field of a CPU's line of `/proc/schedstat`: nanoseconds for which tasks waited to run there. It
is the eighth in all versions of the file since 14.
"""


def read_scheduling(root: Path) -> Scheduling:
    """The counters below this root."""
    switches = _SWITCHES.search(bytes_or(root / "proc/stat"))
    stalled = _STALLED.search(bytes_or(root / "proc/pressure/cpu"))
    delays = [
        int(fields.split()[_RUN_DELAY])
        for fields in _CPU.findall(bytes_or(root / "proc/schedstat"))
    ]
    return Scheduling(
        switches=None if switches is None else float(switches[1]),
        stalled=None if stalled is None else int(stalled[1]) / 1e6,
        run_delay=sum(delays) / 1e9 if delays else None,
    )
