"""What the API requires of the process that serves it.

A daemon serves its own host; a central server serves the hosts of a store. Both implement
`Backend`, which hands out hosts. Every host can be read (`ReadHost`); a host whose daemon is this
process can also be changed (`ControlHost`).

The loop's thread calls all methods. Methods that may wait are coroutines. They raise ApiError for
what the client must learn; the server also maps other IrqbalErrors to a status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from irqbal.api import requests, responses
from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.store import Query
from irqbal.model.plan import Explained, Record
from irqbal.model.view import Irq, Override, Snapshot
from irqbal.trials.record import TrialRecord


class ApiError(IrqbalError):
    """A request that is answered with this error status, code, message and headers.

    `candidates` lists the names that an ambiguous name may mean; `problems` lists each fault of a
    refused document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        candidates: Sequence[str] = (),
        problems: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = responses.ErrorBody(
            responses.Problem(code, message, tuple(candidates), tuple(problems))
        )
        self.headers = dict(headers or {})


class Caller(msgspec.Struct, frozen=True):
    """The author of a request: `token ci`, `root` or `anonymous`, and the address."""

    who: str
    address: str

    def __str__(self) -> str:
        return f"{self.who} from {self.address}"


class View(msgspec.Struct, frozen=True):
    """The last cycle: the host's snapshot, the cycle's record, and each IRQ's interrupts since it
    was set up, by IRQ number. `version` changes with every cycle and every write. `wall` is the
    moment of the snapshot in seconds since the epoch.
    """

    version: int
    snapshot: Snapshot
    record: Record
    totals: Mapping[int, int]
    wall: float = 0.0


class OverrideResult(msgspec.Struct, frozen=True):
    """An override that was set or cleared, the result of the write, and the IRQ's mask after it
    (None if there is no such IRQ now). `before` is its mask before, `policy` the one that placed
    it, and `moves` are those of other IRQs in the same cycle.
    """

    override: Override
    result: str
    detail: str
    affinity: CpuSet | None
    warnings: tuple[str, ...] = ()
    before: CpuSet | None = None
    policy: str = ""
    moves: tuple[responses.MoveView, ...] = ()


class InstalledPolicy(msgspec.Struct, frozen=True):
    """A policy of an installed distribution. `schema` is the JSON schema of its options as text
    (empty: not loaded); `position` its place in the YAML (None: not enabled).
    """

    name: str
    distributions: tuple[str, ...]
    about: str = ""
    options: object = None
    schema: str = ""
    position: int | None = None
    problem: str = ""


class Subscription(Protocol):
    """One listener's queue of encoded events."""

    async def next(self) -> bytes | None:
        """The next event; None once this listener was dropped or the events ended."""

    def close(self) -> None:
        """Unsubscribe: waiting events are discarded, and `next` returns None."""


class ReadHost(Protocol):
    """A host that can be read: the daemon's own, or one of a central store."""

    name: str

    def status(self) -> responses.Status:
        """The state of the daemon on this host."""

    async def refresh(self) -> None:
        """Bring what `status` shows up to date, as far as that takes no more than a moment."""

    async def view(self) -> View | None:
        """The last cycle, with a snapshot that is at most one cycle old; None before the first."""

    def overrides(self) -> tuple[Override, ...]:
        """The overrides in force."""

    def findings(self, view: View) -> responses.FindingsAnswer:
        """The verdict on the host as this view has it, and what to do."""

    async def explain(self, irq: Irq, now: bool) -> Explained:
        """The limits, claims and refusals of one IRQ, in the order in which they applied, in the
        plan that placed it; `now`: in a new plan.
        """

    async def policies(self) -> list[InstalledPolicy]:
        """Installed policies: the enabled ones first, in the YAML's order."""

    async def states(self) -> list[IrqState]:
        """Every IRQ of which the history holds samples."""

    async def series(self, query: Query) -> list[Point]:
        """Interrupts by step. Steps without samples are left out."""

    async def samples(self, start: float, end: float, limit: int) -> list[Sample]:
        """The newest `limit` samples between two moments (seconds since the epoch), oldest
        first.
        """

    async def decisions(
        self, start: float, end: float, identity: str, limit: int
    ) -> list[Decision]:
        """The newest `limit` decisions between two moments (seconds since the epoch), newest first;
        with an identity, of this IRQ alone.
        """

    def subscribe(self) -> Subscription:
        """One event a cycle from now on. Raises ApiError if there are too many listeners."""


class Trials(Protocol):
    """The trials of a host: two placements in turns."""

    async def all(self) -> tuple[TrialRecord, ...]:
        """All that are known, the newest first."""

    async def get(self, name: str) -> TrialRecord:
        """One of them. Raises ApiError."""

    async def start(self, body: requests.TrialBody, caller: Caller) -> TrialRecord:
        """Begin one; balancing pauses until it ends. Raises ApiError."""

    async def beat(self, name: str, body: requests.TrialBeat) -> TrialRecord:
        """Its client is still there. Raises ApiError."""

    async def end(self, name: str, reason: str) -> TrialRecord:
        """End it now, and put everything back. Raises ApiError."""


@runtime_checkable
class ControlHost(ReadHost, Protocol):
    """A host whose daemon is this process: it can be changed, and its kernel can be read."""

    @property
    def trials(self) -> Trials:
        """The trials of this host."""

    async def irq_totals(self, identity: str) -> dict[int, int]:
        """Interrupts of one IRQ since it was set up, by CPU, as of the newest sample."""

    async def set_override(self, override: Override, number: int, caller: Caller) -> OverrideResult:
        """Save the override and write the mask of IRQ `number`. Raises ApiError if the kernel
        refuses.
        """

    async def clear_override(self, identity: str, caller: Caller) -> OverrideResult:
        """Clear an override; the policies place the IRQ at once. Raises ApiError if it has
        none.
        """

    async def dry_run(self, text: str | None) -> tuple[Record, Snapshot]:
        """Plan without writing; with YAML text, with its policies instead of the enabled ones."""

    async def cycle(self, caller: Caller) -> tuple[Record, Snapshot]:
        """Run a cycle now."""

    async def pause(self, seconds: float | None, caller: Caller) -> None:
        """Write nothing for this long; None: until `resume`."""

    async def resume(self, caller: Caller) -> None:
        """End a pause."""

    async def restore(self, caller: Caller) -> responses.RestoreAnswer:
        """Write every original mask back, and pause."""


class Backend(Protocol):
    """The process that serves the API. `central`: it may serve many hosts."""

    central: bool

    async def hosts(self) -> list[responses.HostView]:
        """A line on every host."""

    async def host(self, name: str | None) -> ReadHost | ControlHost:
        """The host of this name; None: the only one. Raises ApiError if there is no such host, or
        if the name is missing and there are several.
        """

    async def fleet_findings(self, code: str) -> list[responses.FindingView]:
        """The findings of every host; with a code, of this kind alone."""

    async def health(self, ready: bool) -> responses.Health:
        """Whether the process works; with `ready`, whether it can also answer from fresh data."""

    async def metrics(self) -> bytes:
        """All metrics in Prometheus' text format."""
