"""Shipping to real MongoDB servers, and reading back: nothing lost, nothing doubled, whatever is
killed when.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pymongo import MongoClient

from fleet import MadeUpHost
from irqbal.config.mongodb_options import MongodbOptions
from irqbal.errors import ConfigError, HistoryError
from irqbal.history.mongodb.batch import MAX_BATCH, BatchRequest, next_batch
from irqbal.history.mongodb.documents import (
    CellNumbering,
    decision_document,
    decision_of,
    escape,
    sample_document,
    sample_of,
    unescape,
)
from irqbal.history.mongodb.shipper import Shipper, check
from irqbal.history.mongodb.store import MongodbHistory
from irqbal.history.samples import Clock, Decision, IrqState, Sample, Series
from irqbal.history.sqlite.store import SqliteHistory, WritableSqliteHistory
from irqbal.history.store import Query
from irqbal.wire import Duration
from mongod import URI, plain, secured
from shipping import BOOT, DISK, NIC, Memory, decision, sample, ship, shipping, states, until

# Documents


def test_a_sample_comes_back_from_its_document_as_it_was() -> None:
    freed, heir = IrqState("old/0/x", 26, "x", gone=True), IrqState("new.$one/0/y", 26, "y")
    given = sample(
        5,
        1700000000.123456,
        states(freed, heir),
        **{"old/0/x": 3, "new.$one/0/y": 4, "never seen": 5},
    )
    numbering = CellNumbering("h", [IrqState("old/0/x", 26, "x")])
    numbering.appear(given.states)
    layout = numbering.layout
    given.values.update(
        {
            Series("load", NIC, 2): 1234,
            Series("load", "never seen", 0): 7,
            Series("load", "x", 1): 8,
        }
    )
    given = msgspec.structs.replace(given, clock="doubtful")
    document = sample_document("h", given, layout)
    assert document["clock"] == "doubtful" and document["loads"] == {"24": {"2": 1234}}
    assert document["irqs"]["24"] == {"2": given.values[Series("irq", NIC, 2)]}
    assert document["irqs"]["26"] == {"0": 4}
    assert {other["irq"] for other in document["others"]} == {"old/0/x", "never seen", "x"}
    assert sample_of(document, layout.names) == given


def test_a_number_that_is_handed_on_changes_the_layout_and_a_steady_host_keeps_it() -> None:
    numbering = CellNumbering("h", states())
    first = numbering.layout.id
    numbering.appear(states())
    assert numbering.layout.id == first
    other = numbering.copy()
    other.appear([IrqState("another", 24, "z")])
    assert other.layout.names["24"] == "another"
    assert numbering.layout.id == first != other.layout.id
    numbering.vanish([IrqState(NIC, 24, "eth0-TxRx-0", gone=True)])
    assert numbering.layout.names == {"25": DISK}
    # A freed IRQ keeps its number for samples that still wait, unless a living one has it.
    assert CellNumbering(
        "h", [IrqState("a", 1, "a"), IrqState("b", 1, "b", gone=True)]
    ).layout.names["1"] in ("a", "b")
    assert CellNumbering(
        "h", [IrqState("b", 1, "b", gone=True), IrqState("a", 1, "a")]
    ).layout.names == {"1": "a"}


@pytest.mark.parametrize(
    "name", ["", "%", "a.b", "$x", "%2E", "%252E.$", "\0", "LOC", "$$.%24", "é"]
)
def test_any_name_can_be_a_key(name: str) -> None:
    key = escape(name)
    assert key and not key.startswith("$") and "." not in key and "\0" not in key
    assert unescape(key) == name


def test_a_decision_comes_back_from_its_document_as_it_was() -> None:
    for given in (
        decision(3, 1700000000.5),
        Decision(4, BOOT, 17.0, 0, "refusal", irq=0, reason="a $reason."),
    ):
        assert decision_of(decision_document("h", given)) == given


def test_a_batch_ends_before_a_megabyte_and_what_cannot_be_a_document_holds_nobody_up() -> None:
    wide = [
        Sample(number, BOOT, 1.0, 1.0, {Series("irq", NIC, cpu): 10**6 for cpu in range(20_000)})
        for number in range(1, 12)
    ]
    batch = next_batch(Memory(*wide), BatchRequest(host="h"))
    assert batch is not None
    assert MAX_BATCH / 2 < sum(len(raw) for raw in batch.documents["samples"]) <= MAX_BATCH
    assert batch.sequences == list(range(1, len(batch.sequences) + 1))
    mad = Sample(1, BOOT, 1.0, 1.0, {Series("irq", NIC, 0): 1 << 70})
    batch = next_batch(Memory(mad, decision(2, 1.0)), BatchRequest(host="h"))
    assert batch is not None
    assert (
        batch.sequences == [1, 2]
        and len(batch.refused) == 1
        and len(batch.documents["decisions"]) == 1
    )


# Options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "http://db"}, "mongodb://"),
        ({"url": "mongodb://"}, "name a server"),
        ({"url": "mongodb://db", "database": "a b"}, "is not a database name"),
        ({"url": "mongodb://db", "keep": Duration(60)}, "too short"),
        ({"url": "mongodb://db", "password_file": "/x"}, "without username"),
    ],
)
def test_options_that_cannot_work_are_refused_with_a_sentence(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        MongodbOptions(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"url": "mongodb://db", "username": "u", "password_file": "/nowhere"},
            r"password_file: /nowhere cannot be read: No such",
        ),
        ({"url": "mongodb://db", "tls_ca": "/nowhere"}, r"tls_ca: /nowhere cannot be read"),
        ({"url": "mongodb://db:port"}, r"mongodb\.url: "),
    ],
)
def test_files_and_urls_are_checked_before_anything_starts(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        check(MongodbOptions(**options))


def test_a_password_is_not_shown() -> None:
    options = MongodbOptions("mongodb://me:secret@db1,db2/?replicaSet=x")
    assert "secret" not in repr(options)
    assert options.redacted_url() == "mongodb://db1,db2"


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
def options(server: str) -> Iterator[MongodbOptions]:
    """A database of one's own."""
    name = f"irqbal_test_{random.getrandbits(48):x}"
    yield MongodbOptions(server, name)
    with MongoClient[Any](server) as client:
        client.drop_database(name)


