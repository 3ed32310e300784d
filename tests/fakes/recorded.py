"""Histories in a file, as a daemon would have recorded them."""

from __future__ import annotations

from pathlib import Path

from irqbal.history.samples import Decision, IrqState, Sample, Series
from irqbal.history.sqlite.store import WritableSqliteHistory

RECORDED_FROM = 1_790_000_000.0 // 3600 * 3600
"""A full hour: the first sample's beginning."""
RX = "0000:01:00.0/1/ice-eth0-TxRx-0"
DISK = "0000:02:00.0/1/nvme0q1"
STATES = (
    IrqState(RX, 24, "ice-eth0-TxRx-0", "0000:01:00.0", "eth0/rxtx-0", "0-3", "2"),
    IrqState(DISK, 30, "nvme0q1", "0000:02:00.0", "nvme0/q1", "0-3", "1"),
)


def record(path: Path, minutes: int = 120, decisions: int = 3) -> Path:
    """A sample a minute: the NIC's IRQ fires 600 times on CPU 2, the drive's 60 times on CPU 1. A
    decision every ten minutes.
    """
    store = WritableSqliteHistory(path)
    for minute in range(1, minutes + 1):
        values = {Series("irq", RX, 2): 600, Series("irq", DISK, 1): 60}
        states = STATES if minute == 1 else ()
        wall = RECORDED_FROM + minute * 60
        store.add_sample(Sample(store.next_sequence(), "boot-1", wall, 60.0, values, states))
    for number in range(decisions):
        store.add_decisions(
            [
                Decision(
                    store.next_sequence(),
                    "boot-1",
                    RECORDED_FROM + 600 * (number + 1),
                    number,
                    "move",
                    RX,
                    24,
                    "ice-eth0-TxRx-0",
                    "pin_nic_queues",
                    before="0-3",
                    after="2",
                    reason="a CPU of its own",
                )
            ]
        )
    store.close()
    return path
