"""How many hosts one mongod can serve: made-up hosts with a shipper each ship a sample as soon as
the last one has arrived.

    python tests/bench/mongodb.py [--hosts 1000] [--seconds 20] [--irqs 300] [--cpus 64]

A real host ships one sample a minute, so the number of hosts is sixty times the samples a second.
CPU a sample is the time that this process (the daemons' side) spends on preparing, sending and
marking it; the time for creating the sample is subtracted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from irqbal.config.mongodb_options import MongodbOptions
from irqbal.history.mongodb.shipper import Shipper
from irqbal.history.samples import Decision, IrqState, Sample, Series
from mongod import Mongod, plain


class MadeUpOutbox:
    """The outbox of one host. One sample waits in it; while `racing`, the next one follows as soon
    as it was shipped. A sample has IRQs that fire on one CPU each, and rows and softirqs of all.
    """

    def __init__(self, number: int, irqs: int, cpus: int) -> None:
        self.dice = random.Random(number)
        self.boot = f"{number:08x}-boot"
        self.known = [
            IrqState(
                f"0000:3b:00.0/vector {irq}/eth0-TxRx-{irq}", 24 + irq, f"eth0-TxRx-{irq}", "eth0"
            )
            for irq in range(irqs)
        ]
        self.series = [
            Series("irq", state.identity, place % cpus) for place, state in enumerate(self.known)
        ]
        self.series += [
            Series("row", name, cpu) for name in ("LOC", "RES", "CAL") for cpu in range(cpus)
        ]
        self.series += [
            Series("softirq", name, cpu)
            for name in ("NET_RX", "TIMER", "SCHED")
            for cpu in range(cpus)
        ]
        self.sequence, self.made, self.asked = 0, 0.0, 0.0
        self.waits: list[float] = []
        self.next: Sample | None = None
        self.racing = False

    def pending(self, max_bytes: int, max_items: int) -> list[Sample | Decision]:
        if self.next is None:
            if self.sequence and not self.racing:
                return []
            begun = time.thread_time()
            self.sequence += 1
            values = {series: self.dice.getrandbits(14) for series in self.series}
            self.next = Sample(self.sequence, self.boot, time.time(), 60.0, values)
            self.made += time.thread_time() - begun
            self.asked = time.monotonic()
        return [self.next]

    def mark_shipped(self, sequences: Sequence[int]) -> None:
        self.waits.append(time.monotonic() - self.asked)
        self.next = None

    def states(self) -> list[IrqState]:
        return self.known

    def backlog(self) -> int:
        return 1


async def measure(
    options: MongodbOptions, hosts: list[MadeUpOutbox], seconds: float
) -> dict[str, float]:
    pool = ThreadPoolExecutor(1)

    async def run(function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *arguments)

    shippers = [Shipper(options, f"host{number}", host, run) for number, host in enumerate(hosts)]
    begun = time.monotonic()
    tasks = []
    for place, shipper in enumerate(shippers):
        tasks.append(asyncio.create_task(shipper.serve()))
        # As many daemons at once as one process can greet in time.
        while (
            place - sum(shipper.status.shipped for shipper in shippers) > 20
            and time.monotonic() - begun < 180
        ):
            await asyncio.sleep(0.01)
    while (
        not all(shipper.status.shipped for shipper in shippers) and time.monotonic() - begun < 180
    ):
        await asyncio.sleep(0.1)
    connected = time.monotonic() - begun
    for host in hosts:
        host.racing = True
        host.made = 0.0
        host.waits.clear()
    for shipper in shippers:
        shipper.wake()
    before, cpu, begun = (
        sum(shipper.status.shipped for shipper in shippers),
        time.process_time(),
        time.monotonic(),
    )
    await asyncio.sleep(seconds)
    took, cpu = time.monotonic() - begun, time.process_time() - cpu
    shipped = sum(shipper.status.shipped for shipper in shippers) - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    pool.shutdown()
    waits = sorted(wait for host in hosts for wait in host.waits)
    return {
        "connected": connected,
        "hosts": sum(bool(shipper.status.shipped) for shipper in shippers),
        "rate": shipped / took,
        "cpu": (cpu - sum(host.made for host in hosts)) / shipped,
        "median": waits[len(waits) // 2],
        "slowest": waits[len(waits) * 99 // 100],
        "total": before + shipped,
    }


def server_cpu(server: Mongod) -> tuple[float, float]:
    """(CPU seconds, resident MB) of the mongod."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * os.sysconf(
        "SC_PAGE_SIZE"
    ) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--irqs", type=int, default=300)
    parser.add_argument("--cpus", type=int, default=64)
    given = parser.parse_args()
    # Each host holds some three connections.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hosts = [MadeUpOutbox(number, given.irqs, given.cpus) for number in range(given.hosts)]
    with tempfile.TemporaryDirectory() as folder, plain(Path(folder)) as server:
        found = asyncio.run(
            measure(MongodbOptions(f"mongodb://127.0.0.1:{server.port}"), hosts, given.seconds)
        )
        cpu, resident = server_cpu(server)
        with MongoClient[Any]("127.0.0.1", server.port) as client:
            counted = client.irqbal.samples.estimated_document_count()
            stats = client.irqbal.command("collStats", "samples")
    print(
        f"{given.hosts} hosts of {given.irqs} IRQs and {given.cpus} CPUs, {len(hosts[0].series)} "
        "counts a sample"
    )
    print(
        f"{found['hosts']:.0f} connected and their first sample shipped in "
        f"{found['connected']:.1f} s"
    )
    print(
        f"rate held: {found['rate']:.0f} samples a second; at one a minute that is "
        f"{60 * found['rate']:.0f} hosts"
    )
    print(
        f"daemon-side CPU: {1000 * found['cpu']:.2f} ms a sample; at one a minute "
        f"{100 * found['cpu'] / 60:.4f} % of a CPU"
    )
    print(
        f"a sample waited {1000 * found['median']:.0f} ms (median), {1000 * found['slowest']:.0f} "
        "ms (99 %)"
    )
    print(
        f"mongod: {1000 * cpu / counted:.2f} ms CPU a sample, {resident:.0f} MB resident; "
        f"{counted} documents"
    )
    print(
        f"a document: {stats['avgObjSize']:.0f} bytes, {stats['storageSize'] / counted:.0f} on disk"
    )


if __name__ == "__main__":
    main()
