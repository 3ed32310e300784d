"""The tree of a host with 512 CPUs and 2,049 interrupts is what it says."""

from __future__ import annotations

import time
from pathlib import Path

from trees import big_host, make_tree


def test_large_host_is_made_in_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    tree = make_tree(tmp_path, big_host(irqs=2049, cpus=512))
    # Two seconds on an idle machine; tests may run on a slow and busy one.
    assert time.monotonic() - started < 60
    host = tree.host()
    census, topology = host.census(), host.topology()
    host.close()
    assert (len(census.irqs), census.skipped_rows) == (2049, 0)
    assert len(topology.cpus) == 512
    assert {cpu.node for cpu in topology.cpus} == set(range(8))
    assert sum(len(device.irqs) for device in topology.devices) == 2049
