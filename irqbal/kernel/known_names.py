"""Names of IRQs and devices, quickly: for completion, which must not wait for a census. What cannot
be read has no name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from irqbal.kernel.files import bytes_or, confine, names, text_or
from irqbal.kernel.interrupts import read_interrupts
from irqbal.kernel.softirqs import parse_softirqs


def irq_actions(root: Path) -> Iterator[tuple[int, str]]:
    """The number of each IRQ that has an action, and its actions, joined with a comma
    (Documentation/ABI/testing/sysfs-kernel-irq).
    """
    confine(root)
    folder = root / "sys/kernel/irq"
    for number in sorted(int(name) for name in names(folder) if name.isdecimal()):
        if action := text_or(folder / str(number) / "actions"):
            yield number, action


def device_names(root: Path) -> Iterator[tuple[str, str]]:
    """Network interfaces, disks, and addresses of PCI devices, each with what it is."""
    confine(root)
    for folder, kind in (
        ("sys/class/net", "interface"),
        ("sys/block", "disk"),
        ("sys/bus/pci/devices", "PCI device"),
    ):
        for name in names(root / folder):
            yield name, kind


def count_names(root: Path) -> Iterator[tuple[str, str]]:
    """The named rows of `/proc/interrupts` and the softirqs, each with what it counts."""
    confine(root)
    for row in read_interrupts(root):
        if row.irq is None and row.text:
            yield row.label, row.text
    for name in parse_softirqs(bytes_or(root / "proc/softirqs")):
        yield name, "softirq"
