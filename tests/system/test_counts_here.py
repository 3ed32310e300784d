"""What this machine's kernel counts, read in two ways; and the made-up tree's rows beside its."""

from __future__ import annotations

from pathlib import Path

from irqbal.kernel.host import KernelHost
from irqbal.kernel.interrupts import read_interrupts
from tree_kernel import NAMED_ROWS


def test_the_counts_of_single_irqs_are_those_of_the_whole_file() -> None:
    host = KernelHost(Path("/"))
    before = host.counts().irqs
    alone = host.counts_of(before)
    after = host.counts().irqs
    host.close()
    assert alone.keys() == before.keys() & after.keys()
    for number, row in alone.items():
        for cpu in before[number].keys() | row.keys():
            low, high = before[number].get(cpu, 0), after[number].get(cpu, 0)
            assert low <= row.get(cpu, 0) <= high, (number, cpu)
    assert sum(sum(row.values()) for row in alone.values()) > 0


def test_the_named_rows_of_a_tree_are_written_as_here() -> None:
    here = {row.label: row.text for row in read_interrupts(Path("/")) if row.irq is None}
    for name, text, _ in NAMED_ROWS:
        assert here[name] == text


def test_an_msis_row_has_the_chip_and_the_number_that_sysfs_has() -> None:
    """irqbal reads them from the row, as the file is parsed anyway."""
    compared = 0
    for row in read_interrupts(Path("/")):
        if row.irq is not None and row.chip.startswith("PCI-MSI"):
            folder = Path(f"/sys/kernel/irq/{row.irq}")
            assert row.chip == (folder / "chip_name").read_text().strip()
            assert row.hwirq == int((folder / "hwirq").read_text())
            compared += 1
    assert compared >= 4
