from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import irqbal_webhook
import pytest

from irqbal import Record
from irqbal.errors import IrqbalError
from irqbal.model.plan import Failure, Plan
from irqbal.testing import Simulated, check_policy

QUIET = Record(6, 0.0, 0.0, "tick", False, Plan())
DRIFT = Record(
    7,
    1.5,
    0.0,
    "tick",
    False,
    Plan(drifted=(32,), failures=(Failure("bad", "deadline", "too late", aside=True),)),
)


class Receiver(HTTPServer):
    """Keeps what it is sent; `slow` answers a byte at a time."""

    def __init__(self, slow: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.slow, self.got, self.ended = slow, list[tuple[str, Any]](), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/x"
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()

    def end(self) -> None:
        self.ended.set()
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.headers.get("Authorization", ""), body))
        if self.server.slow:
            self.wfile.write(b"HTTP/1.1 ")
            while not self.server.ended.wait(0.05):
                self.wfile.write(b"2")
        else:
            self.send_response(204)
            self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.end()


def options(url: str, **more: Any) -> irqbal_webhook.Webhook:
    return irqbal_webhook.Webhook(url=url, **more)


def test_drift_and_failures_are_told_and_nothing_else(receiver: Receiver) -> None:
    irqbal_webhook.irqbal_cycle_done(QUIET, options(receiver.url))
    irqbal_webhook.irqbal_cycle_done(
        DRIFT, options(receiver.url, headers={"Authorization": "Bearer x"})
    )
    ((authorization, body),) = receiver.got
    assert authorization == "Bearer x"
    assert (body["cycle"], body["drifted"], body["time"]) == (7, [32], 1.5)
    assert body["failures"] == [
        {"policy": "bad", "code": "deadline", "reason": "too late", "set_aside": True}
    ]


def test_a_receiver_that_is_away_is_said_and_not_raised(capsys: pytest.CaptureFixture[str]) -> None:
    irqbal_webhook.irqbal_cycle_done(DRIFT, options("http://127.0.0.1:9/"))
    assert "webhook: http://127.0.0.1:9/ did not get cycle 7: " in capsys.readouterr().out


def test_a_receiver_that_trickles_is_left_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    slow = Receiver(slow=True)
    irqbal_webhook.irqbal_cycle_done(DRIFT, options(slow.url, timeout=0.3))
    assert "no answer within 0.3 s" in capsys.readouterr().out
    slow.end()


def test_it_keeps_the_contract() -> None:
    check_policy(irqbal_webhook, {"url": "http://127.0.0.1:9/"})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "url: is missing"),
        ({"url": "ftp://x/"}, "it must be such as"),
        ({"url": "http://x/", "timeout": "3s"}, r"at most 1\.5s"),
    ],
)
def test_wrong_options_are_refused(
    irqbal_host: type[Simulated], wrong: dict[str, str], said: str
) -> None:
    with pytest.raises(IrqbalError, match=said):
        irqbal_host("1x2", (irqbal_webhook, wrong))
