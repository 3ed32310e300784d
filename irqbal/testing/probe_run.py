"""Running `irqbal.testing.probe` in a child process, and watching that it goes on."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import msgspec

from irqbal import wire
from irqbal.plugins import bounds
from irqbal.testing.messages import (
    ProbeDigest,
    ProbeDone,
    ProbeFinding,
    ProbeJob,
    ProbeMessage,
    ProbeStep,
)

_MESSAGE: Any = ProbeMessage
_QUOTED_OUTPUT = 2000
"""Bytes of the child's output that an error of irqbal's own quotes."""


class ProbeReport(msgspec.Struct, frozen=True):
    """What a run reported: each finding once, and a digest of the policy's answers by case."""

    findings: tuple[ProbeFinding, ...]
    digests: Mapping[str, str]


class _ProbeEnded(Exception):
    """The child ended, or takes too long for its present step."""

    def __init__(self, finding: ProbeFinding) -> None:
        super().__init__(finding.text)
        self.finding = finding


def run_probe(job: ProbeJob, hash_seed: int) -> ProbeReport:
    """Check a policy in a child process with this PYTHONHASHSEED. Raises RuntimeError, with the end
    of the child's output, if irqbal's own code fails there.
    """
    read_end, write_end = os.pipe()
    with tempfile.TemporaryFile() as output:
        process = _start(job, hash_seed, write_end, output)
        os.close(write_end)
        run = _Run(process)
        try:
            run.follow(read_end)
        except _ProbeEnded as ended:
            _kill(process)
            text = _end_of(output)
            if not run.hook or "irqbal/testing/" in text.split("Traceback")[-1]:
                raise RuntimeError(f"irqbal's own check failed: {ended}: {text}") from None
            run.findings[ended.finding] = None
        finally:
            _kill(process)
            os.close(read_end)
    return ProbeReport(tuple(run.findings), run.digests)


def _start(job: ProbeJob, hash_seed: int, pipe: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", "irqbal.testing.probe", str(pipe), wire.to_json(job).decode()],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=(pipe,),
        start_new_session=True,
        env={
            **os.environ,
            "PYTHONPATH": paths,
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the child and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Run:
    """What one child reported so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.findings: dict[ProbeFinding, None] = {}
        self.digests: dict[str, str] = {}
        self.hook = ""
        """The policy's code that ran last; empty: none has run yet."""
        self._process = process
        self._step = ProbeStep("", bounds.START_DEADLINE)

    def follow(self, read_end: int) -> None:
        """Read messages until the child is done. Raises _ProbeEnded, or RuntimeError if the code
        that takes too long is irqbal's own.
        """
        poll = select.poll()
        poll.register(read_end, select.POLLIN)
        buffer, started = b"", self._clock()
        while True:
            left = self._step.seconds - (self._clock() - started)
            if not poll.poll(max(0.0, left) * 1000):
                # It may only have waited for a CPU since.
                if self._clock() - started < self._step.seconds:
                    continue
                raise self._too_slow()
            piece = os.read(read_end, 1 << 16)
            if not piece:
                raise self._crashed()
            *lines, buffer = (buffer + piece).split(b"\n")
            for line in lines:
                message = self._decode(line)
                if isinstance(message, ProbeDone):
                    return
                self._note(message)
                started = self._clock()

    def _clock(self) -> float:
        """Wall-clock seconds, without those in which the child waited for a CPU: the policy is not
        to blame for a busy machine. The second field of /proc/PID/schedstat is that time in
        nanoseconds (Documentation/scheduler/sched-stats.rst).
        """
        now = time.monotonic()
        try:
            fields = Path(f"/proc/{self._process.pid}/schedstat").read_text().split()
            return now - int(fields[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return now

    def _decode(self, line: bytes) -> ProbeMessage:
        try:
            message: ProbeMessage = wire.from_json(line, _MESSAGE)
        except msgspec.DecodeError:
            raise _ProbeEnded(
                ProbeFinding("crashed", f"{self.hook} wrote into the connection to irqbal")
            ) from None
        return message

    def _note(self, message: ProbeStep | ProbeFinding | ProbeDigest) -> None:
        if isinstance(message, ProbeStep):
            self._step = message
            self.hook = message.hook or self.hook
        elif isinstance(message, ProbeFinding):
            self.findings[message] = None
        else:
            self.digests[message.case] = message.digest

    def _too_slow(self) -> Exception:
        if not self._step.hook:
            return RuntimeError(
                f"irqbal's own check did not go on within {self._step.seconds:g} s after "
                f"{self.hook or 'its start'}"
            )
        return _ProbeEnded(
            ProbeFinding(
                "deadline",
                f"{self._step.hook} did not return within {self._step.seconds:g} s; the daemon "
                "would set it aside",
            )
        )

    def _crashed(self) -> _ProbeEnded:
        try:
            status = self._process.wait(bounds.CRASH_GRACE)
        except subprocess.TimeoutExpired:
            how = "its connection to irqbal"
        else:
            how = f"the process, with {f'signal {-status}' if status < 0 else f'status {status}'}"
        return _ProbeEnded(
            ProbeFinding("crashed", f"{self.hook} ended {how}; the daemon would set it aside")
        )


def _end_of(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _QUOTED_OUTPUT))
    return output.read().decode(errors="replace").strip()
