"""The bench's compressed time is as good as time: what runs in it does what it does without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from debian_irqbalance import read_debug
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory
from places import TESTS

SPEC = "2x8,nodes=2,nic=8x2,nvme=8x1,traffic=noisy,seed=7"
CYCLES = 12
BENCH = TESTS / "bench"


def _python(*words: str) -> None:
    """Run Python as the bench does."""
    path = os.pathsep.join(map(str, (TESTS.parent, TESTS, TESTS / "fakes", BENCH)))
    env = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, *words], env=env, check=True, timeout=300)


@pytest.mark.parametrize("program", ["'irqbalance'", "newer.prepare()"], ids=["1.9.2", "1.9.4"])
def test_irqbalance_makes_one_cycle_of_each_step_and_sees_its_load(
    tmp_path: Path, program: str
) -> None:
    """By its own debug output: it counts what the kernel of the tree has written, once."""
    arguments = f"Path({str(tmp_path)!r}), {SPEC!r}, {CYCLES}, program={program}, debug=True"
    imports = "from pathlib import Path; import lockstep_irqbalance as it"
    _python("-c", f"{imports}; import trixie_irqbalance as newer; it.run({arguments})")
    cycles = read_debug(tmp_path / "log").cycles
    # The first sees no load. The last may still be in irqbalance's buffer, or begin as it is ended.
    assert CYCLES - 1 <= len(cycles) - 1 <= CYCLES + 1
    assert all(sum(cycle.loads.values()) > 0 for cycle in cycles[1:CYCLES])
    stat = (tmp_path / "tree/proc/stat").read_text()
    jiffies = {}
    for line in stat.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            jiffies[int(name[3:])] = int(fields[5]) + int(fields[6])
    counted = dict.fromkeys(jiffies, 0)
    for cycle in cycles[1:]:
        for cpu, load in cycle.loads.items():
            counted[cpu] += load
    # Nanoseconds; what was counted before irqbalance's first look is not in it.
    total = sum(jiffies.values()) * 10_000_000
    assert 0.7 * total < sum(counted.values()) <= total


def test_the_daemon_runs_whole_and_its_history_has_the_times_of_the_host(tmp_path: Path) -> None:
    words = (tmp_path, SPEC, CYCLES, tmp_path / "result.json")
    _python(str(BENCH / "virtual_daemon.py"), *map(str, words))
    store = SqliteHistory(tmp_path / "state" / FILE)
    try:
        samples = list(store.samples(0, 1e12))
    finally:
        store.close()
    assert [round(sample.seconds) for sample in samples] == [60]
    assert sum(samples[0].values.values()) > 1000


def test_systemds_spread_is_in_its_own_order() -> None:
    """As the comment above `equidist_permute` in its link-config.c traces it."""
    _python(
        "-c",
        "import static_spread as it; assert it.far_apart([*range(8)]) == [0, 4, 2, 6, 1, 5, 3, 7]",
    )
