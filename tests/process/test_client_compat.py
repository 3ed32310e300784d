"""Old and new together: fields that one side does not know are no reason to fail."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import machine
import served
from calls import Done, call
from client_commands import READING
from irqbal.api.contract import PREFIX


def grown(value: Any) -> Any:
    """With an unknown field in every object, but where names are data."""
    if isinstance(value, list):
        return [grown(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    data = {"counts", "names", "cpu_interrupts", "options", "options_schema"}
    return {
        **{key: inner if key in data else grown(inner) for key, inner in value.items()},
        "of_a_later_version": {"x": [1, None]},
    }


class Newer(BaseHTTPRequestHandler):
    """Between client and daemon: every JSON object has a field more, on the way there and back."""

    daemon: served.Served
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        data = self.rfile.read(length)
        body = json.dumps(grown(json.loads(data))).encode() if data else None
        connection = self.daemon.connection("unix")
        headers = {"Content-Type": "application/json"} if body else {}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        if answer.getheader("Content-Type") == "text/event-stream":
            self._events(answer)
            connection.close()
            return
        text = answer.read()
        if "json" in (answer.getheader("Content-Type") or ""):
            text = json.dumps(grown(json.loads(text))).encode()
        connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = _pass_on

    def _events(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        # An event of a kind that is not known yet, and a field of the protocol that nobody asked
        # for.
        self.wfile.write(b"retry: 1000\n\nevent: weather\ndata: {}\n\n")
        try:
            for line in answer:
                data = (
                    json.dumps(grown(json.loads(line[6:]))).encode()
                    if line.startswith(b"data: ")
                    else line.rstrip(b"\n")
                )
                self.wfile.write((b"data: " if line.startswith(b"data: ") else b"") + data + b"\n")
        except OSError:
            # The listener has heard enough.
            return
        finally:
            answer.close()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def newer() -> Iterator[int]:
    """The port of a daemon that is of a later version than the client, and asked by one of a later
    version.
    """
    with served.serve() as daemon:
        machine.wait_for(
            lambda: daemon.get(f"{PREFIX}/cpus/history?start=1h&step=1s")["points"], daemon.log
        )
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (Newer,), {"daemon": daemon})
        )
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        server.server_close()
        thread.join(5)


def ask(port: int, *words: str) -> Done:
    return call("127.0.0.1", str(port), *words)


WORDS = [
    *READING,
    "plan --now",
    "export --what irqs",
    "export --what decisions",
    "export",
    "metrics",
    "cycle",
    "pause",
    "resume",
    "watch -n 1",
    "override set 26 3",
    "override list",
    "explain 26",
    "cpu_affinity 26 -a 8",
    "override clear 26",
    "restore --yes",
    "resume",
]


@pytest.mark.parametrize("words", WORDS)
def test_fields_of_a_later_version_change_nothing(newer: int, words: str) -> None:
    for form in ("table", "csv"):
        done = ask(newer, *words.split(), "-o", form)
        if (words, form) == ("override clear 26", "csv"):
            # The table's call took it away.
            assert (done.status, "has no override" in done.err) == (1, True)
            continue
        assert done.status == 0, done.err
        assert "of_a_later_version" not in done.out.replace(
            "the field of_a_later_version is unknown here", ""
        )
        assert done.out or words.startswith("export") or form == "csv"
        assert not done.err or "of_a_later_version" in done.err


def test_json_shows_what_came(newer: int) -> None:
    assert ask(newer, "status", "-o", "json").json["of_a_later_version"]


def test_a_refusal_of_a_later_version_is_understood(newer: int) -> None:
    done = ask(newer, "explain", "eth0")
    assert done.status == 1
    assert "name one by its number" in done.err


def test_a_field_that_the_daemon_does_not_know_is_ignored_and_named(newer: int) -> None:
    done = ask(newer, "override", "set", "27", "2")
    assert done.status == 0
    assert "is on 2: " in done.out
    assert "warning: the field of_a_later_version is unknown here, and was ignored" in done.err
    assert ask(newer, "override", "clear", "27").status == 0
