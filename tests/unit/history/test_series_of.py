"""What a series counts: interrupts, load, softirqs, squeezes and drops, by CPU, IRQ and kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.history.samples import Sample, Series
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import WritableSqliteHistory
from irqbal.history.store import By, Query, What

T0 = 1_800_000_000.0
A, B = "0000:00:03.0/1/eth0-TxRx-0", "0000:00:04.0/1/nvme0q1"
VALUES = {
    Series("irq", A, 0): 10,
    Series("irq", A, 1): 1,
    Series("irq", B, 1): 3,
    Series("load", A, 0): 5000,
    Series("load", B, 1): 700,
    Series("time", "irq", 0): 1000,
    Series("time", "softirq", 0): 6000,
    Series("time", "softirq", 1): 800,
    Series("softirq", "NET_RX", 0): 40,
    Series("softirq", "TIMER", 1): 7,
    Series("softnet", "processed", 0): 900,
    Series("softnet", "time_squeeze", 0): 2,
    Series("softnet", "dropped", 1): 5,
    Series("row", "LOC", 0): 250,
}


@pytest.mark.parametrize(
    ("what", "by", "cpu", "identities", "counts"),
    [
        ("interrupts", "cpu", None, None, {"0": 10, "1": 4}),
        ("interrupts", "irq", None, None, {A: 11, B: 3}),
        ("interrupts", "irq", 1, None, {A: 1, B: 3}),
        ("interrupts", "cpu", None, (A,), {"0": 10, "1": 1}),
        ("load", "cpu", None, None, {"0": 7000, "1": 800}),
        ("load", "kind", None, None, {"hard interrupts": 1000, "softirqs": 6800}),
        ("load", "kind", 0, None, {"hard interrupts": 1000, "softirqs": 6000}),
        ("load", "irq", None, None, {A: 5000, B: 700}),
        ("load", "cpu", None, (B,), {"1": 700}),
        ("softirqs", "kind", None, None, {"NET_RX": 40, "TIMER": 7}),
        ("softirqs", "cpu", None, None, {"0": 40, "1": 7}),
        ("squeezes", "cpu", None, None, {"0": 2}),
        ("squeezes", "kind", None, None, {"squeezes": 2}),
        ("drops", "cpu", None, None, {"1": 5}),
    ],
)
def test_each_line_has_what_belongs_to_it(
    tmp_path: Path,
    what: What,
    by: By,
    cpu: int | None,
    identities: tuple[str, ...] | None,
    counts: dict[str, int],
) -> None:
    store = WritableSqliteHistory(tmp_path / FILE)
    for minute in range(1, 6):
        store.add_sample(Sample(store.next_sequence(), "b", T0 + minute * 60, 60.0, VALUES))
    for step in (60.0, 300.0):
        points = store.series(
            Query(T0, T0 + 300, step, identities=identities, by=by, what=what, cpu=cpu)
        )
        times = int(step // 60)
        assert [point.counts for point in points] == [
            {name: count * times for name, count in counts.items()}
        ] * (5 // times)
    store.close()