def test_what_is_read_back_equals_what_sqlite_holds(
    options: MongodbOptions, tmp_path: Path
) -> None:
    history = WritableSqliteHistory(tmp_path / "history.sqlite", outbox=True)
    for number in range(40):
        of = (
            states()
            if number == 0
            else (IrqState(NIC, 30, "eth0-TxRx-0", "eth0"),)
            if number == 20
            else ()
        )
        history.add_sample(sample(history.next_sequence(), 1700000000.05 + 7 * number, of))
        history.add_decisions([decision(history.next_sequence(), 1700000000.06 + 7 * number)])
    # SQLite's connection belongs to one thread; the test reads through its own.
    history.close()
    pool = ThreadPoolExecutor(1)
    history = pool.submit(
        lambda: WritableSqliteHistory(tmp_path / "history.sqlite", outbox=True)
    ).result()
    with pool:
        asyncio.run(_drain(options, history, pool))
        store, local = (
            MongodbHistory(options),
            SqliteHistory(tmp_path / "history.sqlite"),
        )
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
            Query(1700000000.0, 1700000300.0, 20.0, by="kind", what="softirqs"),
            Query(1700000000.0, 1700000300.0, 20.0, by="irq", what="load"),
            Query(1700000000.0, 1700000300.0, 20.0, what="load", cpu=0),
        ):
            assert store.series(query) == local.series(query)
        store.close()
        local.close()
        pool.submit(history.close).result()


async def _drain(
    options: MongodbOptions, history: WritableSqliteHistory, pool: ThreadPoolExecutor
) -> None:
    loop = asyncio.get_running_loop()

    async def nothing_waits() -> bool:
        return await loop.run_in_executor(pool, history.backlog) == 0

    async with shipping(options, history, thread=pool):
        await until(nothing_waits)


def test_people_can_query_the_counts_of_an_irq_and_a_cpu(options: MongodbOptions) -> None:
    ship(options, Memory(sample(1, time.time(), states())))
    with MongoClient[Any](options.url) as client:
        found = client[options.database].samples.find_one({"host": "h", "irqs.24.2": {"$gt": 0}})
        assert found is not None
        layout = client[options.database].layouts.find_one({"_id": found["layout"]})
        assert layout is not None
        assert layout["names"]["24"] == NIC


def test_indexes_serve_host_and_time_and_keep_can_be_changed(options: MongodbOptions) -> None:
    ship(options, Memory(sample(1, time.time(), states())))
    ship(
        MongodbOptions(options.url, options.database, Duration(7200)),
        Memory(sample(2, time.time())),
    )
    with MongoClient[Any](options.url) as client:
        for name in ("samples", "decisions"):
            indexes = list(client[options.database][name].list_indexes())
            assert {"host": 1, "time": 1} in [dict(index["key"]) for index in indexes]
            assert [
                index["expireAfterSeconds"] for index in indexes if "expireAfterSeconds" in index
            ] == [7200]


def test_shipping_again_doubles_nothing(options: MongodbOptions) -> None:
    records: list[Sample | Decision] = [
        *(sample(number, time.time(), states()) for number in range(1, 6)),
        decision(6, time.time()),
    ]
    assert ship(options, Memory(*records)).status.shipped == 6
    assert ship(options, Memory(*records, sample(7, time.time()))).status.shipped == 7
    with MongoClient[Any](options.url) as client:
        assert client[options.database].samples.count_documents({}) == 6
        assert client[options.database].decisions.count_documents({}) == 1


