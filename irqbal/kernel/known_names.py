"""Names of IRQs and devices, quickly: for completion, which must not wait for a census. What cannot
be read has no name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from irqbal.kernel.files import confine, names, text_or


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
