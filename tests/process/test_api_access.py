"""Access: every route, with every token, from every kind of address."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from irqbal.api.contract import ALL, Route, access_table
from machine import IRQBAL, wait_for
from served import Reply, Served, reply, serve

READ = "read"
TABLE = {
    "status": READ,
    "cpus": READ,
    "now": READ,
    "devices": READ,
    "irqs": READ,
    "irq": READ,
    "explain": READ,
    "irq_history": READ,
    "device_history": READ,
    "cpus_history": READ,
    "policies": READ,
    "overrides": READ,
    "decisions": READ,
    "plan": READ,
    "events": READ,
    "set_override": "override",
    "clear_override": "override",
    "dry_run": "override",
    "cycle": "override",
    "pause": "admin",
    "resume": "admin",
    "restore": "admin",
    "trials": READ,
    "trial": READ,
    "start_trial": "admin",
    "beat_trial": "admin",
    "end_trial": "admin",
    "hosts": READ,
    "findings": READ,
    "fleet_findings": READ,
    "openapi": "public",
    "healthz": "public",
    "readyz": "public",
    "metrics": READ,
    "legacy_devices": READ,
    "legacy_cpu_count": READ,
    "legacy_device": READ,
    "legacy_affinity": READ,
    "legacy_set_affinity": "override",
}
"""Every route and the scope that it needs: widening access means changing this table too."""
MORE = ["public", READ, "override", "admin"]
HELD = {
    "loopback": READ,
    "Unix socket, root": "admin",
    "Unix socket, another user": READ,
    "Unix socket, group irqbal": "admin",
    "another address": "public",
}
"""The scope of a request without a token, by where it comes from. A token's scope replaces it."""
TOKENS = ("", "bad", READ, "override", "admin")
BECOMES_OTHERS = pytest.mark.root("becomes other users, of a group of its own")
GROUP = 54321
NOBODY = 54322


def test_the_table_lists_every_route() -> None:
    assert {route.name: route.scope for route in ALL} == TABLE
    assert access_table() == [(route.method, route.path, TABLE[route.name]) for route in ALL]


def expected(route: str, place: str, token: str) -> set[int]:
    """The statuses with which access is refused; empty if it is granted."""
    if token == "bad":
        return {401, 429}
    held = token or HELD[place]
    if MORE.index(held) >= MORE.index(TABLE[route]):
        return set()
    return {403} if token else {401}


