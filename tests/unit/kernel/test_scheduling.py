"""What the scheduler counts, from text of Debian's 6.1 in the test machine and of this kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.kernel.scheduling import read_scheduling
from irqbal.model.readings import Scheduling

STAT = "cpu  1 0 2 3 0 0 0 0 0 0\nintr 5 0 5\nctxt 120988639\nbtime 1795887000\n"
PRESSURE = (
    "some avg10=2.37 avg60=1.23 avg300=0.32 total=1402541\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
)
SCHEDSTAT = (
    "version 15\ntimestamp 4294899269\n"
    "cpu0 0 0 0 0 0 0 4644185861 436011193 2981\n"
    "domain0 0f 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    "cpu1 0 0 0 0 0 0 4000000000 63988807 1000\n"
)


def tree(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_all_that_a_kernel_counts_is_read(tmp_path: Path) -> None:
    root = tree(tmp_path, proc__stat=STAT, proc__pressure__cpu=PRESSURE, proc__schedstat=SCHEDSTAT)
    assert read_scheduling(root) == Scheduling(
        switches=120988639.0, stalled=1.402541, run_delay=0.5
    )


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc__stat": "ctxt many\n"},
        {"proc__pressure__cpu": "some\n", "proc__schedstat": "version 15\ncpu0 1 2\n"},
        {"proc__schedstat": "\x00" * 100},
    ],
)
def test_what_a_kernel_lacks_or_garbles_is_none(tmp_path: Path, files: dict[str, str]) -> None:
    assert read_scheduling(tree(tmp_path, **files)) == Scheduling()


def test_this_machines_own_counters_grow() -> None:
    first = read_scheduling(Path("/"))
    second = read_scheduling(Path("/"))
    assert first.switches is not None and second.switches is not None
    assert second.switches >= first.switches > 0
