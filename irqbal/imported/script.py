"""Running irqbalance's policy scripts once for each IRQ, in a process that has given up root:
`python -m irqbal.imported.script`.

The job comes in as JSON, the answers go out as JSON lines. Scripts get what irqbalance gives them:
the device's path in sysfs (`/sys` for an IRQ of no device) and the IRQ's number.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from irqbal.errors import HostError
from irqbal.plugins import bounds
from irqbal.plugins.confinement import drop_root

TIMEOUT = 5.0
"""Seconds that a script may take for one IRQ."""
TIMEOUTS = 3
"""After so many IRQs for which it took longer it is not asked again."""
OUTPUT = 1 << 16


class ScriptAnswer(msgspec.Struct, frozen=True):
    """What became of one IRQ: the scripts' output, or why there is none."""

    irq: int
    output: str = ""
    trouble: str = ""


def run(script: Path, irqs: Mapping[int, str], timeout: float = TIMEOUT) -> Iterator[ScriptAnswer]:
    """Ask the script (or all executable files of a folder, in order of their names) about each IRQ:
    number -> device path.

    Raises HostError if there is nothing to run.
    """
    try:
        folder = script.is_dir()
        files = sorted(path for path in script.iterdir() if _runs(path)) if folder else [script]
    except OSError as error:
        raise HostError(f"the policy script {script} cannot be read: {error.strerror}") from error
    if not folder and not _runs(script):
        raise HostError(f"the policy script {script} is not an executable file")
    with tempfile.TemporaryDirectory(prefix="irqbal-script-") as copies:
        Path(copies).chmod(0o755)
        job = {
            "scripts": [str(_reachable(path, Path(copies))) for path in files],
            "irqs": list(irqs.items()),
            "timeout": timeout,
        }
        with subprocess.Popen(
            [sys.executable, "-I", "-m", "irqbal.imported.script"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            text=True,
        ) as child:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(json.dumps({**job, "folder": folder}))
            child.stdin.close()
            for line in child.stdout:
                yield msgspec.json.decode(line, type=ScriptAnswer)
        if child.returncode:
            raise HostError(f"the process that runs {script} ended with status {child.returncode}")


def _runs(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & 0o111)


def _reachable(path: Path, copies: Path) -> Path:
    """The script itself, or a copy where only root may read it: it is run by somebody who owns
    nothing.
    """
    real = path.resolve()
    if real.stat().st_mode & 0o005 == 0o005 and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in real.parents
    ):
        return real
    copy = copies / path.name
    shutil.copyfile(real, copy)
    copy.chmod(0o755)
    return copy


def _ask(scripts: list[str], folder: bool, device: str, irq: int, timeout: float) -> ScriptAnswer:
    """One IRQ. A lone script must end with 0; in a folder 0 ends the search, 1 has no opinion,
    anything else is an error.
    """
    troubles = []
    for script in scripts:
        # A file, not a pipe: what a script leaves running must not hold the answer up.
        with os.fdopen(os.memfd_create("said"), "w+b") as out:
            try:
                child = subprocess.Popen(
                    [script, device, str(irq)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                )
            except OSError as error:
                return ScriptAnswer(irq, trouble=f"it cannot be run: {error.strerror}")
            try:
                status = child.wait(timeout)
            except subprocess.TimeoutExpired:
                return ScriptAnswer(irq, trouble=f"it took longer than {timeout:g} s")
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            output = os.pread(out.fileno(), OUTPUT, 0).decode(errors="replace")
        if status == 0:
            return ScriptAnswer(irq, output)
        if not (folder and status == 1):
            troubles.append(f"it ended with status {status}, so what it said is ignored")
    return ScriptAnswer(irq, trouble="; ".join(troubles))


def main() -> None:
    """Give up root, then ask."""
    job = json.load(sys.stdin)
    drop_root()
    limits = [
        (resource.RLIMIT_AS, bounds.HOST_MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, OUTPUT),
        (resource.RLIMIT_NOFILE, 256),
    ]
    for which, value in limits:
        resource.setrlimit(which, (value, value))
    late = 0
    for irq, device in job["irqs"]:
        if late < TIMEOUTS:
            answer = _ask(job["scripts"], job["folder"], device, irq, job["timeout"])
            late += "took longer" in answer.trouble
        else:
            answer = ScriptAnswer(irq, trouble=f"not asked: it took too long for {TIMEOUTS} IRQs")
        print(msgspec.json.encode(answer).decode(), flush=True)


if __name__ == "__main__":
    main()