def own_address() -> str:
    """An address of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # Sends nothing: the kernel chooses the source address at connect().
        sock.connect(("198.51.100.1", 9))
        address: str = sock.getsockname()[0]
    assert not address.startswith("127."), "this test needs an address besides the loopback's"
    return address


@contextlib.contextmanager
def somebody(uid: int, gid: int, groups: list[int]) -> Iterator[None]:
    """Connect as another user: the kernel records the credentials at connect() (unix(7))."""
    before = os.getgroups()
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    groups = tmp_path_factory.mktemp("etc") / "group"
    groups.write_text(Path("/etc/group").read_text() + f"irqbal:x:{GROUP}:\n")
    # A mount of its own, so that there is the group wherever this runs.
    script = 'mount --bind "$1" /etc/group && shift && exec "$@"'
    command = ("unshare", "--mount", "sh", "-c", script, "sh", str(groups), IRQBAL)
    with serve("insecure: true", more_listen=f'"{own_address()}:PORT"', command=command) as found:
        yield found


class Ways(msgspec.Struct):
    """A connection to the daemon from each kind of address."""

    served: Served
    tokens: dict[str, str]
    open: dict[str, http.client.HTTPConnection] = {}

    def connection(self, place: str) -> http.client.HTTPConnection:
        """The one from there, made anew if it is needed."""
        if place in self.open:
            return self.open[place]
        where = {"loopback": "127.0.0.1", "another address": own_address()}.get(place, "unix")
        made = self.served.connection(where)
        who = {
            "Unix socket, another user": (NOBODY, NOBODY, [NOBODY]),
            "Unix socket, group irqbal": (NOBODY, NOBODY, [5, GROUP]),
        }
        with somebody(*who[place]) if place in who else contextlib.nullcontext():
            made.connect()
        self.open[place] = made
        return made

    def drop(self, place: str) -> None:
        """Forget the connection from there."""
        self.open.pop(place).close()

    def ask(self, route: Route, path: str, place: str, token: str) -> Reply:
        """One request; of the events, only the beginning of the answer is awaited."""
        headers = {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}
        body: bytes | None = None
        if route.form:
            body, headers["Content-Type"] = b"affinity=3", "application/x-www-form-urlencoded"
        elif route.name == "set_override":
            body, headers["Content-Type"] = json.dumps({"cpus": "0-1"}).encode(), "application/json"
        connection = self.connection(place)
        connection.request(route.method, path, body, headers)
        answer = connection.getresponse()
        if route.name == "events" and answer.status == 200:
            self.drop(place)
            return Reply(200, {}, b"")
        found = reply(answer)
        if answer.will_close:
            self.drop(place)
        return found


@pytest.fixture(scope="module")
def ways(served: Served) -> Iterator[Ways]:
    tokens = {name: served.token(name, name) for name in (READ, "override")}
    found = Ways(served, {**tokens, "admin": served.admin, "bad": "irqbal_nobody-has-this"})
    yield found
    for connection in found.open.values():
        connection.close()


@BECOMES_OTHERS
@pytest.mark.parametrize("place", HELD)
def test_every_route_with_every_token_from_everywhere(ways: Ways, place: str) -> None:
    irq = ways.served.irq()
    wrong = []
    asked = 0
    for route in ALL:
        for path in filter(None, (route.path, route.below_host)):
            where = path.format(
                irq=irq["number"], device=irq["name"], host=os.uname().nodename, trial="1f"
            )
            for token in TOKENS:
                # Public paths do not look at tokens that nobody needs.
                refusals = expected(route.name, place, token)
                found = ways.ask(route, where, place, token)
                asked += 1
                right = (
                    found.status in refusals
                    if refusals
                    else found.status not in (401, 403, 429) and found.status < 500
                )
                if not right:
                    wrong.append(
                        (route.method, where, place, token, found.status, sorted(refusals))
                    )
    assert not wrong
    assert asked > 250


@BECOMES_OTHERS
def test_a_wrong_token_or_another_scheme_is_refused_even_where_none_is_needed(
    ways: Ways,
) -> None:
    served = ways.served
    assert served.ask("GET", "/api/v1/status").status == 200
    for value in ("Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer ", "bearer x", served.admin):
        assert served.ask("GET", "/api/v1/status", headers={"Authorization": value}).status in (
            401,
            429,
        ), value
    assert (
        served.ask(
            "GET", "/api/v1/status", headers={"Authorization": f"bearer  {served.admin} "}
        ).status
        == 200
    )


@BECOMES_OTHERS
def test_an_address_that_guesses_gets_429_and_a_valid_token_from_it_still_works(ways: Ways) -> None:
    served = ways.served
    found = [served.ask("GET", "/api/v1/status", token=f"guess{number}") for number in range(15)]
    assert found[-1].status == 429 and 1 <= int(found[-1].headers["retry-after"]) <= 60
    assert served.ask("GET", "/api/v1/status", token=served.admin).status == 200
    assert served.ask("GET", "/api/v1/status").status == 200


@BECOMES_OTHERS
def test_refusals_say_which_token_is_needed(ways: Ways) -> None:
    served = ways.served
    found = served.ask("POST", "/api/v1/cycle")
    assert found.status == 401 and found.headers["www-authenticate"].startswith("Bearer")
    assert "irqbal token add" in found.json["error"]["message"]
    found = served.ask("POST", "/api/v1/pause", token=ways.tokens["override"])
    assert found.status == 403 and "--scope admin" in found.json["error"]["message"]


@BECOMES_OTHERS
def test_decisions_name_the_author_and_the_address(ways: Ways) -> None:
    served = ways.served
    irq = served.irq(index=2)
    path = f"/api/v1/irqs/{irq['number']}/override"
    for place, who in (
        ("loopback", "token override from 127.0.0.1:"),
        ("Unix socket, root", "root from the Unix socket"),
    ):
        headers = {"Content-Type": "application/json"}
        if place == "loopback":
            headers["Authorization"] = f"Bearer {ways.tokens['override']}"
        connection = ways.connection(place)
        connection.request("PUT", path, b'{"cpus": "1", "reason": "a test"}', headers)
        found = reply(connection.getresponse())
        assert found.status == 200, found.body
        assert found.json["override"]["who"].startswith(who)
        wait_for(partial(_noted, served, who, irq["number"]), served.log)


def _noted(served: Served, who: str, number: int) -> bool:
    """Whether the newest decision is this one; it is written a moment after the answer."""
    newest = served.get("/api/v1/decisions?kind=override&limit=1")[0]
    return bool(
        newest["who"].startswith(who) and newest["reason"] == "a test" and newest["irq"] == number
    )


def test_anonymous_none_hides_all_but_public_routes() -> None:
    with serve("anonymous: none") as served:
        for route in ALL:
            if route.method == "GET" and "{" not in route.path:
                found = served.ask("GET", route.path)
                assert (found.status == 401) == (route.scope != "public"), route.path
        assert served.ask("GET", "/api/v1/status", where="unix").status == 200, (
            "root's socket needs no token"
        )
