"""What the contract's check sends to its child process, and what the child reports: JSON, one
message a line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from irqbal.plugins import bounds


class ProbeJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the child shall check. `file`: where the module lies if no path leads to it; empty: the
    module is imported by its name. `only_cases`: skip what another process cannot do differently.
    The deadlines are wall-clock seconds of one call, and of the import.
    """

    module: str
    file: str
    options: Mapping[str, Any]
    only_cases: bool
    deadline: float
    import_deadline: float


class ProbeStep(msgspec.Struct, frozen=True, tag=True):
    """The child begins something that takes at most so many wall-clock `seconds`. `hook`: what the
    policy's code does now; empty: irqbal's own code runs.
    """

    hook: str
    seconds: float


class ProbeFinding(msgspec.Struct, frozen=True, tag=True):
    """The policy breaks the contract: see ContractFinding."""

    code: str
    text: str


class ProbeDigest(msgspec.Struct, frozen=True, tag=True):
    """A digest of everything that the policy answered on one host."""

    case: str
    digest: str


class ProbeDone(msgspec.Struct, frozen=True, tag=True):
    """The last message: everything was checked."""


ProbeMessage = ProbeStep | ProbeFinding | ProbeDigest | ProbeDone


class ProbeReporter:
    """The child's end of the pipe to its parent."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def send(self, message: ProbeMessage) -> None:
        """Send one message."""
        os.write(self._pipe, msgspec.json.encode(message) + b"\n")

    def finding(self, code: str, text: str) -> None:
        """Report that the policy breaks the contract."""
        self.send(ProbeFinding(code, text))

    def own_work(self) -> None:
        """Report that irqbal's own code runs from now on."""
        self.send(ProbeStep("", bounds.START_DEADLINE))
