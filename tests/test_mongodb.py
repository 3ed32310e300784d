"""Shipping to real MongoDB servers, and reading back: nothing lost, nothing doubled, whatever is killed when."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from irqbal.errors import ConfigError, HistoryError
from irqbal.history import mongodb
from irqbal.history.documents import Numbering, decision_document, decision_of, escape, sample_document, sample_of, unescape
from irqbal.history.mongodb import MAX_BATCH, MongoOptions, MongoStore, Shipper, check, prepare
from irqbal.history.samples import Decision, Sample, Series, State
from irqbal.history.sqlite import SqliteHistory
from irqbal.history.store import Query
from irqbal.wire import Duration
from mongod import URI, Mongod, ReplicaSet, plain, replica_set, secured

LONG = bool(os.environ.get("IRQBAL_LONG"))
BOOT = "0b1e-boot"
NIC = "0000:3b:00.0/vector 1/eth0-TxRx-0"
DISK = "0000:01:00.0/vector 0/nvme0q1"


def states(*more: State) -> tuple[State, ...]:
    return (State(NIC, 24, "eth0-TxRx-0", "eth0", "rx 0", "0-3", "2"), State(DISK, 25, "nvme0q1", affinity="1", effective="1"), *more)


def sample(sequence: int, wall: float, of: Sequence[State] = (), **more: int) -> Sample:
    dice = random.Random(sequence)
    values = {
        Series("irq", NIC, 2): dice.randrange(1, 5000), Series("irq", DISK, 1): dice.randrange(1, 1 << 40),
        Series("row", "LOC", 0): dice.randrange(1, 5000), Series("row", "ERR", -1): 1, Series("softirq", "NET_RX", 3): 7,
        Series("softnet", "time_squeeze", 0): 2, Series("time", "softirq", 3): 1234,
    } | {Series("irq", name, 0): count for name, count in more.items()}  # fmt: skip
    return Sample(sequence, BOOT, wall, 0.1, values, tuple(of))


def decision(sequence: int, wall: float) -> Decision:
    return Decision(sequence, BOOT, wall, 7, "move", NIC, 24, "eth0-TxRx-0", "spread_by_rate", before="0", after="2", result="written")


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

    def states(self) -> list[State]:
        return list(states())

    def backlog(self) -> int:
        return len(self.records)


# Documents


def test_a_sample_comes_back_from_its_document_as_it_was() -> None:
    freed, heir = State("old/0/x", 26, "x", gone=True), State("new.$one/0/y", 26, "y")
    given = sample(5, 1700000000.123456, states(freed, heir), **{"old/0/x": 3, "new.$one/0/y": 4, "never seen": 5})
    numbering = Numbering("h", [State("old/0/x", 26, "x")])
    numbering.appear(given.states)
    layout = numbering.layout
    document = sample_document("h", given, layout)
    assert document["irqs"]["24"] == {"2": given.values[Series("irq", NIC, 2)]}
    assert document["irqs"]["26"] == {"0": 4}
    assert {other["irq"] for other in document["others"]} == {"old/0/x", "never seen"}
    assert sample_of(document, layout.names) == given


def test_a_number_that_is_handed_on_changes_the_layout_and_a_steady_host_keeps_it() -> None:
    numbering = Numbering("h", states())
    first = numbering.layout.id
    numbering.appear(states())
    assert numbering.layout.id == first
    other = numbering.copy()
    other.appear([State("another", 24, "z")])
    assert other.layout.names["24"] == "another"
    assert numbering.layout.id == first != other.layout.id
    numbering.vanish([State(NIC, 24, "eth0-TxRx-0", gone=True)])
    assert numbering.layout.names == {"25": DISK}
    # A freed IRQ keeps its number for samples that still wait, unless a living one has it.
    assert Numbering("h", [State("a", 1, "a"), State("b", 1, "b", gone=True)]).layout.names["1"] in ("a", "b")
    assert Numbering("h", [State("b", 1, "b", gone=True), State("a", 1, "a")]).layout.names == {"1": "a"}


@pytest.mark.parametrize("name", ["", "%", "a.b", "$x", "%2E", "%252E.$", "\0", "LOC", "$$.%24", "é"])
def test_any_name_can_be_a_key(name: str) -> None:
    key = escape(name)
    assert key and not key.startswith("$") and "." not in key and "\0" not in key
    assert unescape(key) == name


def test_a_decision_comes_back_from_its_document_as_it_was() -> None:
    for given in (decision(3, 1700000000.5), Decision(4, BOOT, 17.0, 0, "refusal", irq=0, reason="a $reason.")):
        assert decision_of(decision_document("h", given)) == given


def test_a_batch_ends_before_a_megabyte_and_what_cannot_be_a_document_holds_nobody_up() -> None:
    wide = [
        Sample(number, BOOT, 1.0, 1.0, {Series("irq", NIC, cpu): 10**6 for cpu in range(20_000)}) for number in range(1, 12)
    ]  # fmt: skip
    batch = prepare(Memory(*wide), "h", None, False)
    assert batch is not None
    assert MAX_BATCH / 2 < sum(len(raw) for raw in batch.documents["samples"]) <= MAX_BATCH
    assert batch.sequences == list(range(1, len(batch.sequences) + 1))
    mad = Sample(1, BOOT, 1.0, 1.0, {Series("irq", NIC, 0): 1 << 70})
    batch = prepare(Memory(mad, decision(2, 1.0)), "h", None, False)
    assert batch is not None
    assert batch.sequences == [1, 2] and len(batch.refused) == 1 and len(batch.documents["decisions"]) == 1


# Options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "http://db"}, "mongodb://"),
        ({"url": "mongodb://"}, "name a server"),
        ({"url": "mongodb://db", "database": "a b"}, "database's name"),
        ({"url": "mongodb://db", "keep": Duration(60)}, "too short"),
        ({"url": "mongodb://db", "password_file": "/x"}, "without username"),
    ],
)
def test_options_that_cannot_work_are_refused_with_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MongoOptions(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "mongodb://db", "username": "u", "password_file": "/nowhere"}, r"password_file: /nowhere cannot be read: No such"),
        ({"url": "mongodb://db", "tls_ca": "/nowhere"}, r"tls_ca: /nowhere cannot be read"),
        ({"url": "mongodb://db:port"}, r"mongodb\.url: "),
    ],
)
def test_files_and_urls_are_checked_before_anything_starts(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check(MongoOptions(**options))


def test_a_password_is_not_shown() -> None:
    options = MongoOptions("mongodb://me:secret@db1,db2/?replicaSet=x")
    assert "secret" not in repr(options)
    assert options.shown() == "mongodb://db1,db2"


# Shipping


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that nobody kills."""
    if URI:
        yield URI
        return
    with plain(tmp_path_factory.mktemp("mongod")) as one:
        yield f"mongodb://127.0.0.1:{one.port}"


