"""What this machine's own NICs count by queue, against what its kernel counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.kernel.queue_stats import Packets


def real_nics() -> list[str]:
    return sorted(path.parent.name for path in Path("/sys/class/net").glob("*/device"))


def test_this_machines_nic_tells_as_many_packets_as_the_kernel_counts() -> None:
    """By whichever source this kernel and driver have; /proc/net/dev counts the same packets."""
    packets = Packets()
    try:
        packets.learn(real_nics())
        found = packets.read()
        for name in {key[0] for key in found}:
            fields = next(
                line
                for line in Path("/proc/net/dev").read_text().splitlines()
                if line.strip().startswith(f"{name}:")
            ).split()
            sums = {
                way: sum(count for key, count in found.items() if key[:2] == (name, way))
                for way in ("rx", "tx")
            }
            assert sums["rx"] == pytest.approx(int(fields[2]), rel=0.05, abs=50)
            assert sums["tx"] == pytest.approx(int(fields[10]), rel=0.05, abs=50)
        assert packets.read().keys() == found.keys()
    finally:
        packets.close()
    assert packets.read() == {}
