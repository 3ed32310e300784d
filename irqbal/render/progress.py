"""What a command does meanwhile, on the last line of a terminal: gone once it is done, and nothing
at all where standard error is not a terminal. Never on standard output.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from irqbal.render.console import error_console, shows_progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_TICK = 0.2
"""Seconds between two steps of a bar while a command waits."""


class Working:
    """A line that says what is done now, with a bar where it is known how much there is to do."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress, self._task = progress, task

    def tell(self, text: str, total: float | None = None) -> None:
        """Something else is done from now on; `total`: how much of it there is, if that is
        known.
        """
        if self._progress is not None and self._task is not None:
            self._progress.reset(self._task, total=total, description=text)

    def done(self, amount: float) -> None:
        """So much of the total is done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=amount)

    def wait(self, seconds: float, text: str) -> None:
        """Sleep, with a bar over the time."""
        self.tell(text, seconds)
        started = time.monotonic()
        while (left := seconds - (time.monotonic() - started)) > 0:
            self.done(seconds - left)
            time.sleep(left if self._progress is None else min(left, _TICK))


@contextlib.contextmanager
def working(text: str, total: float | None = None) -> Iterator[Working]:
    """Show on standard error that this is being done, if that is a terminal."""
    if not shows_progress():
        yield Working(None, None)
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=error_console(),
        transient=True,
    )
    with progress:
        yield Working(progress, progress.add_task(text, total=total))