@pytest.fixture
def options(server: str) -> Iterator[MongoOptions]:
    """A database of one's own."""
    name = f"irqbal_test_{random.getrandbits(48):x}"
    yield MongoOptions(server, name)
    with MongoClient[Any](server) as client:
        client.drop_database(name)


@contextlib.asynccontextmanager
async def shipping(
    options: MongoOptions, outbox: mongodb.Outbox, host: str = "h", thread: ThreadPoolExecutor | None = None
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


async def until(met: Callable[[], bool | Awaitable[bool]], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = met()
        if found is True or (not isinstance(found, bool) and await found):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen in time")


def ship(options: MongoOptions, outbox: mongodb.Outbox, host: str = "h") -> Shipper:
    """Ship all that waits."""

    async def main() -> Shipper:
        async with shipping(options, outbox, host) as shipper:
            await until(lambda: outbox.backlog() == 0 and shipper.status.connected)
        return shipper

    return asyncio.run(main())


def test_what_is_read_back_equals_what_sqlite_holds(options: MongoOptions, tmp_path: Path) -> None:
    history = SqliteHistory(tmp_path / "history.sqlite", host="h", outbox=True)
    for number in range(40):
        of = states() if number == 0 else (State(NIC, 30, "eth0-TxRx-0", "eth0"),) if number == 20 else ()
        history.add_sample(sample(history.next_sequence(), 1700000000.05 + 7 * number, of))
        history.add_decision(decision(history.next_sequence(), 1700000000.06 + 7 * number))
    # SQLite's connection belongs to one thread; the test reads through its own.
    history.close()
    pool = ThreadPoolExecutor(1)
    history = pool.submit(SqliteHistory, tmp_path / "history.sqlite", "h", None, True).result()
    with pool:
        asyncio.run(_drain(options, history, pool))
        store, local = MongoStore(options), SqliteHistory(tmp_path / "history.sqlite", host="h", read_only=True)
        everything = (1699999999.0, 1700009999.0)
        samples = list(store.samples(*everything))
        assert len(samples) == 40
        assert samples == list(local.samples(*everything))
        part = (samples[3].wall, samples[9].wall)
        assert [one.wall for one in store.samples(*part)] == [one.wall for one in samples[3:9]]
        assert store.decisions(*everything) == local.decisions(*everything)
        assert store.decisions(*everything, identity="none") == []
        assert len(store.decisions(*everything, limit=3)) == 3
        assert store.irqs() == local.irqs()
        assert store.hosts() == ["h"]
        for query in (
            Query(1700000000.0, 1700000300.0, 20.0),
            Query(1700000000.0, 1700000300.0, 20.0, by="irq"),
            Query(1700000010.0, 1700000200.0, 60.0, identities=(NIC,)),
            Query(1700000010.0, 1700000200.0, 60.0, identities=("nobody",)),
        ):
            assert store.series(query) == local.series(query)
        store.close()
        local.close()
        pool.submit(history.close).result()


async def _drain(options: MongoOptions, history: SqliteHistory, pool: ThreadPoolExecutor) -> None:
    async with shipping(options, history, thread=pool) as shipper:
        await until(lambda: shipper.status.connected and shipper.status.backlog == 0)


def test_people_can_query_the_counts_of_an_irq_and_a_cpu(options: MongoOptions) -> None:
    ship(options, Memory(sample(1, time.time(), states())))
    with MongoClient[Any](options.url) as client:
        found = client[options.database].samples.find_one({"host": "h", "irqs.24.2": {"$gt": 0}})
        assert found is not None
        assert client[options.database].layouts.find_one({"_id": found["layout"]})["names"]["24"] == NIC  # type: ignore[index]


def test_indexes_serve_host_and_time_and_keep_can_be_changed(options: MongoOptions) -> None:
    ship(options, Memory(sample(1, time.time(), states())))
    ship(MongoOptions(options.url, options.database, Duration(7200)), Memory(sample(2, time.time())))
    with MongoClient[Any](options.url) as client:
        for name in ("samples", "decisions"):
            indexes = list(client[options.database][name].list_indexes())
            assert {"host": 1, "time": 1} in [dict(index["key"]) for index in indexes]
            assert [index["expireAfterSeconds"] for index in indexes if "expireAfterSeconds" in index] == [7200]


def test_shipping_again_doubles_nothing(options: MongoOptions) -> None:
    records: list[Sample | Decision] = [*(sample(number, time.time(), states()) for number in range(1, 6)), decision(6, time.time())]
    assert ship(options, Memory(*records)).status.shipped == 6
    assert ship(options, Memory(*records, sample(7, time.time()))).status.shipped == 7
    with MongoClient[Any](options.url) as client:
        assert client[options.database].samples.count_documents({}) == 6
        assert client[options.database].decisions.count_documents({}) == 1


def test_a_local_history_that_was_begun_anew_loses_nothing(options: MongoOptions) -> None:
    """Its numbers begin at 1 again, in the same boot."""
    now = time.time()
    ship(options, Memory(sample(1, now), decision(2, now)))
    for _ in range(2):
        ship(options, Memory(sample(1, now + 60), decision(2, now + 60)))
    with MongoClient[Any](options.url) as client:
        assert client[options.database].samples.count_documents({}) == 2
        assert client[options.database].decisions.count_documents({}) == 2


def test_hosts_share_a_database_and_a_query_must_say_which(options: MongoOptions) -> None:
    now = time.time()
    store = MongoStore(options)
    with pytest.raises(HistoryError, match="no host yet"):
        store.irqs()
    for host in ("a", "b"):
        ship(options, Memory(sample(1, now, states())), host)
    with pytest.raises(HistoryError, match="2 hosts"):
        list(store.samples(now - 1, now + 1))
    assert len(list(store.samples(now - 1, now + 1, "a"))) == 1
    store.close()


def test_no_query_scans_the_collection(options: MongoOptions) -> None:
    now = time.time()
    ship(options, Memory(sample(1, now, states()), decision(2, now)))
    with MongoClient[Any](options.url) as client:
        database = client[options.database]
        database.command("profile", 2)
        store = MongoStore(options, "h")
        assert list(store.samples(now - 1, now + 1)) and store.decisions(now - 1, now + 1)
        assert store.series(Query(now - 1, now + 1, 1.0)) and store.irqs()
        plans = [one["planSummary"] for one in database["system.profile"].find({"op": "query"})]
        database.command("profile", 0)
        assert len(plans) >= 4
        assert not [plan for plan in plans if "COLLSCAN" in plan]
        store.close()


def test_with_a_password_and_tls_and_without_the_right_to_change_expiry(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with secured(tmp_path / "mongod") as reach:
        options = MongoOptions(**reach)
        ship(options, Memory(sample(1, time.time(), states())))
        # readWrite may make indexes, but not run collMod.
        other = MongoOptions(**reach, keep=Duration(3600))
        with caplog.at_level(logging.WARNING):
            ship(other, Memory(sample(2, time.time())))
        assert "no permission" in caplog.text
        store = MongoStore(options)
        assert [one.sequence for one in store.samples(0, time.time() + 1)] == [1, 2]
        store.close()
        stranger = MongoStore(MongoOptions(**reach | {"password_file": "", "username": ""}))
        with pytest.raises(HistoryError, match="cannot be read"):
            stranger.hosts()
        stranger.close()


# Killing


class Killed:
    """A history that is written ten times a second while its servers are killed."""

    def __init__(self, options: MongoOptions, path: Path) -> None:
        self.options, self.path = options, path
        self.thread = ThreadPoolExecutor(1)
        self.worst = 0.0
        """The longest that storing one sample took, with its wait for the thread."""

    async def run(self, seconds: float, killer: Callable[[], Coroutine[Any, Any, None]]) -> Shipper:
        loop = asyncio.get_running_loop()
        history = await loop.run_in_executor(self.thread, lambda: SqliteHistory(self.path, host="h", outbox=True))
        async with shipping(self.options, history, thread=self.thread) as shipper:
            killing = asyncio.create_task(killer())
            for count in range(round(10 * seconds)):
                begun = loop.time()
                await loop.run_in_executor(self.thread, self._write, history, count)
                self.worst = max(self.worst, loop.time() - begun)
                shipper.wake()
                await asyncio.sleep(max(0.0, 0.1 - (loop.time() - begun)))
            await killing
            await until(lambda: shipper.status.connected and shipper.status.backlog == 0, 90)
        await loop.run_in_executor(self.thread, history.close)
        self.thread.shutdown()
        return shipper

    def _write(self, history: SqliteHistory, count: int) -> None:
        history.add_sample(sample(history.next_sequence(), time.time(), states() if count % 50 == 0 else ()))
        if count % 10 == 0:
            history.add_decision(decision(history.next_sequence(), time.time()))

    def assert_all_there(self, seconds: float) -> None:
        local, store = SqliteHistory(self.path, host="h", read_only=True), MongoStore(self.options)
        everything = (0.0, time.time() + 1)
        ours, theirs = list(local.samples(*everything)), list(store.samples(*everything))
        assert len(ours) == round(10 * seconds)
        assert theirs == ours
        assert store.decisions(*everything, limit=10_000) == local.decisions(*everything, limit=10_000)
        assert store.irqs() == local.irqs()
        local.close()
        store.close()


def test_a_server_that_is_killed_five_times_loses_and_doubles_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    seconds = 60.0 if LONG else 20.0
    server = Mongod(tmp_path / "mongod")

    async def killer() -> None:
        # The first samples are written while there is no server at all, for longer than the driver waits.
        await asyncio.sleep(6.5)
        await asyncio.to_thread(server.start)
        for _ in range(5):
            await asyncio.sleep(seconds / 5 * random.uniform(0.4, 0.8))
            server.kill()
            await asyncio.sleep(random.uniform(0.1, 1.0))
            await asyncio.to_thread(server.start)

    try:
        killed = Killed(MongoOptions(f"mongodb://127.0.0.1:{server.port}"), tmp_path / "history.sqlite")
        with caplog.at_level(logging.INFO, "irqbal"):
            asyncio.run(killed.run(seconds, killer))
        killed.assert_all_there(seconds)
        assert killed.worst < 0.5
        # Once when it goes, once when it is back.
        said = [record.message.split(",")[0].split(" after")[0] for record in caplog.records if record.name == mongodb.__name__]
        away, back = said.count("MongoDB is away"), said.count("MongoDB is back")
        assert 1 <= away == back <= 6
    finally:
        server.kill()


def test_a_backlog_drains_through_a_server_that_is_killed_in_mid_batch(tmp_path: Path) -> None:
    wide = {Series("irq", NIC, cpu): 10**6 + cpu for cpu in range(2000)}
    outbox = Memory(*(Sample(number, BOOT, time.time(), 0.1, wide) for number in range(1, 3001)))
    server = Mongod(tmp_path / "mongod")

    async def main() -> None:
        async with shipping(MongoOptions(f"mongodb://127.0.0.1:{server.port}"), outbox) as shipper:
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
            found = client.irqbal.samples.aggregate([{"$group": {"_id": "$sequence", "n": {"$sum": 1}}}])
            assert sorted((one["_id"], one["n"]) for one in found) == [(number, 1) for number in range(1, 3001)]
    finally:
        server.kill()


def test_a_primary_that_is_killed_twice_loses_and_doubles_nothing(tmp_path: Path) -> None:
    seconds = 60.0 if LONG else 20.0

    async def killer(group: ReplicaSet) -> None:
        for _ in range(2):
            await asyncio.sleep(seconds / 6)
            victim = await asyncio.to_thread(group.primary)
            victim.kill()
            await asyncio.sleep(seconds / 6)
            await asyncio.to_thread(group.primary)
            await asyncio.to_thread(victim.start)

    with replica_set(tmp_path / "set") as group:
        killed = Killed(MongoOptions(group.url), tmp_path / "history.sqlite")
        asyncio.run(killed.run(seconds, lambda: killer(group)))
        killed.assert_all_there(seconds)
        assert killed.worst < 0.5
