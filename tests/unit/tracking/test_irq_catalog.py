"""What is known of each IRQ besides its readings."""

from __future__ import annotations

from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.kernel.host import KernelHost
from irqbal.model.readings import Pulse
from irqbal.tracking.irq_catalog import IrqCatalog
from trees import Disk, Nic, TreeSpec, make_tree


def test_only_irqs_of_queues_that_count_packets_have_packets(tmp_path: Path) -> None:
    """A drive's IRQ is not one that handled no packet."""
    spec = TreeSpec(devices=(Nic("igb", "eth0", queues=1), Disk("nvme", "nvme0", queues=1)))
    tree = make_tree(tmp_path, spec)
    host = KernelHost(tree.folder)
    catalog = IrqCatalog()
    catalog.update(host.census(), host.topology(), set(), CpuSet.parse("0-3"))
    host.close()
    pulse = Pulse(
        time=1.0,
        totals={},
        cpu_times={},
        online=CpuSet.parse("0-3"),
        effective={},
        packets={("eth0", "rx", 0): 3, ("eth0", "tx", 0): 4},
    )
    assert catalog.packets(pulse) == {tree.number("eth0-TxRx-0"): 7}
    assert catalog.served(tree.number("nvme0q1")).queues
