"""The contract of policies, checked in a process of its own, so that one that hangs or crashes is
reported, not suffered.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from irqbal.plugins import bounds

BUDGET = 1.0
"""Seconds of CPU that one call may take on 512 CPUs with 2049 IRQs: half of the daemon's deadline,
since hosts differ.
"""


class ContractFinding(msgspec.Struct, frozen=True):
    """One way in which a policy breaks the contract: `code` for machines, `text` for people."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class BrokenPromise(AssertionError):
    """A policy does what it must not; `findings` are all of it, one line each."""

    def __init__(self, name: str, findings: tuple[ContractFinding, ...]) -> None:
        super().__init__(
            "\n".join(
                [
                    f"the policy {name} breaks its contract:",
                    *(f"  {finding}" for finding in findings),
                ]
            )
        )
        self.findings = findings


def check_policy(
    module: ModuleType | str,
    options: Mapping[str, Any] | None = None,
    *,
    deadline: float = bounds.HOOK_DEADLINE,
) -> None:
    """Raise BrokenPromise unless the policy keeps the contract: pure, its options documented and
    wrong ones refused, no offline CPU and no unmovable IRQ asked for, at rest once balanced, fast
    on a large host, and nothing of what it is given changed.

    `module` is the policy's module or its importable name; `options` are as the YAML would have
    them; `deadline` is seconds a call. An observer's irqbal_cycle_done is called once, and may use
    files, clock and network.
    """
    findings = examine(module, options, deadline=deadline)
    if findings:
        raise BrokenPromise(module if isinstance(module, str) else module.__name__, findings)


def examine(
    module: ModuleType | str,
    options: Mapping[str, Any] | None = None,
    *,
    deadline: float = bounds.HOOK_DEADLINE,
) -> tuple[ContractFinding, ...]:
    """What check_policy would raise for, in the order in which it was found."""
    name, file = (
        (module, "")
        if isinstance(module, str)
        else (module.__name__, getattr(module, "__file__", None) or "")
    )
    job = {"module": name, "file": str(file), "options": dict(options or {}), "budget": BUDGET}
    first = _Probe(job, deadline, hash_seed=1)
    if first.findings or first.ended:
        return first.findings
    # Sets of text come out in another order in every process: a policy that walks one decides anew
    # at every restart.
    second = _Probe({**job, "only_cases": True}, deadline, hash_seed=2)
    differing = [
        case for case, digest in first.digests.items() if second.digests.get(case, digest) != digest
    ]
    if differing and not second.findings:
        where = ", ".join(differing)
        return (
            ContractFinding(
                "impure",
                f"{where}: another process gives another answer: it walks a set, or uses hash() or "
                "id()",
            ),
        )
    return second.findings


class _Probe:
    """One run of `irqbal.testing.probe`, watched."""

    def __init__(self, job: dict[str, Any], deadline: float, hash_seed: int) -> None:
        self.digests: dict[str, str] = {}
        self.ended = False
        self._found: dict[ContractFinding, None] = {}
        self._at, self._limit, self._deadline = "the start", bounds.START_DEADLINE, deadline
        read_end, write_end = os.pipe()
        paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
        env = {
            **os.environ,
            "PYTHONPATH": paths,
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "irqbal.testing.probe", str(write_end), json.dumps(job)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=(write_end,),
                start_new_session=True,
                env=env,
            )
            os.close(write_end)
            try:
                self._watch(read_end, process)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                os.close(read_end)
                self._last_words = _end_of(said)
        if self.ended and (
            self._at == "the start"
            or "irqbal/testing/probe.py" in self._last_words.split("Traceback")[-1]
        ):
            raise RuntimeError(f"irqbal's own check failed: {self._last_words}")

    @property
    def findings(self) -> tuple[ContractFinding, ...]:
        """What was found, each once."""
        return tuple(self._found)

    def _watch(self, read_end: int, process: subprocess.Popen[bytes]) -> None:
        buffer, until = b"", time.monotonic() + self._limit
        while True:
            ready, _, _ = select.select([read_end], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self._end(
                    "deadline",
                    f"{self._at} did not return within {self._limit:g} s; the daemon would set it "
                    "aside",
                )
                return
            piece = os.read(read_end, 1 << 16)
            if not piece:
                status = process.wait()
                how = f"signal {-status}" if status < 0 else f"status {status}"
                self._end(
                    "crashed",
                    f"{self._at} ended the process, with {how}; the daemon would set it aside",
                )
                return
            *lines, buffer = (buffer + piece).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "done" in message:
                    return
                self._take(message)
                until = time.monotonic() + self._limit

    def _take(self, message: dict[str, str]) -> None:
        if "at" in message:
            self._at = message["at"]
            self._limit = bounds.IMPORT_DEADLINE if self._at == "its import" else self._deadline
        elif "code" in message:
            self._found[ContractFinding(message["code"], message["text"])] = None
        else:
            self.digests[message["case"]] = message["digest"]

    def _end(self, code: str, text: str) -> None:
        self.ended = True
        self._found[ContractFinding(code, text)] = None


def _end_of(said: Any) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 2000))
    text: str = said.read().decode(errors="replace")
    return text.strip()