@pytest.mark.parametrize("believed", [True, False])
def test_what_was_shipped_in_doubt_is_shipped_again_with_its_verdict(
    options: MongodbOptions, tmp_path: Path, believed: bool
) -> None:
    path, now = tmp_path / "history.sqlite", 1700000000.0
    with ThreadPoolExecutor(1) as pool:
        history = pool.submit(WritableSqliteHistory, path, outbox=True).result()

        def record() -> None:
            for number in range(3):
                mark: Clock = "doubtful" if number else ""
                given = sample(history.next_sequence(), now + 60 * number, states())
                history.add_sample(msgspec.structs.replace(given, clock=mark))
                told = decision(history.next_sequence(), now + 60 * number)
                history.add_decisions([msgspec.structs.replace(told, clock=mark)])

        def settle() -> None:
            if believed:
                history.believe_doubtful(now + 180)
            else:
                history.reject_doubtful()

        verdict = "" if believed else "wrong"
        for step, mark in ((record, "doubtful"), (settle, verdict)):
            pool.submit(step).result()
            asyncio.run(_drain(options, history, pool))
            store, local = MongodbHistory(options), SqliteHistory(path)
            shipped = list(store.samples(now - 1, now + 999))
            assert [one.clock for one in shipped] == ["", mark, mark]
            assert shipped == list(local.samples(now - 1, now + 999))
            decisions = store.decisions(now - 1, now + 999)
            assert decisions == local.decisions(now - 1, now + 999)
            assert sorted(one.clock for one in decisions) == sorted(["", mark, mark])
            everything = Query(now - 60, now + 300, 60.0)
            assert store.series(everything) == local.series(everything)
            store.close()
            local.close()
        pool.submit(history.close).result()


def test_a_local_history_that_was_begun_anew_loses_nothing(options: MongodbOptions) -> None:
    """Its numbers begin at 1 again, in the same boot."""
    now = time.time()
    ship(options, Memory(sample(1, now), decision(2, now)))
    for _ in range(2):
        ship(options, Memory(sample(1, now + 60), decision(2, now + 60)))
    with MongoClient[Any](options.url) as client:
        assert client[options.database].samples.count_documents({}) == 2
        assert client[options.database].decisions.count_documents({}) == 2


def test_hosts_share_a_database_and_a_query_must_say_which(options: MongodbOptions) -> None:
    now = time.time()
    store = MongodbHistory(options)
    with pytest.raises(HistoryError, match="no host yet"):
        store.irqs()
    for host in ("a", "b"):
        ship(options, Memory(sample(1, now, states())), host)
    with pytest.raises(HistoryError, match="2 hosts"):
        list(store.samples(now - 1, now + 1))
    assert len(list(store.samples(now - 1, now + 1, "a"))) == 1
    store.close()


def test_two_hosts_of_one_name_are_told_and_a_restart_is_not_taken_for_them(
    options: MongodbOptions, caplog: pytest.LogCaptureFixture
) -> None:
    made, moments = MadeUpHost("h"), itertools.count(round(time.time()))

    async def tell(shipper: Shipper, outbox: Memory) -> None:
        wall = next(moments)
        outbox.records[wall] = sample(wall, wall)
        shipper.set_host_status(made.told(wall))
        shipper.wake()
        await until(lambda: outbox.backlog() == 0)

    async def main() -> None:
        first, second = Memory(), Memory()
        for _ in range(2):
            async with shipping(options, first) as alone:
                for _ in range(10):
                    await tell(alone, first)
        assert "another host" not in caplog.text
        async with shipping(options, first) as one, shipping(options, second) as other:
            for _ in range(4):
                await tell(one, first)
                await tell(other, second)

    asyncio.run(main())
    said = [
        record.getMessage()
        for record in caplog.records
        if "another host ships as h" in record.getMessage()
    ]
    assert len(said) == 2, "each of the two says it, once"


def test_no_query_scans_the_collection(options: MongodbOptions) -> None:
    now = time.time()
    ship(options, Memory(sample(1, now, states()), decision(2, now)))
    with MongoClient[Any](options.url) as client:
        database = client[options.database]
        database.command("profile", 2)
        store = MongodbHistory(options, "h")
        assert list(store.samples(now - 1, now + 1)) and store.decisions(now - 1, now + 1)
        assert store.series(Query(now - 1, now + 1, 1.0)) and store.irqs()
        plans = [one["planSummary"] for one in database["system.profile"].find({"op": "query"})]
        database.command("profile", 0)
        assert len(plans) >= 4
        assert not [plan for plan in plans if "COLLSCAN" in plan]
        store.close()


def test_with_a_password_and_tls_and_without_the_right_to_change_expiry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with secured(tmp_path / "mongod") as reach:
        options = MongodbOptions(**reach)
        ship(options, Memory(sample(1, time.time(), states())))
        # readWrite may make indexes, but not run collMod.
        other = MongodbOptions(**reach, keep=Duration(3600))
        with caplog.at_level(logging.WARNING):
            ship(other, Memory(sample(2, time.time())))
        assert "no permission" in caplog.text
        store = MongodbHistory(options)
        assert [one.sequence for one in store.samples(0, time.time() + 1)] == [1, 2]
        store.close()
        stranger = MongodbHistory(MongodbOptions(**reach | {"password_file": "", "username": ""}))
        with pytest.raises(HistoryError, match="cannot be read"):
            stranger.hosts()
        stranger.close()
