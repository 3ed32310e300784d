"""What the API may ask of whoever answers: the daemon for its own host, or a central server for
many.

All methods of a Host are called on the loop; those that may wait are coroutines. Problems are
raised as ApiError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from irqbal.api import responses
from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.store import Query
from irqbal.model.plan import Record, Step
from irqbal.model.view import Override, Snapshot


class ApiError(IrqbalError):
    """A request that is answered with an error status; `candidates` and `problems` say more."""

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
    """Who asks (`token ci`, `root`, `anonymous`), and from where."""

    who: str
    address: str

    def __str__(self) -> str:
        return f"{self.who} from {self.address}"


class View(msgspec.Struct, frozen=True):
    """What the last cycle saw and did. `version` changes with every cycle and every write; `totals`
    are by IRQ number.
    """

    version: int
    snapshot: Snapshot
    record: Record
    totals: Mapping[int, int]


class Written(msgspec.Struct, frozen=True):
    """What became of an override."""

    override: Override
    result: str
    detail: str
    affinity: CpuSet | None
    warnings: tuple[str, ...] = ()


class Listing(msgspec.Struct, frozen=True):
    """An installed policy, before it is shown."""

    name: str
    distributions: tuple[str, ...]
    about: str = ""
    options: object = None
    schema: str = ""
    position: int | None = None
    problem: str = ""


class Subscription(Protocol):
    """One listener's queue of encoded events. A listener that does not keep up gets `None`, and no
    more.
    """

    async def next(self) -> bytes | None:
        """The next event, or None if this listener was dropped or the daemon ends."""

    def close(self) -> None:
        """No more, please."""

    def end(self) -> None:
        """Let `next` return None, now."""


class ControlHost(Protocol):
    """One host that can be asked."""

    name: str

    def status(self) -> responses.Status:
        """In a few lines."""

    async def view(self) -> View | None:
        """What is now, with the last cycle, or None before the first (or where there is no
        kernel).
        """

    def overrides(self) -> tuple[Override, ...]:
        """Present overrides."""

    async def explain(self, number: int) -> tuple[Step, ...]:
        """The chain of limits, claims and refusals of one IRQ."""

    async def policies(self) -> list[Listing]:
        """Installed policies, the enabled ones first and in order."""

    async def states(self) -> list[IrqState]:
        """IRQs that the history knows."""

    async def series(self, query: Query) -> list[Point]:
        """Counts by step."""

    async def samples(self, start: float, end: float, limit: int) -> list[Sample]:
        """Samples as recorded, the newest `limit` of them, oldest first."""

    async def irq_totals(self, identity: str) -> dict[int, int]:
        """Interrupts of one IRQ by CPU, as they were at the newest sample."""

    async def decisions(
        self, start: float, end: float, identity: str, limit: int
    ) -> list[Decision]:
        """The newest decisions first."""

    async def set_override(self, override: Override, number: int, caller: Caller) -> Written:
        """Persist, write and say what the kernel did."""

    async def clear_override(self, identity: str, caller: Caller) -> Written:
        """Take it away and let the policies place the IRQ."""

    async def dry_run(self, text: str | None) -> tuple[Record, Snapshot]:
        """A plan now; with YAML text, of other policies."""

    async def cycle(self, caller: Caller) -> tuple[Record, Snapshot]:
        """Run a cycle now."""

    async def pause(self, seconds: float | None, caller: Caller) -> None:
        """Write nothing until `resume`, or for so long."""

    async def resume(self, caller: Caller) -> None:
        """Go on."""

    async def restore(self, caller: Caller) -> responses.RestoreAnswer:
        """Put originals back and pause."""

    def subscribe(self) -> Subscription:
        """Listen to cycles. Raises ApiError if there are too many."""


class Backend(Protocol):
    """Whoever answers."""

    async def hosts(self) -> list[responses.HostView]:
        """Every host that can be asked."""

    async def host(self, name: str | None) -> ControlHost:
        """This one; None: the only one. Raises ApiError."""

    async def findings(self, code: str) -> list[responses.FindingView]:
        """What is not as it should be on any of them; with a code, of this kind."""

    async def health(self, ready: bool) -> responses.Health:
        """Alive, or ready."""

    async def metrics(self) -> bytes:
        """Prometheus' text format."""


class Subscribers:
    """Who listens. An event is encoded once; a queue that is full is a listener that is dropped,
    never waited for.
    """

    MOST = 64
    QUEUE = 32

    def __init__(self) -> None:
        self._queues: set[_Queue] = set()

    def subscribe(self) -> Subscription:
        """Raises ApiError if there are too many listeners."""
        if len(self._queues) >= self.MOST:
            raise ApiError(
                503,
                "too-many-listeners",
                f"{self.MOST} listeners are connected; close one, or poll /status",
            )
        queue = _Queue(self, self.QUEUE)
        self._queues.add(queue)
        return queue

    def forget(self, queue: _Queue) -> None:
        """It left."""
        self._queues.discard(queue)

    def tell(self, event: bytes) -> None:
        """Hand an event to all that keep up."""
        for queue in list(self._queues):
            queue.put(event)

    def end(self) -> None:
        """Send everybody home."""
        for queue in list(self._queues):
            queue.end()

    def __len__(self) -> int:
        return len(self._queues)


class _Queue:
    def __init__(self, home: Subscribers, size: int) -> None:
        self._home = home
        self._items: asyncio.Queue[bytes | None] = asyncio.Queue(size + 1)
        self._size = size

    def put(self, event: bytes) -> None:
        if self._items.qsize() >= self._size:
            self.end()
        else:
            self._items.put_nowait(event)

    def end(self) -> None:
        self._home.forget(self)
        while not self._items.empty():
            self._items.get_nowait()
        self._items.put_nowait(None)

    async def next(self) -> bytes | None:
        return await self._items.get()

    def close(self) -> None:
        self._home.forget(self)
