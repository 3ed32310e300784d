"""Requests that must change nothing: foreign pages, huge and broken bodies, wrong CPUs, worn-out
tokens. The masks prove it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from irqbal.api.http.limits import MAX_BODY, MAX_HEADER
from irqbal.process import systemd
from machine import irqbal, wait_for
from served import Served, drain, serve

JSON = {"Content-Type": "application/json"}


class RefusedRequest(msgspec.Struct, frozen=True):
    """A request that is to be refused. `path` may hold {irq} (one that moves), {managed} and
    {device} (one with several IRQs).
    """

    status: int
    code: str
    path: str = "/api/v1/irqs/{irq}/override"
    body: object = b'{"cpus": "3"}'
    headers: dict[str, str] = {}
    method: str = "PUT"
    token: str = "admin"


NEST = b"[" * 100_000 + b"]" * 100_000
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n"
LAUGHS += "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED = {
    "no token": RefusedRequest(401, "unauthorized", token=""),
    "no token, another method": RefusedRequest(
        401, "unauthorized", "/api/v1/restore", None, method="POST", token=""
    ),
    "a token that reads": RefusedRequest(403, "forbidden", token="read"),
    "a token that overrides may not pause": RefusedRequest(
        403, "forbidden", "/api/v1/pause", None, method="POST", token="override"
    ),
    "a token that overrides may not restore": RefusedRequest(
        403, "forbidden", "/api/v1/restore", None, method="POST", token="override"
    ),
    "another host's name": RefusedRequest(403, "host", headers={"Host": "evil.example"}),
    "another host's name with our address in it": RefusedRequest(
        403, "host", headers={"Host": "127.0.0.1.evil.example"}
    ),
    "another site's page": RefusedRequest(
        403, "origin", headers={"Origin": "https://evil.example"}
    ),
    "our address, another port": RefusedRequest(
        403, "origin", headers={"Origin": "http://127.0.0.1:1"}
    ),
    "a page without a site": RefusedRequest(403, "origin", headers={"Origin": "null"}),
    "an Origin that is none": RefusedRequest(403, "origin", headers={"Origin": "http://["}),
    "another site, says the browser": RefusedRequest(
        403, "origin", headers={"Sec-Fetch-Site": "cross-site"}
    ),
    "another site that reads, says the browser": RefusedRequest(
        403,
        "origin",
        "/api/v1/status",
        None,
        method="GET",
        headers={"Sec-Fetch-Site": "cross-site"},
    ),
    "another site that shows us in a frame": RefusedRequest(
        403,
        "origin",
        "/",
        None,
        method="GET",
        headers={
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "iframe",
        },
    ),
    "a form of another site": RefusedRequest(
        403,
        "origin",
        headers={
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        },
    ),
    "a page of no web's": RefusedRequest(403, "origin", headers={"Origin": "ftp://127.0.0.1"}),
    "another name of our site, says the browser": RefusedRequest(
        403, "origin", headers={"Sec-Fetch-Site": "same-site"}
    ),
    "offline CPUs": RefusedRequest(422, "offline", body={"cpus": "16-31"}),
    "some CPUs offline": RefusedRequest(422, "offline", body={"cpus": "3,4000"}),
    "no CPU": RefusedRequest(422, "no-cpu", body={"cpus": ""}),
    "text for a CPU set": RefusedRequest(400, "body", body={"cpus": "the third one"}),
    "a mask for a CPU set": RefusedRequest(400, "body", body={"cpus": "0x8"}),
    "a number for a CPU set": RefusedRequest(400, "body", body={"cpus": 3}),
    "a list for a CPU set": RefusedRequest(400, "body", body={"cpus": [3]}),
    "a CPU beyond all": RefusedRequest(400, "body", body={"cpus": "8192"}),
    "a CPU set that takes long to read": RefusedRequest(
        400, "body", body={"cpus": "0-8191:1/2," * 80_000}
    ),
    "nothing for a CPU set": RefusedRequest(400, "body", body={"cpus": None}),
    "no CPU set": RefusedRequest(400, "body", body={"reason": "none"}),
    "no body": RefusedRequest(400, "body", body=None, headers=JSON),
    "an empty body": RefusedRequest(400, "body", body=b"", headers=JSON),
    "a list": RefusedRequest(400, "body", body=["3"]),
    "half a body": RefusedRequest(400, "body", body=b'{"cpus": "3"', headers=JSON),
    "two bodies": RefusedRequest(400, "body", body=b'{"cpus": "3"}{"cpus": "3"}', headers=JSON),
    "not a number": RefusedRequest(
        400, "body", body=b'{"cpus": "3", "expires_in": NaN}', headers=JSON
    ),
    "no number there is": RefusedRequest(
        400, "body", body=b'{"cpus": "3", "expires_in": 1e999}', headers=JSON
    ),
    "a time that ends at once": RefusedRequest(
        422, "expires_in", body={"cpus": "3", "expires_in": "0s"}
    ),
    "a time that ended": RefusedRequest(400, "body", body={"cpus": "3", "expires_in": -1}),
    "a time that never ends": RefusedRequest(
        422, "expires_in", body={"cpus": "3", "expires_in": "999y"}
    ),
    "bytes that are no text": RefusedRequest(
        400, "body", body=b'{"cpus": "3", "reason": "\xff\xfe"}', headers=JSON
    ),
    "half of a character": RefusedRequest(
        400, "body", body=b'{"cpus": "3", "reason": "\\ud800 "}', headers=JSON
    ),
    "a reason of two lines": RefusedRequest(
        400, "body", body={"cpus": "3", "reason": "fine\n2026-01-01 ERROR forged"}
    ),
    "a reason that ends in a new line": RefusedRequest(
        400, "body", body={"cpus": "3", "reason": "fine\n"}
    ),
    "a reason that moves the cursor": RefusedRequest(
        400, "body", body={"cpus": "3", "reason": "\x1b[2J"}
    ),
    "a long reason": RefusedRequest(400, "body", body={"cpus": "3", "reason": "x" * 1001}),
    "deep nesting": RefusedRequest(
        400, "body", body=b'{"cpus": "3", "x": ' + NEST + b"}", headers=JSON
    ),
    "a deep plan": RefusedRequest(
        400, "body", "/api/v1/plan", b'{"policies": [{"a": {"b": ' + NEST + b"}}]}", JSON, "POST"
    ),
    "a deep plan in YAML": RefusedRequest(
        422, "config", "/api/v1/plan", {"yaml": "policies: " + "[" * 5000}, method="POST"
    ),
    "a plan of many values": RefusedRequest(
        422, "config", "/api/v1/plan", {"policies": [{"a": {"b": [1] * 200_000}}]}, method="POST"
    ),
    "a plan of aliases": RefusedRequest(
        422,
        "config",
        "/api/v1/plan",
        {"yaml": LAUGHS},
        method="POST",
    ),
    "a plan of an unknown policy": RefusedRequest(
        422, "config", "/api/v1/plan", {"policies": ["../../etc/passwd"]}, method="POST"
    ),
    "a plan of very many policies": RefusedRequest(
        422,
        "config",
        "/api/v1/plan",
        {"yaml": "policies: [" + "pin_irqs," * 101 + "]"},
        method="POST",
    ),
    "a plan of a policy beyond the first plane": RefusedRequest(
        422, "config", "/api/v1/plan", {"policies": ["\U0001f600"]}, method="POST"
    ),
    "a plan with half of a character": RefusedRequest(
        422, "config", "/api/v1/plan", {"yaml": 'policies: ["\\ud83d"]'}, method="POST"
    ),
    "a plan with half of a character for a key": RefusedRequest(
        422, "config", "/api/v1/plan", {"yaml": '"\\udc80": 1'}, method="POST"
    ),
    "a body of nothing but white space": RefusedRequest(
        400, "body", "/api/v1/plan", b" \x0b", JSON, "POST"
    ),
    "a plan that is two": RefusedRequest(
        422, "body", "/api/v1/plan", {"policies": [], "yaml": ""}, method="POST"
    ),
    "text": RefusedRequest(415, "media-type", headers={"Content-Type": "text/plain"}),
    "a form": RefusedRequest(
        415,
        "media-type",
        body=b"cpus=3",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    "JSON for irq_manager": RefusedRequest(
        415, "media-type", "/devices/{irq}/affinity/", {"affinity": "8"}, method="POST"
    ),
    "a form without a mask": RefusedRequest(
        400,
        "body",
        "/devices/{irq}/affinity/",
        b"mask=8",
        {"Content-Type": "application/x-www-form-urlencoded"},
        "POST",
    ),
    "a form with two masks": RefusedRequest(
        400,
        "body",
        "/devices/{irq}/affinity/",
        b"affinity=8&affinity=4",
        {"Content-Type": "application/x-www-form-urlencoded"},
        "POST",
    ),
    "a form with no mask in it": RefusedRequest(
        422,
        "affinity",
        "/devices/{irq}/affinity/",
        b"affinity=zzz",
        {"Content-Type": "application/x-www-form-urlencoded"},
        "POST",
    ),
    "a form with an empty mask": RefusedRequest(
        422,
        "no-cpu",
        "/devices/{irq}/affinity/",
        b"affinity=0",
        {"Content-Type": "application/x-www-form-urlencoded"},
        "POST",
    ),
    "an IRQ that is not there": RefusedRequest(404, "no-such-irq", "/api/v1/irqs/9999/override"),
    "a number that is none": RefusedRequest(404, "no-such-irq", "/api/v1/irqs/-1/override"),
    "a number of another script": RefusedRequest(
        404, "no-such-irq", "/api/v1/irqs/%D9%A3/override"
    ),
    "a path for an IRQ": RefusedRequest(
        404, "no-such-irq", "/api/v1/irqs/..%2F..%2Fetc%2Fpasswd/override"
    ),
    "an IRQ that the kernel owns": RefusedRequest(
        409, "unmovable", "/api/v1/irqs/{managed}/override"
    ),
    "a name of several": RefusedRequest(409, "ambiguous", "/api/v1/irqs/{device}/override"),
    "another host": RefusedRequest(
        404, "no-such-host", "/api/v1/hosts/elsewhere/irqs/{irq}/override"
    ),
    "no override": RefusedRequest(404, "no-override", body=None, method="DELETE"),
    "another method": RefusedRequest(405, "method", method="PATCH"),
    "a method of nobody": RefusedRequest(405, "method", method="BREW"),
    "a trace": RefusedRequest(405, "method", body=None, method="TRACE"),
    "options": RefusedRequest(405, "method", body=None, method="OPTIONS"),
    "a parameter twice": RefusedRequest(
        400, "query", "/api/v1/pause?for=1h&for=2h", None, method="POST"
    ),
    "a parameter that is not known": RefusedRequest(
        400, "query", "/api/v1/pause?fro=1h", None, method="POST"
    ),
    "a parameter of nothing": RefusedRequest(
        400, "query", "/api/v1/pause?for=null", None, method="POST"
    ),
    "a time twice": RefusedRequest(
        422, "for", "/api/v1/pause?for=1h", {"for": "2h"}, method="POST"
    ),
    "many parameters": RefusedRequest(
        400, "query", "/api/v1/pause?" + "&".join(f"a{n}=1" for n in range(99)), None, method="POST"
    ),
    "bytes in a parameter": RefusedRequest(
        400, "query", "/api/v1/pause?for=%ff", None, method="POST"
    ),
}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve() as found:
        yield found


@pytest.fixture(scope="module")
def tokens(served: Served) -> dict[str, str]:
    return {
        "": "",
        "admin": served.admin,
        "read": served.token("r", "read"),
        "override": served.token("o", "override"),
    }


@pytest.fixture(scope="module")
def before(served: Served) -> dict[int, str]:
    """The masks once the daemon is at rest; the tests of this module leave it paused."""
    wait_for(lambda: served.get("/api/v1/plan")["cycle"]["cycle"] >= 3, served.log)
    assert served.ask("POST", "/api/v1/pause", where="unix").status == 200
    return served.masks()


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_request_changes_nothing(
    served: Served, tokens: dict[str, str], before: dict[int, str], what: str
) -> None:
    asked = REFUSED[what]
    names = {
        "irq": served.irq()["number"],
        "managed": served.irq(False)["number"],
        "device": "eth0",
    }
    path = asked.path.format(**names)
    found = served.ask(asked.method, path, asked.body, tokens[asked.token], asked.headers)
    assert (found.status, found.code) == (asked.status, asked.code), found.body[:500]
    assert len(found.json["error"]["message"]) > 15 and "\n" not in found.json["error"]["message"]
    assert served.get("/api/v1/overrides") == []
    assert served.get("/api/v1/status")["paused_until"] is None
    assert served.masks() == before


def test_an_ambiguous_name_is_answered_with_all_candidates(served: Served) -> None:
    found = served.ask("PUT", "/api/v1/irqs/eth0/override", {"cpus": "3"}, where="unix")
    assert found.status == 409 and len(found.json["error"]["candidates"]) == 9
    assert "25 (ice-eth0-TxRx-0)" in found.json["error"]["candidates"]


def test_a_path_that_has_other_methods_names_them(served: Served) -> None:
    for method in ("PATCH", "TRACE", "OPTIONS", "BREW", "POST"):
        assert served.ask(method, "/api/v1/irqs/9/override").headers["allow"] == "DELETE, PUT", (
            method
        )
        assert served.ask(method, "/metrics").headers["allow"] == "GET, HEAD"
    assert served.ask("TRACE", "/nowhere").status == 404


def test_a_plan_nested_as_deeply_as_the_decoder_allows_is_refused(served: Served) -> None:
    for depth in range(960, 1000, 6):
        body = b'{"policies": [{"a": {"b": ' + b"[" * depth + b"]" * depth + b"}}]}"
        assert served.ask("POST", "/api/v1/plan", body, where="unix").status in (400, 422), depth


def test_invalid_host_headers_are_refused(served: Served) -> None:
    for host in ("evil.example@127.0.0.1", "127.0.0.1\\@evil.example", "evil.example/127.0.0.1"):
        found = served.ask("POST", "/api/v1/cycle", token=served.admin, headers={"Host": host})
        assert found.status in (400, 403), host
    assert served.raw(b"GET /api/v1/status HTTP/1.1\r\n\r\n", 1).split(b" ")[1] in (b"400", b"403")
    assert served.raw(b"GET /api/v1/status HTTP/1.0\r\n\r\n", 1).split(b" ")[1] in (b"400", b"403")


def _start(served: Served, more: str, token: str = "") -> bytes:
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    path = f"/api/v1/irqs/{served.irq()['number']}/override"
    return f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{bearer}{more}\r\n\r\n".encode()  # noqa: E501


def test_a_body_of_100_mb_is_refused_by_its_length_unread(
    served: Served, before: dict[int, str]
) -> None:
    found = served.raw(_start(served, f"Content-Length: {100 << 20}", served.admin))
    assert found.startswith(b"HTTP/1.1 413 ") and b'"too-large"' in found
    for length in ("9" * 5000, "-1", "1e9", "+5", "5, 5"):
        assert served.raw(_start(served, f"Content-Length: {length}", served.admin)).split(b" ")[
            1
        ] in (b"400", b"413"), length
    assert served.masks() == before


def test_a_body_of_100_mb_in_chunks_is_cut_off_and_not_kept(
    served: Served, before: dict[int, str]
) -> None:
    memory = served.memory()
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for token in ("", served.admin):
        with socket.create_connection(("127.0.0.1", served.port), 60) as sock:
            sent = 0
            with contextlib.suppress(ConnectionError):
                sock.sendall(_start(served, "Transfer-Encoding: chunked", token))
                while sent < 100 << 20:
                    sock.sendall(chunk)
                    sent += len(chunk)
            assert sent < 20 << 20, "the server must hang up"
            assert drain(sock)[:12] in (b"HTTP/1.1 401", b"HTTP/1.1 400", b"HTTP/1.1 413", b"")
    assert served.memory() - memory < 16 << 20
    assert served.masks() == before


def test_headers_are_bounded_too(served: Served) -> None:
    big = f"GET / HTTP/1.1\r\nHost: localhost\r\nX: {'x' * MAX_HEADER}\r\n\r\n".encode()
    assert b" 200 " not in served.raw(big)[:20]
    many = (
        b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n"
        + b"".join(b"X%d: x\r\n" % n for n in range(5000))
        + b"\r\n"
    )
    assert b" 200 " not in served.raw(many)[:20]


SMUGGLED = {
    "two lengths": b"Content-Length: 5\r\nContent-Length: 60",
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    "chunks by another name": b"Transfer-Encoding: xchunked",
    "chunks twice": b"Transfer-Encoding: chunked, chunked",
    "a space before the colon": b"Content-Length : 5",
    "a folded header": b"X: a\r\n Content-Length: 5",
    "a null byte": b"X: a\0b",
    "two hosts": b"Host: evil.example",
}


@pytest.mark.parametrize("what", SMUGGLED)
def test_requests_that_two_servers_could_parse_differently_are_refused(
    served: Served, what: str
) -> None:
    """What another server in front might read differently ends the connection: the second request
    must not be answered.
    """
    inner = b"POST /api/v1/cycle HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data = (
        b"POST /api/v1/resume HTTP/1.1\r\nHost: localhost\r\n"
        + SMUGGLED[what]
        + b"\r\n\r\n"
        + b"0\r\n\r\n"
        + inner
    )
    found = served.raw(data, 2, where="unix")
    assert b" 200 " not in found, found[:300]
    assert served.get("/api/v1/status")["paused"]


def test_no_answer_takes_its_headers_from_the_request(served: Served) -> None:
    for path in (
        "/x%0d%0aSet-Cookie:%20a=b",
        "/api/v1/irqs/a%0d%0aX-Forged:%20yes",
        "/api/v1/hosts/%0d%0a/status",
    ):
        found = served.ask("GET", path)
        assert found.status == 404 and not {"set-cookie", "x-forged"} & set(found.headers)
    for headers in (found.headers, served.ask("GET", "/api/v1/status").headers):
        assert (
            headers["x-content-type-options"] == "nosniff"
            and headers["cache-control"] == "no-store"
        )
        assert (
            "default-src 'none'" in headers["content-security-policy"]
            and headers["server"] == "irqbal"
        )


ELSEWHERE = [
    "/dashboard/../server.py",
    "/dashboard/%2e%2e/server.py",
    "/dashboard/..%2f..%2fserver.py",
    "//etc/passwd",
    "/dashboard/__init__.py",
    "/dashboard/",
    "/dashboard/%00",
    "/../../etc/passwd",
    "/index.html%00.js",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_the_dashboard_shows_its_own_files_alone(served: Served, path: str) -> None:
    found = served.raw(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    assert found.startswith(b"HTTP/1.1 404 "), found[:200]


def test_an_expired_and_a_revoked_token_are_refused_at_once(
    served: Served, before: dict[int, str]
) -> None:
    path = f"/api/v1/irqs/{served.irq()['number']}/override"
    short, gone = served.token("short", "admin", "1s"), served.token("gone", "admin")
    assert served.ask("GET", "/api/v1/status", token=gone).status == 200
    irqbal("token", "revoke", "gone", "-c", str(served.state.parent / "irqbal.yaml"))
    time.sleep(1.1)
    for token in (short, gone):
        found = served.ask("PUT", path, {"cpus": "3"}, token)
        assert found.status in (401, 429), found.body
    assert served.masks() == before


def test_a_refused_client_that_still_sends_its_body_gets_the_answer(served: Served) -> None:
    """Clients send headers and body in two packets; a refused one must receive the reason."""
    body = json.dumps({"cpus": "3", "reason": "x" * 900}).encode()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", served.port), 60) as sock:
            sock.sendall(_start(served, f"Content-Length: {len(body)}"))
            for part in (body[:300], body[300:600], body[600:]):
                time.sleep(0.01)
                sock.sendall(part)
            assert sock.recv(100).startswith(b"HTTP/1.1 401")


def test_a_body_that_never_arrives_blocks_nothing(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 60) as sock:
        sock.sendall(_start(served, f"Content-Length: {MAX_BODY}"))
        assert served.ask("GET", "/api/v1/status").status == 200


def test_the_log_has_one_line_for_each_message_and_no_token(
    served: Served, tokens: dict[str, str]
) -> None:
    served.ask("GET", "/api/v1/irqs/%1b%5b2J%0aERROR%20forged")
    served.raw(b"GET /\x1b[2J\x85 HTTP/1.1\r\nHost: localhost\r\n\r\n", 1)
    served.raw(b"\x16\x03\x01 no HTTP at all\r\n\r\n", 1)
    text = served.said()
    assert "\x1b" not in text and "forged" not in text and "Traceback" not in text
    assert not [token for token in tokens.values() if token and token in text]
    assert not any("ERROR" in line for line in text.splitlines())
    assert len(text) < 200_000


def test_nobody_but_root_reads_the_tokens(served: Served) -> None:
    assert {
        oct(Path(served.state / name).stat().st_mode & 0o777)
        for name in ("admin.token", "tokens.json")
    } == {"0o600"}
    assert served.admin not in (served.state / "tokens.json").read_text(), "only hashes are kept"


def test_plans_of_much_text_do_not_stop_the_loop(served: Served) -> None:
    text = "policies: [" + "spread_by_rate," * 13_000 + "]"
    slow: list[float] = []
    took: list[float] = []

    def plan() -> None:
        began = time.monotonic()
        served.ask("POST", "/api/v1/plan", {"yaml": text}, where="unix")
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=plan)
    thread.start()
    while thread.is_alive():
        began = time.monotonic()
        served.ask("GET", "/healthz")
        slow.append(time.monotonic() - began)
    # Of a loop that did the work itself, an answer would take as long as the plan.
    assert max(slow) < max(0.6, took[0] / 3), (max(slow), took)


@pytest.mark.parametrize("journald", [False, True])
def test_a_log_message_is_one_line_whatever_it_contains(journald: bool) -> None:
    formatter = systemd._Formatter(journald)
    text = "queue\n<3>ERROR forged\r\x1b[2J\x9b\u2028end"
    record = logging.LogRecord("irqbal", logging.INFO, "x.py", 1, "moved %s", (text,), None)
    assert formatter.format(record).splitlines() == [formatter.format(record)]
    assert "\\n<3>ERROR forged\\r\\x1b[2J\\x9b\\u2028end" in formatter.format(record)
