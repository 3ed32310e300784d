"""`irqbal serve`: the API and the client over what hosts shipped to a real MongoDB."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pymongo import MongoClient, monitoring

import machine
from fleet import THREE_HOSTS, MadeUpHost, central, fill
from irqbal.api.contract import ROUTES
from irqbal.client.cli.main import cli
from irqbal.client.http import RequestRefused
from irqbal.history.mongodb.documents import date
from irqbal.state import tokens
from machine import irqbal
from mongod import Mongod, plain

WRITES = {
    "set_override": "/irqs/32/override",
    "clear_override": "/irqs/32/override",
    "dry_run": "/plan",
    "cycle": "/cycle",
    "pause": "/pause",
    "resume": "/resume",
    "restore": "/restore",
}


class Commands(monitoring.CommandListener):
    """The commands that the driver sends."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Of no interest."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Of no interest."""


COMMANDS = Commands()


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    with plain(tmp_path_factory.mktemp("mongod")) as server:
        yield server


@pytest.fixture(scope="module")
def base(mongo: Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A central server over three hosts, with what it sends to MongoDB in COMMANDS."""
    url = f"mongodb://127.0.0.1:{mongo.port}"
    fill(url, "fleet", THREE_HOSTS, time.time())
    monitoring.register(COMMANDS)
    with central(url, "fleet", tmp_path_factory.mktemp("central")) as found:
        yield found


