"""`irqbal trial` with a daemon that runs: it writes and measures, the user's command runs here."""

from __future__ import annotations

import time

from irqbal.api.contract import requests
from irqbal.cli.trial_options import TrialOptions, UsersCommand, tell
from irqbal.client.http import Client, local_socket
from irqbal.process.signals import OrderlyEnd
from irqbal.render.console import echo
from irqbal.render.progress import working
from irqbal.state.folders import Folders
from irqbal.trials.record import TrialRecord

POLL = 1.0
"""Seconds between two questions where the trial is; each says that this client is still there."""


def run_with_daemon(
    places: Folders, options: TrialOptions, policies: str | None, against: str | None
) -> TrialRecord:
    """Ask the running daemon for a trial, and wait for its end. Signals end it early. Raises
    RequestRefused, DaemonUnreachable.
    """
    client = Client(local_socket(places.run))
    body = requests.TrialBody(
        policies=policies,
        against=against,
        window=options.window,
        windows=options.windows,
        settle=options.settle,
        command=bool(options.command),
        more_is_better=options.more_is_better,
    )
    record = client.ask("start_trial", TrialRecord, body=body)
    echo(
        f"irqbal: trial {record.id}: A: {record.a}; B: {record.b}; {record.changes} masks and "
        f"settings differ; balancing pauses for about {record.plan.seconds / 60:.0f} min; Ctrl-C "
        "ends it and puts everything back",
        err=True,
    )
    follower = _Follower(client, options, record)
    with OrderlyEnd(follower.ask_for_the_end):
        return follower.follow()


class _Follower:
    """Follows a trial that the daemon runs, and runs the user's command in each of its windows."""

    def __init__(self, client: Client, options: TrialOptions, record: TrialRecord) -> None:
        self._client, self._options, self._record = client, options, record
        self._is_ending = False
        self._command: UsersCommand | None = None
        self._window = -1

    def ask_for_the_end(self) -> None:
        """End the trial soon."""
        self._is_ending = True

    def follow(self) -> TrialRecord:
        """Wait until it has ended."""
        name = {"trial": self._record.id}
        try:
            with working("the first window begins") as progress:
                while self._record.phase != "ended":
                    if self._is_ending:
                        return self._client.ask("end_trial", TrialRecord, name)
                    tell(progress, self._record)
                    time.sleep(min(POLL, float(self._options.window) / 10))
                    self._record = self._client.ask(
                        "beat_trial", TrialRecord, name, body=self._next()
                    )
            return self._record
        finally:
            if self._command is not None:
                self._command.end()

    def _next(self) -> requests.TrialBeat:
        """What to say to the daemon: the number of a window, once its command has ended."""
        record = self._record
        if not self._options.command:
            return requests.TrialBeat()
        if record.phase == "measuring" and record.window != self._window:
            if self._command is not None:
                self._command.end()
            self._command, self._window = UsersCommand(self._options.command), record.window
        if self._command is None or not self._command.is_done:
            return requests.TrialBeat()
        number = self._command.number()
        self._command = None
        return requests.TrialBeat(self._window, number)
