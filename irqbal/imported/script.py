"""Running irqbalance's policy scripts once for each IRQ, in a process that has given up root:
`python -m irqbal.imported.script`.

The process reads a job (ScriptJob) as JSON, and prints an answer (ScriptAnswer) for each IRQ as a
line of JSON. Scripts have the arguments that irqbalance gives them: the device's path in sysfs
(`/sys` for an IRQ of no device) and the IRQ's number.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from irqbal.errors import HostError
from irqbal.kernel.files import confining_root, names, open_file, read_bytes
from irqbal.plugins import bounds, namespaces
from irqbal.plugins.confinement import drop_root, lower_limit
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
    (number -> device path). `folder`: the scripts are those of a folder. `descriptors` are those
    through which scripts are run that not every user can read.
    """

    scripts: tuple[str, ...]
    descriptors: tuple[int, ...]
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
        folder = stat.S_ISDIR(_status(script).st_mode)
        files = (
            [script / name for name in names(script) if _is_executable(script / name)]
            if folder
            else [script]
        )
    except OSError as error:
        raise HostError(f"the policy script {script} cannot be read: {error.strerror}") from error
    if not folder and not _is_executable(script):
        raise HostError(f"the policy script {script} is not an executable file")
    with contextlib.ExitStack() as stack:
        opened = [_descriptor(path, stack) for path in files]
        job = ScriptJob(
            scripts=tuple(
                f"/proc/self/fd/{fd}" if fd is not None else str(path.resolve())
                for path, fd in zip(files, opened, strict=True)
            ),
            descriptors=tuple(fd for fd in opened if fd is not None),
            folder=folder,
            irqs=irqs,
            timeout=timeout,
        )
        with subprocess.Popen(
            [sys.executable, "-I", "-m", "irqbal.imported.script"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            pass_fds=job.descriptors,
        ) as child:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(msgspec.json.encode(job))
            child.stdin.close()
            for line in child.stdout:
                yield from_json(line, ScriptAnswer)
        if child.returncode:
            raise HostError(f"the process that runs {script} ended with status {child.returncode}")


def _status(path: Path) -> os.stat_result:
    """Raises OSError."""
    fd = open_file(path, os.O_PATH)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def _is_executable(path: Path) -> bool:
    try:
        mode = _status(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def _is_public(real: Path) -> bool:
    """Whether every user can read and run this file where it is."""
    try:
        return real.stat().st_mode & 0o005 == 0o005 and all(
            parent.stat().st_mode & stat.S_IXOTH for parent in real.parents
        )
    except OSError:
        return False


def _descriptor(path: Path, stack: contextlib.ExitStack) -> int | None:
    """None if every user can run the script where it is. Else a descriptor of a copy in memory,
    which only the child gets and nobody can change: the script may hold a password. Raises
    HostError.
    """
    real = path.resolve()
    if not confining_root(str(path)) and _is_public(real):
        return None
    data = read_bytes(path)
    fd = os.memfd_create("script", os.MFD_ALLOW_SEALING)
    stack.callback(os.close, fd)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(data)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


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
                    pass_fds=job.descriptors,
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
        lower_limit(which, value)
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