def ask(base: str, path: str, method: str = "GET", body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        base + path, data, {"Content-Type": "application/json"} if data else {}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def get(base: str, path: str) -> Any:
    status, found = ask(base, f"/api/v1{path}")
    assert status == 200, (path, found)
    return found


def test_hosts_are_listed_with_their_last_report(base: str) -> None:
    hosts = {item["host"]: item for item in get(base, "/hosts")}
    assert list(hosts) == ["db1", "db2", "old"]
    first, second, old = hosts.values()
    assert (
        first["state"],
        first["version"],
        first["remote"],
        first["isolated"],
        first["drifted"],
    ) == ("balancing", "0.1.0", 0, 0, 0)
    assert (second["remote"], second["isolated"], second["drifted"], second["failures"]) == (
        6,
        2,
        3,
        1,
    )
    assert second["failed"] == ["spread_by_rate"] and first["cpus"] == 8 and first["imbalance"] > 1
    # Its daemon is older than what is asked here: nothing is made up for it.
    assert (old["state"], old["imbalance"], old["remote"], old["version"]) == (
        "unknown",
        None,
        None,
        "",
    )


def test_findings_cover_all_hosts(base: str) -> None:
    remote = get(base, "/fleet/findings?code=remote-queue")
    assert {item["host"] for item in remote} == {"db2"} and len(remote) == 6
    assert "off its NIC's node" in remote[0]["text"]
    isolated = get(base, "/fleet/findings?code=isolated")
    assert [(item["host"], item["code"]) for item in isolated] == [("db2", "isolated")] * 2
    assert get(base, "/fleet/findings?host=db1&code=isolated") == []
    assert ask(base, "/api/v1/fleet/findings?code=nonsense")[0] == 400


@pytest.mark.parametrize("host", ["db1", "old"])
def test_every_route_answers_for_any_host(base: str, host: str) -> None:
    under = f"/hosts/{host}"
    irqs = get(base, f"{under}/irqs")
    assert "eth0-TxRx-0" in [irq["name"] for irq in irqs] and any(irq["rate"] > 0 for irq in irqs)
    assert (
        get(base, f"{under}/status")["host"] == host
        and get(base, f"{under}/status")["central"] is True
    )
    assert len(get(base, f"{under}/cpus")) == 8
    assert [
        device["interfaces"][0]["name"]
        for device in get(base, f"{under}/devices")
        if device["interfaces"]
    ] == ["eth0"]
    policy = "pin_nic_queues" if host == "db1" else "spread_by_rate"
    assert policy in [irq["policy"] for irq in irqs]
    assert get(base, f"{under}/irqs/eth0-TxRx-1/explain")["irq"]["name"] == "eth0-TxRx-1"
    for path in ("/cpus/history", "/irqs/eth0-TxRx-0/history", "/devices/eth0/history"):
        points = get(base, f"{under}{path}?start=10m&step=1m")["points"]
        assert len(points) >= 9 and sum(points[-2]["counts"].values()) > 0, path
    by_irq = get(base, f"{under}/cpus/history?start=10m&step=10m&by=irq")
    by_cpu = get(base, f"{under}/cpus/history?start=10m&step=10m")
    assert (
        abs(
            sum(by_irq["points"][0]["counts"].values())
            - sum(by_cpu["points"][0]["counts"].values())
        )
        < 400_000
    )
    assert [item["kind"] for item in get(base, f"{under}/decisions")] == ["move"]
    assert (
        get(base, f"{under}/overrides") == [] and get(base, f"{under}/plan")["cycle"]["moves"] == []
    )


def test_sums_are_the_same_for_samples_that_are_too_old_to_have_them(
    base: str, mongo: Mongod
) -> None:
    with MongoClient[Any]("127.0.0.1", mongo.port) as client:
        path = "/hosts/db1/cpus/history?start=1h&step=1h"
        before = get(base, path)["points"][0]["counts"]
        client["fleet"]["samples"].update_many({"host": "db1"}, {"$unset": {"cpus": 1}})
        assert get(base, path)["points"][0]["counts"] == before != {}


def test_changes_are_refused_and_name_the_daemon_to_send_them_to(
    mongo: Mongod, tmp_path: Path
) -> None:
    url = f"mongodb://127.0.0.1:{mongo.port}"
    fill(url, "one", [MadeUpHost("db1")], time.time())
    token = tokens.add(tmp_path / "state", "me", "admin", None)
    with central(url, "one", tmp_path / "state") as base:
        for route in ROUTES:
            if route.name not in WRITES:
                continue
            body = {"cpus": "1"} if route.name == "set_override" else None
            for prefix in ("", "/hosts/db1"):
                data = None if body is None else json.dumps(body).encode()
                request = urllib.request.Request(
                    f"{base}/api/v1{prefix}{WRITES[route.name]}",
                    data,
                    {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                    method=route.method,
                )
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(request, timeout=60)
                said = json.load(refused.value)["error"]
                refused.value.close()
                assert (refused.value.code, said["code"]) == (409, "central"), route.name
                assert "ask the daemon on db1 itself" in said["message"]
        # The only host needs no name, and anonymous people may only read.
        assert get(base, "/status")["host"] == "db1"
        status, said = ask(base, "/api/v1/cycle", "POST")
        assert (
            status == 401
            and "on the central server, `irqbal token add NAME` creates one"
            in said["error"]["message"]
        )


def test_readiness_follows_the_store_without_other_requests(tmp_path: Path) -> None:
    with plain(tmp_path / "mongod") as server:
        url = f"mongodb://127.0.0.1:{server.port}/?serverSelectionTimeoutMS=500"
        fill(url, "ready", [MadeUpHost("db1")], time.time())
        with central(url, "ready", tmp_path / "state") as base:
            assert ask(base, "/readyz")[0] == 200
            server.kill()
            machine.wait_for(lambda: ask(base, "/readyz")[0] == 503)
            assert (
                "cannot be read" in ask(base, "/readyz")[1]["error"]["message"]
                and ask(base, "/healthz")[0] == 200
            )
            server.start()
            machine.wait_for(lambda: ask(base, "/readyz")[0] == 200)


def test_of_several_hosts_one_must_be_named(base: str) -> None:
    for path in ("/status", "/irqs", "/events", "/cpus/history"):
        status, said = ask(base, f"/api/v1{path}")
        assert (status, said["error"]["code"]) == (409, "which-host")
        assert "/api/v1/hosts" in said["error"]["message"] and said["error"]["candidates"] == [
            "db1",
            "db2",
            "old",
        ]
    assert ask(base, "/api/v1/hosts/nobody/status")[1]["error"]["code"] == "no-such-host"
    assert ask(base, "/healthz")[0] == ask(base, "/readyz")[0] == 200
    with urllib.request.urlopen(f"{base}/metrics", timeout=60) as answer:
        assert b"irqbal_central_hosts 3.0" in answer.read()


def test_listeners_receive_a_cycle_when_it_is_shipped(base: str, mongo: Mongod) -> None:
    with urllib.request.urlopen(f"{base}/api/v1/hosts/db1/events", timeout=60) as events:
        assert events.readline() == b": irqbal\n"
        time.sleep(1.3)
        now = time.time()
        with MongoClient[Any]("127.0.0.1", mongo.port) as client:
            client["fleet"]["fleet"].update_one(
                {"_id": "db1"}, {"$set": {"wall": now, "time": date(now)}}
            )
        found = b""
        while not found.startswith(b"data:"):
            found = events.readline()
        assert json.loads(found[5:])["cycle"] == 8640


def test_every_query_names_a_host_or_a_time(base: str) -> None:
    """Of all that the tests above asked, and of what they did not: without such a bound a sharded
    cluster asks every shard, and an index is read whole.
    """
    for path in (
        "/hosts",
        "/fleet/findings",
        "/hosts/db1/irqs",
        "/hosts/old/irqs",
        "/hosts/db1/irqs/eth0-TxRx-0/history",
    ):
        get(base, path)
    kinds = set()
    for command in COMMANDS.sent:
        for kind in ("find", "aggregate", "count", "distinct"):
            if kind not in command:
                continue
            kinds.add(command[kind])
            match = (
                command.get("filter") or command.get("query") or command["pipeline"][0]["$match"]
            )
            collection = command[kind]
            # In these a host is its document's id.
            bound = (
                "host" in match
                or "time" in match
                or ("_id" in match and collection in ("hosts", "fleet", "views"))
            )
            assert bound, command
            assert collection not in ("samples", "decisions") or {"host", "time"} <= set(match), (
                command
            )
    assert kinds == {"hosts", "fleet", "views", "samples", "decisions", "layouts"}


def test_the_client_reads_one_host_and_all_hosts(base: str) -> None:
    port = base.rpartition(":")[2]

    def client(*words: str) -> str:
        return CliRunner().invoke(cli, ["127.0.0.1", port, *words]).stdout

    table = client("hosts")
    assert "LAST SEEN" in table and "db2" in table and "balancing" in table
    assert (
        client("hosts", "-o", "csv").splitlines()[0].startswith("host,seen,version,state,imbalance")
    )
    assert client("fleet", "--code", "remote-queue").splitlines()[-1] == "6 findings on 1 hosts."
    assert {
        item["host"] for item in json.loads(client("fleet", "-o", "json", "--code", "isolated"))
    } == {"db2"}
    assert "eth0-TxRx-0" in client("irqs", "--host", "db1")
    assert "8 CPUs" in client("--host", "db2", "status")
    with pytest.raises(RequestRefused, match="lists 3 hosts"):
        cli(["127.0.0.1", port, "status"], standalone_mode=False)


def test_the_commands_of_one_host_must_say_whose_history_they_read(
    base: str, mongo: Mongod
) -> None:
    store = ("--store", f"mongodb://127.0.0.1:{mongo.port}/fleet")
    done = irqbal("history", "all", *store, check=3)
    assert "holds 3 hosts: name one with --recorded-by (db1, db2, old)" in done.stderr
    assert "MEAN/S" in irqbal("history", "all", *store, "--recorded-by", "db1").stdout
    empty = irqbal(
        *("history", "all", *store, "--recorded-by", "db1"),
        *("--start", "2020-01-01", "--end", "2020-01-02"),
    )
    assert empty.stdout == ""
    assert "the history has samples from 20" in empty.stderr
