"""MongoDB servers that are killed while a history is shipped to them: nothing lost, nothing
doubled, and nobody waits.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from irqbal.config.mongodb_options import MongodbOptions
from irqbal.history.mongodb import shipper
from irqbal.history.mongodb.shipper import Shipper
from irqbal.history.mongodb.store import MongodbHistory
from irqbal.history.samples import Sample, Series
from irqbal.history.sqlite.store import SqliteHistory, WritableSqliteHistory
from mongod import Mongod, ReplicaSet, replica_set
from shipping import BOOT, NIC, Memory, decision, sample, shipping, states, until

LONG = bool(os.environ.get("IRQBAL_LONG"))


class Killed:
    """A history that is written ten times a second while its servers are killed."""

    def __init__(self, options: MongodbOptions, path: Path) -> None:
        self.options, self.path = options, path
        self.thread = ThreadPoolExecutor(1)
        self.stored = 0
        """Samples in the local history so far."""

    async def run(self, seconds: float, killer: Callable[[], Coroutine[Any, Any, None]]) -> Shipper:
        loop = asyncio.get_running_loop()
        history = await loop.run_in_executor(
            self.thread, lambda: WritableSqliteHistory(self.path, outbox=True)
        )
        async with shipping(self.options, history, thread=self.thread) as shipper:
            killing = asyncio.create_task(killer())
            for count in range(round(10 * seconds)):
                if killing.done():
                    killing.result()
                begun = loop.time()
                await loop.run_in_executor(self.thread, self._write, history, count)
                self.stored += 1
                shipper.wake()
                await asyncio.sleep(max(0.0, 0.1 - (loop.time() - begun)))
            await killing
            await until(lambda: shipper.status.connected and shipper.status.backlog == 0, 90)
        await loop.run_in_executor(self.thread, history.close)
        self.thread.shutdown()
        return shipper

    async def while_away(self, seconds: float) -> None:
        """Wait, with a server dead, and demand that storing went on: one in ten of the samples
        that belong there is enough, however slow the machine; were storing to wait for the
        server (5 s), there would be fewer.
        """
        before = self.stored
        await asyncio.sleep(seconds)
        assert self.stored - before >= seconds

    def _write(self, history: WritableSqliteHistory, count: int) -> None:
        history.add_sample(
            sample(history.next_sequence(), time.time(), states() if count % 50 == 0 else ())
        )
        if count % 10 == 0:
            history.add_decisions([decision(history.next_sequence(), time.time())])

    def assert_all_there(self, seconds: float) -> None:
        local, store = (
            SqliteHistory(self.path),
            MongodbHistory(self.options),
        )
        everything = (0.0, time.time() + 1)
        ours, theirs = list(local.samples(*everything)), list(store.samples(*everything))
        assert len(ours) == round(10 * seconds)
        assert theirs == ours
        assert store.decisions(*everything, limit=10_000) == local.decisions(
            *everything, limit=10_000
        )
        assert store.irqs() == local.irqs()
        local.close()
        store.close()


def test_a_server_that_is_killed_five_times_loses_and_doubles_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = 60.0 if LONG else 20.0
    server = Mongod(tmp_path / "mongod")

    async def killer() -> None:
        # The first samples are written while there is no server at all, for longer than the driver
        # waits.
        await killed.while_away(6.5)
        await asyncio.to_thread(server.start)
        for _ in range(5):
            await asyncio.sleep(seconds / 5 * random.uniform(0.4, 0.8))
            server.kill()
            await asyncio.sleep(random.uniform(0.1, 1.0))
            await asyncio.to_thread(server.start)

    try:
        killed = Killed(
            MongodbOptions(f"mongodb://127.0.0.1:{server.port}"), tmp_path / "history.sqlite"
        )
        with caplog.at_level(logging.INFO, "irqbal"):
            asyncio.run(killed.run(seconds, killer))
        killed.assert_all_there(seconds)
        # Once when it goes, once when it is back.
        said = [
            record.message.split(",")[0].split(" after")[0]
            for record in caplog.records
            if record.name == shipper.__name__
        ]
        away, back = said.count("MongoDB is away"), said.count("MongoDB is back")
        assert 1 <= away == back <= 6
    finally:
        server.kill()


def test_a_backlog_drains_through_a_server_that_is_killed_in_mid_batch(tmp_path: Path) -> None:
    wide = {Series("irq", NIC, cpu): 10**6 + cpu for cpu in range(2000)}
    outbox = Memory(*(Sample(number, BOOT, time.time(), 0.1, wide) for number in range(1, 3001)))
    server = Mongod(tmp_path / "mongod")

    async def main() -> None:
        async with shipping(
            MongodbOptions(f"mongodb://127.0.0.1:{server.port}"), outbox
        ) as shipper:
            for left in (2500, 1800, 1000):
                await until(lambda left=left: outbox.backlog() < left)  # type: ignore[misc]
                server.kill()
                await asyncio.to_thread(server.start)
            await until(lambda: outbox.backlog() == 0 and shipper.status.connected, 60)

    try:
        server.start()
        asyncio.run(main())
        assert sorted(outbox.asked) == list(range(1, 3001))
        with MongoClient[Any]("127.0.0.1", server.port) as client:
            found = client.irqbal.samples.aggregate(
                [{"$group": {"_id": "$sequence", "n": {"$sum": 1}}}]
            )
            assert sorted((one["_id"], one["n"]) for one in found) == [
                (number, 1) for number in range(1, 3001)
            ]
    finally:
        server.kill()


def test_a_primary_that_is_killed_twice_loses_and_doubles_nothing(tmp_path: Path) -> None:
    seconds = 60.0 if LONG else 20.0

    async def killer(group: ReplicaSet) -> None:
        for _ in range(2):
            await asyncio.sleep(seconds / 6)
            victim = await asyncio.to_thread(group.primary)
            victim.kill()
            await killed.while_away(seconds / 6)
            await asyncio.to_thread(group.primary)
            await asyncio.to_thread(victim.start)

    with replica_set(tmp_path / "set") as group:
        killed = Killed(MongodbOptions(group.url), tmp_path / "history.sqlite")
        asyncio.run(killed.run(seconds, lambda: killer(group)))
        killed.assert_all_there(seconds)
