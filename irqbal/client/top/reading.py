"""One reading of a daemon: what belongs together is of one moment."""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from irqbal.api.contract import responses
from irqbal.client.http import RequestRefused
from irqbal.client.top.connection import TopConnection
from irqbal.errors import IrqbalError

Extra = Literal["devices", "decisions"]
ATTEMPTS = 3
"""How often a reading is begun anew because the daemon measured meanwhile. Over a slow line it
always does; the last attempt then counts.
"""
FINDINGS_SECONDS, DECISIONS_SECONDS = 3.0, 2.0
"""The least time between two requests for what changes slowly."""
MOST_DECISIONS = 300
OLD_INTERVALS, OLD_SECONDS = 2.0, 2.0
"""A measurement is old after so many intervals of the daemon, and so many seconds: the clocks are
compared to half a second.
"""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon's state at one time.

    `findings` is None if the daemon has none yet, or is older than they are; `devices` and
    `decisions` are None if nobody wants them. `no_decisions` says why there are none. `age` is that
    of the measurement when it was read, in seconds, if it is old, else 0.
    """

    status: responses.Status
    irqs: tuple[responses.IrqView, ...]
    cpus: tuple[responses.CpuView, ...]
    findings: responses.FindingsAnswer | None = None
    devices: tuple[responses.DeviceView, ...] | None = None
    decisions: tuple[responses.DecisionView, ...] | None = None
    no_decisions: str = ""
    age: float = 0.0


class StateReader:
    """Reads the daemon's state. `wanted` is what a reading has besides status, CPUs and IRQs."""

    def __init__(self, connection: TopConnection) -> None:
        self.connection = connection
        self.wanted: frozenset[Extra] = frozenset()
        self._findings: responses.FindingsAnswer | None = None
        self._decisions: tuple[responses.DecisionView, ...] | None = None
        self._no_decisions = ""
        self._findings_at = self._decisions_at = float("-inf")

    def expire(self) -> None:
        """Something was changed, so read again what is otherwise kept for some seconds."""
        self._findings_at = self._decisions_at = float("-inf")

    def read(self) -> Reading:
        """Raises DaemonUnreachable, RequestRefused."""
        ask, wanted = self.connection.read, self.wanted
        status = ask("status", responses.Status)
        for _attempt in range(ATTEMPTS):
            irqs = ask("irqs", tuple[responses.IrqView, ...])
            cpus = ask("cpus", tuple[responses.CpuView, ...])
            devices = (
                ask("devices", tuple[responses.DeviceView, ...]) if "devices" in wanted else None
            )
            before, status = status, ask("status", responses.Status)
            if _moment(before) == _moment(status):
                break
        self._read_findings()
        if "decisions" in wanted:
            self._read_decisions()
        return Reading(
            status=status,
            irqs=irqs,
            cpus=cpus,
            findings=self._findings,
            devices=devices,
            decisions=self._decisions if "decisions" in wanted else None,
            no_decisions=self._no_decisions,
            age=self._age(status),
        )

    def _age(self, status: responses.Status) -> float:
        measured = _moment(status)
        age = 0.0 if measured is None else self.connection.now - measured
        return age if age > max(OLD_SECONDS, OLD_INTERVALS * float(status.interval)) else 0.0

    def _read_findings(self) -> None:
        now = time.monotonic()
        if now - self._findings_at < FINDINGS_SECONDS:
            return
        self._findings_at = now
        try:
            self._findings = self.connection.read("findings", responses.FindingsAnswer)
        except IrqbalError:
            # An older daemon knows no such route, one that starts has none yet. The rest of the
            # reading is there all the same.
            self._findings = None

    def _read_decisions(self) -> None:
        now = time.monotonic()
        if now - self._decisions_at < DECISIONS_SECONDS:
            return
        self._decisions_at = now
        try:
            self._decisions = self.connection.read(
                "decisions",
                tuple[responses.DecisionView, ...],
                query={"limit": MOST_DECISIONS},
            )
            self._no_decisions = ""
        except RequestRefused as error:
            self._no_decisions = str(error)


def _moment(status: responses.Status) -> float | None:
    """When the loads of this answer were measured; None if nothing was."""
    return None if status.last is None else status.last.measured
