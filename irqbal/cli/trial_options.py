"""What `irqbal trial` was asked for, and the user's command that it runs in each window."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time

import msgspec

from irqbal.render.progress import Working
from irqbal.trials.record import TrialRecord
from irqbal.wire import Duration

TAIL = 65536
"""Bytes at the end of what the command printed in which its number is looked for."""
PATIENCE = 5.0
"""Seconds that a command has to end when it is asked to."""
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class TrialOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the command; `learn` is in seconds. `command` is empty if there is none."""

    id: str
    against: str
    window: Duration
    windows: int
    settle: Duration
    command: str
    more_is_better: bool
    learn: float
    force: bool


class UsersCommand:
    """One run of the user's command, by a shell of the user's own. What it prints goes to a file:
    a pipe that nobody reads would stop it.
    """

    def __init__(self, command: str) -> None:
        self._out = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            start_new_session=True,
        )

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def number(self) -> float | None:
        """The last number that it printed; None if it failed, printed none, or still runs: then it
        is ended.
        """
        if not self.is_done or self._process.returncode:
            self.end()
            return None
        size = self._out.seek(0, os.SEEK_END)
        self._out.seek(max(0, size - TAIL))
        text = self._out.read().decode(errors="replace")
        self.end()
        return last_number(text)

    def end(self) -> None:
        """End it and all that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
                break
        self._out.close()


def last_number(text: str) -> float | None:
    """The last number in a text; None if there is none."""
    found = _NUMBER.findall(text)
    return float(found[-1]) if found else None


def tell(progress: Working, record: TrialRecord) -> None:
    """Show where a trial is."""
    left = "" if record.ends is None else f", {_left(record.ends - time.time())} left"
    what = "settling" if record.phase == "settling" else "measuring"
    progress.tell(
        f"window {record.window + 1} of {record.windows}, side {record.side.upper()}: {what}{left}",
        float(record.windows),
    )
    progress.done(float(record.window))


def _left(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
