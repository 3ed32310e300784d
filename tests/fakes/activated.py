"""Policy hosts as systemd starts them, by systemd-socket-activate: a process for each connection,
with the socket as its input.

Here they begin as root and give that up themselves, so that a checkout in a folder of root's own
can be tested, too.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import machine
from irqbal.plugins.process import HostKind


@contextlib.contextmanager
def hosts(folder: Path, python: Path | None = None) -> Iterator[Path]:
    """The folder of the three sockets, each of which is listened on; what was started is ended."""
    folder.mkdir(mode=0o700)
    log = folder.with_suffix(".log")
    started = []
    program = python or Path(sys.executable)
    try:
        for kind in get_args(HostKind):
            # What it prints goes to the log: --inetd makes the connection its output, too.
            script = f"exec {program} -I -m irqbal.plugins.policy_host 0 {kind} >&2"
            words = [
                "systemd-socket-activate",
                "--accept",
                "--inetd",
                "-l",
                str(folder / kind),
                "sh",
                "-c",
                script,
            ]
            with log.open("ab") as out:
                started.append(
                    subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
                )
            machine.wait_for((folder / kind).exists, log)
        yield folder
    finally:
        children = [pid for process in started for pid in _children(process.pid)]
        for process in started:
            process.terminate()
            process.wait(machine.WAIT)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
