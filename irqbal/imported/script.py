"""Running irqbalance's policy scripts once for each IRQ, in a process that has given up root:
`python -m irqbal.imported.script`.

The process reads a job (ScriptJob) as JSON, and prints an answer (ScriptAnswer) for each IRQ as a
line of JSON. Scripts have the arguments that irqbalance gives them: the device's path in sysfs
(`/sys` for an IRQ of no device) and the IRQ's number.
"""

from __future__ import annotations

import contextlib
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
from irqbal.plugins import bounds, namespaces
from irqbal.plugins.confinement import drop_root
from irqbal.wire import from_json

TIMEOUT = 5.0
"""Seconds that a script may take for one IRQ, unless the user sets another time."""
MAX_TIMEOUTS = 3
"""IRQs for which a script may take longer; for the others it is not run."""
MAX_OUTPUT = 1 << 16
"""Bytes of a script's output: far more than the four keys that it may set."""
MAX_FILES = 256
"""Descriptors that a script may have open, as a policy host may."""

_TOO_LONG = "it took longer than"


class ScriptJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the process has to do: run the first of these scripts that has an opinion, for each IRQ
    (number -> device path). `folder`: the scripts are those of a folder.
    """

    scripts: tuple[str, ...]
    folder: bool
    irqs: Mapping[int, str]
    timeout: float


class ScriptAnswer(msgspec.Struct, frozen=True):
    """The output of the scripts for one IRQ, or why there is none."""

    irq: int
    output: str = ""
    trouble: str = ""


def run(script: Path, irqs: Mapping[int, str], timeout: float = TIMEOUT) -> Iterator[ScriptAnswer]:
    """Run the script (or all executable files of a folder, in order of their names) for each IRQ
    (number -> device path), for at most `timeout` seconds.

    Raises HostError if there is nothing to run, or if the process that runs it fails.
    """
    try:
        folder = script.is_dir()
        files = (
            sorted(path for path in script.iterdir() if _is_executable(path))
            if folder
            else [script]
        )
    except OSError as error:
        raise HostError(f"the policy script {script} cannot be read: {error.strerror}") from error
    if not folder and not _is_executable(script):
        raise HostError(f"the policy script {script} is not an executable file")
    with tempfile.TemporaryDirectory(prefix="irqbal-script-") as copies:
        Path(copies).chmod(0o755)
        job = ScriptJob(
            scripts=tuple(str(_public_path(path, Path(copies))) for path in files),
            folder=folder,
            irqs=irqs,
            timeout=timeout,
        )
        with subprocess.Popen(
            [sys.executable, "-I", "-m", "irqbal.imported.script"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
        ) as child:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(msgspec.json.encode(job))
            child.stdin.close()
            for line in child.stdout:
                yield from_json(line, ScriptAnswer)
        if child.returncode:
            raise HostError(f"the process that runs {script} ended with status {child.returncode}")


def _is_executable(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & 0o111)


def _public_path(path: Path, copies: Path) -> Path:
    """The script itself if every user can run it there, else a copy in the folder `copies`."""
    real = path.resolve()
    if real.stat().st_mode & 0o005 == 0o005 and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in real.parents
    ):
        return real
    copy = copies / path.name
    shutil.copyfile(real, copy)
    copy.chmod(0o755)
    return copy


def _run_for(job: ScriptJob, irq: int) -> ScriptAnswer:
    """Run the scripts for one IRQ. A single script must exit with status 0. Of a folder's scripts
    the first that exits with 0 counts; 1 means that it has no opinion, and more is an error.
    """
    troubles = []
    for script in job.scripts:
        # A file, not a pipe: a program that the script leaves running would keep a pipe open.
        with os.fdopen(os.memfd_create("output"), "w+b") as out:
            try:
                child = subprocess.Popen(
                    [script, job.irqs[irq], str(irq)],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                )
            except OSError as error:
                return ScriptAnswer(irq, trouble=f"it cannot be run: {error.strerror}")
            try:
                status = child.wait(job.timeout)
            except subprocess.TimeoutExpired:
                return ScriptAnswer(irq, trouble=f"{_TOO_LONG} {job.timeout:g} s")
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            output = os.pread(out.fileno(), MAX_OUTPUT, 0).decode(errors="replace")
        if status == 0:
            return ScriptAnswer(irq, output)
        if not (job.folder and status == 1):
            troubles.append(f"it ended with status {status}, so its output is ignored")
    return ScriptAnswer(irq, trouble="; ".join(troubles))


def main() -> None:
    """Give up root, and do the job."""
    job = from_json(sys.stdin.buffer.read(), ScriptJob)
    if os.geteuid() == 0:
        namespaces.enter(network=False, folders=())
    drop_root("policies")
    limits = [
        (resource.RLIMIT_AS, bounds.HOST_MEMORY),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_OUTPUT),
        (resource.RLIMIT_NOFILE, MAX_FILES),
    ]
    for which, value in limits:
        resource.setrlimit(which, (value, value))
    late = 0
    for irq in job.irqs:
        if late < MAX_TIMEOUTS:
            answer = _run_for(job, irq)
            late += answer.trouble.startswith(_TOO_LONG)
        else:
            answer = ScriptAnswer(irq, trouble=f"not run: it took too long for {MAX_TIMEOUTS} IRQs")
        print(msgspec.json.encode(answer).decode(), flush=True)


if __name__ == "__main__":
    main()
