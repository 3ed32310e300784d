"""Posts JSON to a URL when another program changed a mask, a policy failed, or a cycle could not
plan.
"""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

from irqbal import Duration, Meta, Options, Record, hookimpl

IRQBAL_API = "1"


class Webhook(Options, frozen=True):
    """Options of webhook."""

    url: Annotated[
        str,
        Meta(
            description="where to POST, http or https; a name is looked up each time, so an "
            "address is safer"
        ),
    ]
    timeout: Annotated[
        Duration, Meta(description="for the whole request; at most 1.5s, since an observer has 2 s")
    ] = Duration(1)
    headers: Annotated[
        dict[str, str], Meta(description="headers to send along, such as Authorization")
    ] = {}  # noqa: RUF012

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"url is {self.url!r}; it must be such as http://127.0.0.1:9000/irqbal"
            )
        if not 0 < self.timeout <= 1.5:
            raise ValueError(
                "timeout must be above 0 and at most 1.5s: an observer that takes 2 s is set aside"
            )


@hookimpl
def irqbal_options() -> type[Webhook]:
    return Webhook


@hookimpl
def irqbal_cycle_done(record: Record, options: Webhook) -> None:
    message = message_of(record)
    if message is None:
        return
    request = urllib.request.Request(
        options.url,
        json.dumps(message).encode(),
        {"Content-Type": "application/json", **options.headers},
        method="POST",
    )
    try:
        with (
            within(float(options.timeout)),
            urllib.request.urlopen(request, timeout=float(options.timeout)),
        ):
            pass
    except (OSError, ValueError) as error:
        # Raising in three consecutive cycles would set this observer aside, and a receiver may be
        # away for longer. What an observer prints goes to irqbal's log.
        print(f"webhook: {options.url} did not get cycle {record.cycle}: {error}", flush=True)


def message_of(record: Record) -> dict[str, Any] | None:
    """The message about a cycle; None if nothing happened that is worth one."""
    plan = record.plan
    if not (plan.drifted or plan.failures or record.problem):
        return None
    return {
        "host": socket.gethostname(),
        "cycle": record.cycle,
        "time": record.wall,
        "drifted": list(plan.drifted),
        "failures": [
            {
                "policy": item.policy,
                "code": item.code,
                "reason": item.reason,
                "set_aside": item.aside,
            }
            for item in plan.failures
        ],
        "problem": record.problem,
    }


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so many seconds in all; urllib's own timeout starts again with every
    packet.
    """

    def raise_timeout(*_: object) -> None:
        raise TimeoutError(f"no answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
