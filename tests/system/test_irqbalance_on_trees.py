"""The trees that the bench compares balancers on, as Debian's irqbalance sees them: a tree on which
irqbalance is blind makes every comparison void.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

import debian_irqbalance
from debian_irqbalance import DebugOutput
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from tree_kernel import KernelInterval, KernelProcess

HOSTS = {
    16: "2x8,nodes=2,nic=8x2,nvme=8x1,traffic=skewed,seed=7",
    64: "2x16x2,nodes=2,l3=8,nic=63x2,nvme=32x2,traffic=skewed,seed=7",
}
INTERVAL = 1.0
"""Seconds; irqbalance has none that is shorter."""
CYCLES = 9
"""The first places each IRQ by count alone; those after it see the load."""
BALANCED = 5
"""Cycles in a row that must move IRQs."""


def _run(spec: str, folder: Path) -> tuple[DebugOutput, list[KernelInterval]]:
    """irqbalance on the tree of this host, until its output holds enough complete cycles."""
    kernel = KernelProcess(folder, spec, INTERVAL, foreground=True)
    log = folder / "debug"
    try:
        process = debian_irqbalance.start(kernel.tree, log, INTERVAL, debug=True)
        try:
            end = time.monotonic() + 90
            while len(debian_irqbalance.read_debug(log).cycles) <= CYCLES:
                assert process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < end, log.read_text()[-2000:]
                time.sleep(0.2)
            # The tree's kernel takes up the last masks in its next interval.
            count = len(kernel.intervals())
            while len(kernel.intervals()) < count + 2:
                time.sleep(0.2)
        finally:
            process.terminate()
            process.wait()
        return debian_irqbalance.read_debug(log), kernel.intervals()
    finally:
        kernel.stop()


@pytest.mark.parametrize("cpus", HOSTS)
def test_irqbalance_sees_and_balances_the_tree(cpus: int, tmp_path: Path) -> None:
    host = SimulatedHost(parse_spec(HOSTS[cpus]))
    lines = host.state.lines
    output, intervals = _run(HOSTS[cpus], tmp_path)

    assert output.added == lines.keys()
    place, *later = output.cycles[:CYCLES]
    assert place.nodes == {number: line.node for number, line in lines.items()}
    expected = {"net": "ethernet", "disk": "storage"}
    for number, line in lines.items():
        if line.source.kind in expected:
            assert place.classes[number] == expected[line.source.kind]
    assert len(place.loads) == host.spec.cpus

    # The queues' rates differ by an order of magnitude, so every cycle has something to move.
    idle = [cycle for cycle in later if not cycle.selected]
    assert not idle and len(later) >= BALANCED
    # What it selects reaches the mask files, in cycle after cycle; the kernel refuses none of it.
    moved = "".join("x" if interval.moved else "." for interval in intervals)
    assert re.search("x" * BALANCED, moved), moved
    assert not any(interval.refused for interval in intervals)
    managed = {number for number, line in lines.items() if line.managed}
    assert not managed & _written(tmp_path / "tree", host)


def _written(tree: Path, host: SimulatedHost) -> set[int]:
    """IRQs whose mask in the tree is not the one that they had at first."""
    return {
        number
        for number, line in host.state.lines.items()
        if (tree / f"proc/irq/{number}/smp_affinity_list").read_text() != f"{line.mask}\n"
    }
