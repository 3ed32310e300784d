"""The cost of a history: bytes a day, CPU time a sample, the time for a chart of a day. `make
bench` prints it; nothing is asserted here.
"""

from __future__ import annotations

import platform
import random
import sqlite3
import tempfile
import time
from itertools import product
from pathlib import Path

from irqbal.history.samples import Kind, Sample, Series
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import SqliteHistory, WritableSqliteHistory
from irqbal.history.store import Query

SAMPLES = 8640
"""Samples of a day, one each ten seconds."""
T0 = 1_800_000_000.0


def host(irqs: int, cpus: int, seed: int = 1) -> tuple[list[Series], list[int]]:
    """Series with their typical count: each IRQ on one CPU, one in ten on two; the named rows by
    CPU.
    """
    source = random.Random(seed)
    cells, levels = [], []
    for number in range(irqs):
        for _ in range(2 if source.random() < 0.1 else 1):
            cells.append(
                Series(
                    "irq",
                    f"0000:{number >> 8:02x}:00.0/{number & 255}/eth-TxRx-{number}",
                    source.randrange(cpus),
                )
            )
            levels.append(int(source.lognormvariate(6, 2)))
    # Between one and ten microseconds an interrupt.
    loads = [
        (cell, int(level * source.uniform(1, 10)))
        for cell, level in zip(cells, levels, strict=True)
    ]
    cells += [Series("load", cell.name, cell.cpu) for cell, _ in loads]
    levels += [level for _, level in loads]
    rows: list[tuple[Kind, str, int]] = [
        ("row", "LOC", 2500),
        ("row", "RES", 200),
        ("row", "CAL", 100),
        ("softirq", "TIMER", 900),
        ("softirq", "NET_RX", 400),
        ("softirq", "SCHED", 700),
        ("softirq", "RCU", 500),
        ("softnet", "processed", 500),
        ("time", "softirq", 30_000),
    ]
    for kind, name, level in rows:
        cells += [Series(kind, name, cpu) for cpu in range(cpus)]
        levels += [level] * cpus
    return cells, levels


KINDS: dict[str, frozenset[str]] = {
    "": frozenset({"irq", "load", "row", "softirq", "softnet", "time"}),
    ", without loads": frozenset({"irq", "row", "softirq", "softnet", "time"}),
    ", IRQs alone": frozenset({"irq"}),
}
"""What is recorded -> the kinds of series."""


def measure(irqs: int, cpus: int, kinds: frozenset[str]) -> tuple[float, float, float, float, int]:
    """(MB a day, ms of CPU a sample, s for a day of all CPUs, s for a day of one IRQ, values a
    sample).
    """
    known = [each for each in zip(*host(irqs, cpus), strict=True) if each[0].kind in kinds]
    cells, levels = [cell for cell, _ in known], [level for _, level in known]
    source = random.Random(2)
    noise = [source.uniform(0.9, 1.1) for _ in range(9973)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        store = WritableSqliteHistory(path)
        spent = 0.0
        for number in range(1, SAMPLES + 1):
            shift = source.randrange(len(noise))
            values = {
                cell: int(level * noise[(at + shift) % len(noise)])
                for at, (cell, level) in enumerate(zip(cells, levels, strict=True))
            }
            made = Sample(number, "boot", T0 + number * 10, 10.0, values)
            started = time.process_time()
            store.add_sample(made)
            spent += time.process_time() - started
        store.close()
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
        reader = SqliteHistory(path)
        day = Query(T0, T0 + 86400, 300.0)
        started = time.perf_counter()
        points = reader.series(day)
        all_cpus = time.perf_counter() - started
        assert len(points) == 288
        started = time.perf_counter()
        reader.series(Query(T0, T0 + 86400, 300.0, identities=(cells[0].name,)))
        one_irq = time.perf_counter() - started
        reader.close()
    return size, spent / SAMPLES * 1000, all_cpus, one_irq, len(cells)


def main() -> None:
    """Print one line for each host."""
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{platform.machine()}; {SAMPLES} samples (a day at 10 s)"
    )
    print(
        "| IRQs × CPUs | values a sample | MB a day | CPU ms a sample | s, a day of all CPUs | s, "
        "a day of one IRQ |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for (what, kinds), (irqs, cpus) in product(KINDS.items(), ((300, 64), (2000, 256))):
        size, each, all_cpus, one_irq, count = measure(irqs, cpus, kinds)
        print(
            f"| {irqs} × {cpus}{what} | {count} | {size:.1f} | {each:.2f} | {all_cpus:.3f} | "
            f"{one_irq:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
