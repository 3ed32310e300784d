"""Asking the daemon beside the screen: the client blocks, and the screen must not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import msgspec

from irqbal.api.contract import responses
from irqbal.client.http import Client, RequestRefused
from irqbal.errors import IrqbalError

T = TypeVar("T")

AGAIN = (0.5, 1.0, 2.0, 5.0)
"""Seconds until the daemon is tried again; the last ones go on."""
TEMPORARY = frozenset({429, 503})
"""Refusals that may pass."""
SHORTEST, LONGEST = 0.25, 10.0
"""Seconds between two looks, whatever the daemon's interval is: people overrule it between its
cycles.
"""


class Reading(msgspec.Struct, frozen=True):
    """What the daemon said, at one time."""

    status: responses.Status
    irqs: tuple[responses.IrqView, ...]
    cpus: tuple[responses.CpuView, ...]


class EventFeed:
    """Looks at the daemon at its interval until it is stopped; `tell` gets what it said, or why it
    said nothing.

    Its thread is a daemon's: whoever quits does not wait for an answer that may take half a minute
    not to come.
    """

    def __init__(self, client: Client, tell: Callable[[Reading | IrqbalError], None]) -> None:
        self._client, self._tell = client, tell
        self._wake = threading.Event()
        self._changes = 0
        self._stopped = False

    def start(self) -> None:
        """Look from now on."""
        threading.Thread(target=self._run, name="irqbal-top", daemon=True).start()

    def look(self) -> None:
        """Look now: something was changed. What was asked for before, and is not there yet, may be
        of before: it is not told.
        """
        self._changes += 1
        self._wake.set()

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        self._wake.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopped:
            self._wake.clear()
            changes = self._changes
            try:
                status = self._client.ask("status", responses.Status)
                irqs = self._client.ask("irqs", tuple[responses.IrqView, ...])
                cpus = self._client.ask("cpus", tuple[responses.CpuView, ...])
                said: Reading | IrqbalError = Reading(status, irqs, cpus)
                failures, pause = 0, min(max(float(status.interval), SHORTEST), LONGEST)
            except IrqbalError as error:
                said, pause = error, AGAIN[min(failures, len(AGAIN) - 1)]
                failures += 1
            if self._stopped:
                return
            if changes != self._changes and isinstance(said, Reading):
                continue
            self._tell(said)
            self._wake.wait(pause)


def beside(ask: Callable[[], T], done: Callable[[T | IrqbalError], None]) -> None:
    """Ask the daemon something beside the screen; `done` is called there with the answer, or with
    why there is none.
    """

    def run() -> None:
        try:
            said: T | IrqbalError = ask()
        except IrqbalError as error:
            said = error
        done(said)

    threading.Thread(target=run, name="irqbal-top-ask", daemon=True).start()


def sentence(error: IrqbalError) -> str:
    """Why it failed, and for those who lack a token, what to do."""
    text = "; ".join(str(error).split("\n"))
    if isinstance(error, RequestRefused) and error.status in (401, 403):
        text += " (--token-file FILE or IRQBAL_TOKEN holds your token)"
    return text
