"""One reading of `top`: it is of one moment, it misses nothing for what an older daemon does not
know, and its token may be refused.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import count
from typing import cast

import pytest

from client_answers import findings, status
from irqbal.api.contract import Problem
from irqbal.client.http import Client, DaemonUnreachable, RequestRefused
from irqbal.client.top.connection import TopConnection
from irqbal.client.top.contact import DaemonContact
from irqbal.client.top.reading import ATTEMPTS, StateReader
from irqbal.errors import IrqbalError


class AnsweringDaemon:
    """Answers with the statuses in turn (the last one again and again), and has `findings`, or
    refuses them. `tokens`: those that it takes; the empty one stands for none.
    """

    def __init__(
        self,
        measured: Sequence[float | None],
        found: IrqbalError | None = None,
        tokens: Sequence[str] = ("",),
        token: str = "",
        interval: float = 1.0,
    ) -> None:
        self.asked: list[str] = []
        self.clock_skew, self.has_token = 0.0, bool(token)
        self._token, self._tokens, self._found, self._interval = token, tokens, found, interval
        self._measured = measured
        self._turn: Iterator[int] = count()

    def with_token(self, token: str) -> AnsweringDaemon:
        other = AnsweringDaemon(
            self._measured, self._found, self._tokens, token, interval=self._interval
        )
        other.asked = self.asked
        return other

    def ask(self, name: str, *_: object) -> object:
        self.asked.append(name)
        if self._token not in self._tokens:
            raise refusal(401, "this token is not valid" if self._token else "a token is needed")
        if name == "findings":
            if self._found is not None:
                raise self._found
            return findings()
        if name == "status":
            turn = min(next(self._turn), len(self._measured) - 1)
            return status(self._interval, self._measured[turn])
        return ()


def refusal(code: int, text: str) -> RequestRefused:
    return RequestRefused(code, Problem("x", text))


def reader(daemon: AnsweringDaemon, notices: list[str] | None = None) -> StateReader:
    tell = (lambda text: None) if notices is None else notices.append
    return StateReader(TopConnection(cast(Client, daemon), tell))


def test_what_was_measured_meanwhile_is_read_again() -> None:
    daemon = AnsweringDaemon([1.0, 2.0, 2.0])
    reading = reader(daemon).read()
    assert daemon.asked.count("irqs") == daemon.asked.count("cpus") == 2
    assert reading.status.last is not None and reading.status.last.measured == 2.0


def test_a_slow_line_gets_a_reading_all_the_same() -> None:
    daemon = AnsweringDaemon([float(turn) for turn in range(100)])
    reader(daemon).read()
    assert daemon.asked.count("irqs") == ATTEMPTS


@pytest.mark.parametrize(
    "error",
    [refusal(404, "no such route"), refusal(503, "starting"), DaemonUnreachable("not irqbal's")],
    ids=["older", "starting", "foreign"],
)
def test_a_daemon_without_findings_is_read_all_the_same(error: IrqbalError) -> None:
    assert reader(AnsweringDaemon([1.0], error)).read().findings is None
    assert reader(AnsweringDaemon([1.0])).read().findings == findings()


def test_findings_are_not_asked_for_at_every_reading_but_after_a_change() -> None:
    daemon = AnsweringDaemon([1.0])
    found = reader(daemon)
    for _ in range(5):
        found.read()
    assert daemon.asked.count("findings") == 1
    found.expire()
    found.read()
    assert daemon.asked.count("findings") == 2


def test_only_what_a_pane_needs_is_asked_for() -> None:
    daemon = AnsweringDaemon([1.0])
    found = reader(daemon)
    assert found.read().devices is None
    found.wanted = frozenset({"devices"})
    assert found.read().devices == ()
    assert "decisions" not in daemon.asked


def test_the_age_is_by_the_daemons_clock() -> None:
    daemon = AnsweringDaemon([time.time() - 3000])
    assert reader(daemon).read().age == pytest.approx(3000, abs=60)
    daemon.clock_skew = -3000.0
    assert reader(daemon).read().age == 0.0
    # As old as its interval allows.
    assert reader(AnsweringDaemon([time.time() - 3000], interval=2000)).read().age == 0.0


def test_a_token_that_is_not_valid_is_dropped_where_reading_needs_none() -> None:
    notices: list[str] = []
    daemon = AnsweringDaemon([1.0], token="stale")
    found = reader(daemon, notices)
    found.read()
    found.read()
    assert notices == ["your token is not valid any more: reading goes on without one"]
    assert not found.connection.client.has_token


def test_where_reading_needs_a_token_the_first_answer_counts() -> None:
    daemon = AnsweringDaemon([1.0], tokens=("good",), token="stale")
    found = reader(daemon)
    with pytest.raises(RequestRefused, match="not valid"):
        found.read()
    assert found.connection.client.has_token
    found.connection.keep(found.connection.with_token("good"))
    assert found.read().status.host == "made"


def test_time_in_which_the_process_was_stopped_is_no_silence() -> None:
    contact = DaemonContact("x")
    contact.received(reader(AnsweringDaemon([1.0])).read(), 100.0)
    assert contact.silence(101.0) == ""
    assert contact.silence(500.0) == "DAEMON SILENT: no answer for 400 s"
    contact.resumed(500.0)
    assert contact.silence(501.0) == ""


def test_a_long_delay_is_no_silence() -> None:
    contact = DaemonContact("x", delay=60.0)
    contact.received(reader(AnsweringDaemon([1.0])).read(), 100.0)
    assert contact.silence(250.0) == ""
    assert contact.silence(300.0) != ""
