"""Samples, an outbox in memory, and a shipper at work, for the tests that ship to MongoDB."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from irqbal.config.mongodb_options import MongodbOptions
from irqbal.history.mongodb.shipper import Shipper
from irqbal.history.samples import Decision, IrqState, Sample, Series
from irqbal.history.store import Outbox

BOOT = "0b1e-boot"
NIC = "0000:3b:00.0/vector 1/eth0-TxRx-0"
DISK = "0000:01:00.0/vector 0/nvme0q1"


def states(*more: IrqState) -> tuple[IrqState, ...]:
    return (
        IrqState(NIC, 24, "eth0-TxRx-0", "eth0", "rx 0", "0-3", "2"),
        IrqState(DISK, 25, "nvme0q1", affinity="1", effective="1"),
        *more,
    )


def sample(sequence: int, wall: float, of: Sequence[IrqState] = (), **more: int) -> Sample:
    dice = random.Random(sequence)
    values = {
        Series("irq", NIC, 2): dice.randrange(1, 5000),
        Series("irq", DISK, 1): dice.randrange(1, 1 << 40),
        Series("row", "LOC", 0): dice.randrange(1, 5000),
        Series("row", "ERR", -1): 1,
        Series("softirq", "NET_RX", 3): 7,
        Series("softnet", "time_squeeze", 0): 2,
        Series("time", "softirq", 3): 1234,
    } | {Series("irq", name, 0): count for name, count in more.items()}
    return Sample(sequence, BOOT, wall, 0.1, values, tuple(of))


def decision(sequence: int, wall: float) -> Decision:
    return Decision(
        sequence,
        BOOT,
        wall,
        7,
        "move",
        NIC,
        24,
        "eth0-TxRx-0",
        "spread_by_rate",
        before="0",
        after="2",
        result="written",
    )


class Memory:
    """An outbox without a file."""

    def __init__(self, *records: Sample | Decision) -> None:
        self.records = {record.sequence: record for record in records}
        self.asked: list[int] = []

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        return [record for _, record in sorted(self.records.items())][:max_items]

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        self.asked += sequences
        for sequence in sequences:
            del self.records[sequence]

    def states(self) -> list[IrqState]:
        return list(states())

    def backlog(self) -> int:
        return len(self.records)


@contextlib.asynccontextmanager
async def shipping(
    options: MongodbOptions,
    outbox: Outbox,
    host: str = "h",
    thread: ThreadPoolExecutor | None = None,
) -> AsyncIterator[Shipper]:
    """A shipper at work, and the history thread that it uses."""
    pool = thread or ThreadPoolExecutor(1)

    async def run(function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    shipper = Shipper(options, host, outbox, run)
    task = asyncio.create_task(shipper.serve())
    try:
        yield shipper
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if thread is None:
            pool.shutdown()


async def until(met: Callable[[], bool | Awaitable[bool]], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = met()
        if found is True or (not isinstance(found, bool) and await found):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen in time")


def ship(options: MongodbOptions, outbox: Outbox, host: str = "h") -> Shipper:
    """Ship all that waits."""

    async def main() -> Shipper:
        async with shipping(options, outbox, host) as shipper:
            await until(lambda: outbox.backlog() == 0 and shipper.status.connected)
        return shipper

    return asyncio.run(main())
