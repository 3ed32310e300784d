"""How the test machine runs programs of this machine, and what goes wrong with it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class VmError(RuntimeError):
    """The guest could not be built, booted or talked to."""


class VmTimeoutError(VmError):
    """A script ran longer than it was allowed to; it was ended."""


def command(*words: str | Path, cwd: Path | None = None, timeout: float = 120) -> str:
    """What a program printed. Raises VmError with both outputs if it fails."""
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            timeout=timeout,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise VmError(f"{words[0]} is not installed (see the top of tests/vm/lab.py)") from error
    if done.returncode != 0:
        raise VmError(
            f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done.stdout


def three_tries(run: Callable[[], object]) -> None:
    """For a download: one that fails once mostly succeeds the next time."""
    for pause in (2, 5, 0):
        try:
            run()
            return
        except (VmError, subprocess.TimeoutExpired):
            if not pause:
                raise
            time.sleep(pause)
