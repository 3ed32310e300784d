"""A made-up fleet, written to MongoDB in bulk by the shipper's own document builders; and a central
server over it, in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import msgspec
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from builders import changed, cpus, host, nic, nvme
from irqbal.api.backend import View
from irqbal.api.examples import STATUS
from irqbal.api.finding_views import described_items, findings_answer, state_of
from irqbal.api.views import summary
from irqbal.central.server import CentralServer
from irqbal.central.stores import open_fleet
from irqbal.config.mongodb_options import MongodbOptions
from irqbal.config.schema import ApiOptions
from irqbal.findings.verify import Context
from irqbal.history.host_status import HostStatus, status_documents
from irqbal.history.mongodb import documents
from irqbal.history.mongodb.indexes import ensure_indexes
from irqbal.history.samples import Decision, IrqState, Sample, Series
from irqbal.model.plan import Failure, Kept, Plan, Record
from irqbal.model.view import Snapshot
from irqbal.state.folders import Folders
from irqbal.wire import Moment, to_json
from mongod import free_port

BOOT = "11111111-2222-3333-4444-555555555555"
DAY = 86400


class MadeUpHost(msgspec.Struct, frozen=True):
    """A host: `remote`: its NIC's queues are handled on the other node; `isolated`: its disk fires
    on an isolated CPU; `old`: its daemon tells nothing of itself.
    """

    name: str
    cpus: int = 8
    queues: int = 6
    remote: bool = False
    isolated: bool = False
    old: bool = False
    drifted: int = 0
    aside: str = ""

    def snapshot(self) -> Snapshot:
        """As it is now."""
        half, last = self.cpus // 2, self.cpus - 1
        base = half if self.remote else 0
        at = {f"eth0-TxRx-{queue}": str(base + queue % half) for queue in range(self.queues)}
        loads = {f"eth0-TxRx-{queue}": 0.02 * (1 + queue % 5) for queue in range(self.queues)} | {
            f"nvme0q{half}": 0.01
        }
        if self.isolated:
            at[f"nvme0q{half}"] = str(last)
        made = host(
            cpus(self.cpus, nodes=2, isolated=str(last) if self.isolated else ""),
            nic("eth0", self.queues),
            nvme("nvme0", half, managed=False),
            at=at,
            loads=loads,
        )
        busy = {
            cpu: sum(irq.load for irq in made.irqs if cpu in irq.effective)
            for cpu in range(self.cpus)
        }
        shown = tuple(
            msgspec.structs.replace(cpu, softirq_time=busy[cpu.number]) for cpu in made.cpus
        )
        return changed(made, time_visible=True, cpus=shown)

    def told(self, now: float) -> HostStatus:
        """What its daemon says of itself."""
        snapshot = self.snapshot()
        kept = tuple(
            Kept(irq.number, "pin_nic_queues", irq.affinity, "as made up")
            for irq in snapshot.irqs
            if irq.queue
        )
        record = Record(8640, now, 0.002, "tick", False, Plan(kept=kept), (), 1.25, 0.1)
        aside = (Failure(self.aside, "deadline", "took too long", True),) if self.aside else ()
        status = msgspec.structs.replace(
            STATUS,
            host=self.name,
            version="0.1.0",
            api="1.0",
            cpus=self.cpus,
            irqs=len(snapshot.irqs),
            aside=aside,
            policies=("pin_nic_queues",),
            started=Moment(now - DAY),
            last=summary(View(1, snapshot, record, {}, now)),
        )
        view = View(1, snapshot, record, {}, now)
        found = findings_answer(
            view, state_of(view, status), Context(enabled=frozenset(status.policies))
        )
        return HostStatus(
            now,
            to_json(status),
            snapshot,
            record,
            {irq.number: 1000 for irq in snapshot.irqs},
            (),
            self.drifted,
            len(aside),
            found.verdict,
            described_items(found),
            found.counts,
        )

    def states(self) -> tuple[IrqState, ...]:
        """Its IRQs, as recorders write them."""
        return tuple(
            IrqState(
                irq.identity,
                irq.number,
                irq.action,
                irq.device or "",
                "" if irq.queue is None else str(irq.queue),
                str(irq.affinity),
                str(irq.effective),
            )
            for irq in self.snapshot().irqs
        )

    def values(self, dice: random.Random) -> dict[Series, int]:
        """What one sample counts."""
        busy = [irq for irq in self.snapshot().irqs if irq.rate > 0]
        found = {
            Series("irq", irq.identity, irq.effective.first): dice.randrange(1000, 90_000)
            for irq in busy
        }
        loads = {
            Series("load", series.name, series.cpu): count * 4 for series, count in found.items()
        }
        return (found | loads) | {
            Series("time", "softirq", cpu): dice.randrange(1, 900_000) for cpu in range(self.cpus)
        }


def fill(
    url: str, database: str, hosts: list[MadeUpHost], now: float, every: int = 60, length: int = 600
) -> int:
    """Samples of the last `length` seconds of every host, a decision an hour, and how each is now.
    Returns the number of samples.
    """
    written = 0
    with MongoClient[Any](url, maxPoolSize=2) as client:
        place = client.get_database(database, write_concern=WriteConcern(w=1))
        asyncio.run(_ensure(url, database))
        for made in hosts:
            layout = documents.CellNumbering(made.name, made.states()).layout
            place["layouts"].insert_one(
                {"_id": layout.id, "time": documents.date(now)}
                | documents.layout_document(made.name, layout)
            )
            place["hosts"].insert_one(documents.host_document(made.name, made.states(), now))
            for name, document in (
                {} if made.old else status_documents(made.name, made.told(now))
            ).items():
                place[name].insert_one(document)
            raw = [RawBSONDocument(data) for data in _samples(made, layout, now, every, length)]
            place["samples"].insert_many(raw, ordered=False)
            place["decisions"].insert_many(
                [
                    documents.decision_document(
                        made.name,
                        Decision(
                            1_000_000 + hour,
                            BOOT,
                            now - 3600 * hour - 5,
                            hour,
                            "move",
                            made.states()[0].identity,
                            32,
                            "eth0-TxRx-0",
                            "spread_by_rate",
                            before="0",
                            after="1",
                            result="written",
                            reason="a made-up reason",
                        ),
                    )
                    for hour in range(max(1, length // 3600))
                ]
            )
            written += len(raw)
        # Once a majority has this, it has all that came before.
        client.get_database(database, write_concern=WriteConcern(w="majority"))[
            "filled"
        ].insert_one({})
    return written


def _samples(
    made: MadeUpHost, layout: documents.Layout, now: float, every: int, length: int
) -> Iterator[bytes]:
    """Built by the shipper's builder; of a few that differ in their counts, the rest are copies at
    other times.
    """
    dice = random.Random(made.name)
    shapes = [
        documents.sample_document(made.name, Sample(1, BOOT, now, every, made.values(dice)), layout)
        for _ in range(8)
    ]
    for sequence in range(1, length // every + 1):
        wall = now - length + every * sequence
        stub = Sample(sequence, BOOT, wall, every, {})
        yield bson.encode(
            shapes[sequence % len(shapes)]
            | {
                "_id": documents.record_id(made.name, stub),
                "sequence": sequence,
                "time": documents.date(wall),
                "wall": wall,
            }
        )


async def _ensure(url: str, database: str) -> None:
    """The indexes that a shipper makes."""
    from pymongo import AsyncMongoClient

    client: AsyncMongoClient[Any] = AsyncMongoClient(url)
    with contextlib.suppress(OperationFailure):
        await ensure_indexes(client[database], MongodbOptions(url, database).keep)
    await client.close()


@contextlib.contextmanager
def central(url: str, database: str, folder: Path, since: float = 30 * DAY) -> Iterator[str]:
    """A central server in a thread of this process, so that the driver can be listened to: its
    address.
    """
    port, stop, ready = free_port(), asyncio.Event(), threading.Event()
    store = open_fleet("", MongodbOptions(url, database), folder, "")
    server = CentralServer(
        store,
        since,
        ApiOptions(listen=(f"127.0.0.1:{port}",)),
        Folders(folder, folder / "run"),
        None,
    )
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        loop.call_soon(ready.set)
        await server.serve(stop)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(90)
        end = time.monotonic() + 90
        while not _listens(port):
            assert time.monotonic() < end
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


THREE_HOSTS = [
    MadeUpHost("db1"),
    MadeUpHost("db2", remote=True, isolated=True, drifted=3, aside="spread_by_rate"),
    MadeUpHost("old", old=True),
]
"""One in order, one with all that can be wrong, one whose daemon is old."""
