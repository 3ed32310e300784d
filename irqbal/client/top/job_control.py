"""Stopping this job as Ctrl-Z does where the terminal makes the signal."""

from __future__ import annotations

import os
import signal


def stop_job() -> None:
    """Stop this process and its job, until the shell lets it go on. The kernel ignores it where no
    shell could: SIGTSTP, unlike SIGSTOP, does not stop an orphaned process group.
    """
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    try:
        os.kill(0, signal.SIGTSTP)
    finally:
        signal.signal(signal.SIGTSTP, before)
