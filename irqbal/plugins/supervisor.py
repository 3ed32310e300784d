"""The daemon's side of the policy host: it starts the child, asks it, and ends it when it
misbehaves.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import struct
import threading
import time
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from irqbal import wire
from irqbal.errors import PolicyHostError
from irqbal.model.plan import Failure, Record
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import process, protocol
from irqbal.problems import LocatedProblem

log = logging.getLogger(__name__)
T = TypeVar("T")

DEADLINE = 2.0
"""Seconds that one call of one policy's hook may take."""
IMPORT_DEADLINE = 10.0
"""Seconds that importing one policy may take."""
PLANNER_DEADLINE = 10.0
"""Seconds for the child's own work before the first and after the last policy."""
START_DEADLINE = 30.0
"""Seconds for a child to start: on a cold or crowded host the interpreter alone may take many."""
RAISES_UNTIL_ASIDE = 3
"""Cycles in a row in which a policy may raise before it is set aside."""


class HostBlamed(Exception):
    """The child was ended; `index` is the policy that was running, or None."""

    def __init__(self, index: int | None, code: str, reason: str) -> None:
        super().__init__(reason)
        self.index, self.code, self.reason = index, code, reason


class SupervisorStopped(Exception):
    """The daemon is ending and took the child away."""


class HostChannel:
    """The conversation with one policy host. All its methods but `kill` belong to the thread that
    made it.
    """

    def __init__(self, kind: process.Kind, packages: Iterable[str]) -> None:
        self._process = process.start(kind, packages)
        self._sock = self._process.sock
        self._buffer = bytearray()
        self._answered = self._closed = False
        self._running: int | None = None
        self._decoder = msgspec.msgpack.Decoder(protocol.FromChild, dec_hook=wire.dec_hook)

    @property
    def pid(self) -> int | None:
        """The process that is talked to, as far as it is known."""
        return self._process.pid

    def ask(self, message: protocol.ToChild, wanted: type[T]) -> T:
        """Send a message and wait for its answer. Raises _Blamed after ending the child."""
        if self._buffer or _ready([self._sock.fileno()], False, 0.0)[0]:
            last, self._running = self._running, None
            # Raises, and blames nobody, if the child ended since it was last asked.
            self._step(memoryview(b""), time.monotonic() + 1)
            # It said more than its answer: that was forged by whoever ran then.
            self._running = last
            raise self._end("garbage", "it wrote into the channel to the daemon")
        self._running = None
        deadline = time.monotonic() + (PLANNER_DEADLINE if self._answered else START_DEADLINE)
        out = memoryview(protocol.pack(wire.to_msgpack(message)))
        while True:
            out = self._step(out, deadline)
            while (answer := self._next()) is not None:
                if isinstance(answer, protocol.HookStarted):
                    self._running = answer.index
                    limit = IMPORT_DEADLINE if answer.hook == "import" else DEADLINE
                    limit = PLANNER_DEADLINE if answer.index == protocol.PLANNER else limit
                    deadline = time.monotonic() + limit
                elif isinstance(answer, wanted):
                    self._answered = True
                    return answer
                else:
                    raise self._end("garbage", "it answered out of turn")

    def _step(self, out: memoryview, deadline: float) -> memoryview:
        """Wait until something can be sent or received. Returns what is still to be sent."""
        wait = deadline - time.monotonic()
        if wait <= 0:
            raise self._end("deadline", "it did not return in time")
        watched = [fd for fd in (self._sock.fileno(), self._process.output_fd) if fd >= 0]
        readable, writable = _ready(watched, bool(out), wait)
        try:
            if writable:
                out = out[self._sock.send(out[: 1 << 20]) :]
            if self._sock.fileno() in readable:
                piece = self._process.receive()
                if not piece:
                    raise self._end("crashed", "the process that ran it ended")
                self._buffer += piece
        except OSError:
            raise self._end("crashed", "the process that ran it ended") from None
        if self._process.output_fd in readable and not self._relay():
            # The child closed its output; the socket tells when it is gone, until then do not spin.
            time.sleep(0.01)
        return out

    def _relay(self) -> bool:
        """Log what the child printed: a few lines, the rest is dropped."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._process.output_fd, 1 << 16)
            for line in data.decode(errors="replace").splitlines()[:20]:
                log.info("a policy host printed: %s", line[:300])
            return bool(data)
        return True

    def _next(self) -> protocol.FromChild | None:
        if len(self._buffer) < 4:
            return None
        (size,) = struct.unpack_from("<I", self._buffer)
        if size > protocol.MAX_FRAME:
            raise self._end("garbage", "it wrote into the channel to the daemon")
        if len(self._buffer) < 4 + size:
            return None
        body = bytes(self._buffer[4 : 4 + size])
        del self._buffer[: 4 + size]
        try:
            answer: protocol.FromChild = self._decoder.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise self._end("garbage", "it wrote into the channel to the daemon") from None
        return answer

    def _end(self, code: str, reason: str) -> HostBlamed:
        self._drain()
        if code == "crashed":
            reason = f"{reason} {self._process.exit_reason(1.0)}"
        self.close()
        return HostBlamed(self._running, code, reason)

    def _drain(self) -> None:
        if self._process.output_fd >= 0:
            with contextlib.suppress(OSError):
                self._relay()

    def kill(self) -> None:
        """End the process; safe from any thread, and more than once."""
        self._process.kill()

    def close(self) -> None:
        """End the process and give its descriptors back."""
        if not self._closed:
            self._closed = True
            self._process.kill()
            self._process.close()


def _ready(watched: list[int], writing: bool, wait: float) -> tuple[set[int], bool]:
    """Wait for descriptors to be readable, or the first of them (`writing`) writable. poll, since
    select ends at 1024 descriptors, and a host with many IRQs keeps more files open.
    """
    poll = select.poll()
    for at, fd in enumerate(watched):
        poll.register(fd, select.POLLIN | (select.POLLOUT if writing and at == 0 else 0))
    found = dict(poll.poll(max(0.0, wait) * 1000))
    gone = select.POLLIN | select.POLLHUP | select.POLLERR
    return {fd for fd, events in found.items() if events & gone}, bool(
        found.get(watched[0], 0) & select.POLLOUT
    )


class PolicySupervisor:
    """The policies that the YAML names, run in a child that is started anew whenever one of them
    spoils it.

    All methods but `stop` are called from one thread.
    """

    def __init__(
        self, entries: Iterable[protocol.PolicyEntry], kind: process.Kind = "policies"
    ) -> None:
        self._entries = {entry.index: entry for entry in entries}
        self._kind = kind
        self._child: HostChannel | None = None
        self._lock = threading.Lock()
        self._stopped = False
        self._raises: dict[int, int] = {}
        self.aside: dict[int, Failure] = {}
        """Policies that are not asked any more, by index, with the reason."""

    def names(self) -> dict[int, str]:
        """The policies' names by index."""
        return {index: entry.found.name for index, entry in self._entries.items()}

    def spawn(self) -> None:
        """Start the child, which takes a while to be ready, unless it runs. Raises PolicyHostError,
        or Stopped after `stop`.
        """
        with self._lock:
            if self._stopped:
                raise SupervisorStopped
            if self._child is None:
                packages = {
                    entry.found.module.partition(".")[0] for entry in self._entries.values()
                }
                self._child = HostChannel(self._kind, sorted(packages))

    def bind(self) -> list[LocatedProblem]:
        """Load all policies. Problems with their options are returned; a policy that does not load
        is set aside.
        """
        problems: list[LocatedProblem] = []
        self._attempt(lambda: problems.extend(self._start()))
        return problems

    def describe(self) -> protocol.Described:
        """The options and one line about each policy that is bound."""
        described: list[protocol.Described] = []

        def ask() -> None:
            described.append(self._running_child().ask(protocol.Describe(), protocol.Described))

        self._attempt(ask)
        return described[-1] if described else protocol.Described({}, {})

    def plan(
        self, snapshot: Snapshot, ledger: Ledger, settings: Settings
    ) -> tuple[protocol.Answer, tuple[Failure, ...]]:
        """Ask for a plan; whoever hangs, crashes or talks garbage is set aside and the rest are
        asked again.

        Raises PolicyHostError if no child can be started at all, Stopped after `stop`.
        """
        failures: list[Failure] = []
        answers: list[protocol.Answer] = []

        def ask() -> None:
            answers.append(
                self._running_child().ask(protocol.Ask(snapshot, ledger, settings), protocol.Answer)
            )

        failures += self._attempt(ask)
        answer = answers[-1]
        failures += self._count(answer.raised)
        return answer, tuple(failures)

    def observe(self, record: Record) -> tuple[Failure, ...]:
        """Tell the observers of a cycle."""
        observed: list[protocol.Observed] = []

        def ask() -> None:
            observed.append(self._running_child().ask(protocol.Observe(record), protocol.Observed))

        failures = self._attempt(ask)
        return tuple(failures + (self._count(observed[-1].raised) if observed else []))

    def stop(self) -> None:
        """End the child now, from any thread; a call under way raises Stopped."""
        with self._lock:
            self._stopped = True
            if self._child is not None:
                self._child.kill()

    def close(self) -> None:
        """End the child and forget it."""
        with self._lock:
            if self._child is not None:
                self._child.close()
                self._child = None

    @property
    def pid(self) -> int | None:
        """The present child's process id."""
        return None if self._child is None else self._child.pid

    def _attempt(self, work: object) -> list[Failure]:
        """Do the work; as long as it fails with somebody to blame, set him aside and try again."""
        assert callable(work)
        failures: list[Failure] = []
        unblamed = 0
        while True:
            try:
                work()
            except HostBlamed as blamed:
                self.close()
                if self._stopped:
                    raise SupervisorStopped from None
                if blamed.index is None or blamed.index not in self._entries:
                    unblamed += 1
                    if unblamed > 1:
                        raise PolicyHostError(
                            f"the policy host failed twice: {blamed.reason}"
                        ) from None
                    continue
                failures.append(self._set_aside(blamed.index, blamed.code, blamed.reason))
            else:
                return failures

    def _running_child(self) -> HostChannel:
        if self._child is None:
            self._start()
        assert self._child is not None
        return self._child

    def _start(self) -> tuple[LocatedProblem, ...]:
        self.spawn()
        assert self._child is not None
        wanted = tuple(entry for index, entry in self._entries.items() if index not in self.aside)
        bound = self._child.ask(protocol.Bind(wanted), protocol.Bound)
        for refused in bound.refused:
            if not refused.config:
                self._set_aside(refused.index, "unusable", refused.reason)
        return bound.problems

    def _count(self, raised: tuple[protocol.HookRaised, ...]) -> list[Failure]:
        """An exception costs a policy its say in this cycle; three cycles in a row, and it is set
        aside.
        """
        failures = []
        counts: dict[int, int] = {}
        for item in raised:
            if item.index not in self._entries or item.index in counts:
                continue
            counts[item.index] = self._raises.get(item.index, 0) + 1
            if counts[item.index] >= RAISES_UNTIL_ASIDE:
                failures.append(self._set_aside(item.index, item.code, item.reason))
                self.close()
            else:
                failures.append(
                    Failure(self._entries[item.index].found.name, item.code, item.reason)
                )
        self._raises = counts
        return failures

    def _set_aside(self, index: int, code: str, reason: str) -> Failure:
        found = self._entries[index].found
        failure = Failure(
            found.name, code, f"{reason} ({', '.join(found.distributions)})", aside=True
        )
        self.aside[index] = failure
        log.error(
            "the policy %s is set aside until the next reload: %s", found.name, failure.reason
        )
        return failure
