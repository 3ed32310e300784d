"""What `irqbal trial` was asked for, and the user's command that it runs in each window."""

from __future__ import annotations

import re
import subprocess
import time

import msgspec

from irqbal.render.progress import Working
from irqbal.trials.record import TrialRecord
from irqbal.wire import Duration

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
    """One run of the user's command, by a shell of the user's own."""

    def __init__(self, command: str) -> None:
        self._process = subprocess.Popen(
            command,
            shell=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    @property
    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def number(self, patience: float) -> float | None:
        """The last number that it printed, waiting so many seconds for its end; None if it failed,
        printed none, or took longer: then it is ended.
        """
        try:
            out, _ = self._process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            self.end()
            return None
        return last_number(out) if self._process.returncode == 0 else None

    def end(self) -> None:
        """End it and all that it started."""
        if self._process.poll() is None:
            subprocess.run(["kill", "--", f"-{self._process.pid}"], check=False)
            self._process.wait()


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
