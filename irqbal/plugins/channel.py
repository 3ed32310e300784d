"""The daemon's end of the conversation with one policy host: requests, replies, deadlines, and who
is to blame for a failure.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import time
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from irqbal import wire
from irqbal.plugins import bounds, process, protocol
from irqbal.plugins.budgets import RequestBudgets

log = logging.getLogger(__name__)
Result = TypeVar("Result")

_INTRUSION = "it wrote into the channel to the daemon"
_ENDED = "the process that ran it ended"


class HostBlamed(Exception):
    """The host failed and was ended. `index`: the entry whose plugin ran at that time, or None;
    `code`: `deadline`, `crashed` or `garbage`.
    """

    def __init__(self, index: int | None, code: str, reason: str) -> None:
        super().__init__(reason)
        self.index, self.code, self.reason = index, code, reason


class _Ready(msgspec.Struct, frozen=True):
    """What poll(2) reported: descriptors to read from, and whether the socket can be written."""

    readable: frozenset[int]
    writable: bool


class HostChannel:
    """A started policy host and the connection to it.

    All methods but `kill` belong to the thread that created the object.
    """

    def __init__(
        self, kind: process.HostKind, packages: Iterable[str], indexes: Iterable[int]
    ) -> None:
        """`indexes` are those of the plugins that may run in it."""
        self._indexes = frozenset(indexes)
        self._process = process.start(kind, packages)
        self._sock = self._process.sock
        self._buffer = bytearray()
        self._has_replied = self._closed = False
        self._running: int | None = None
        self._most = bounds.MAX_ANSWER_SIZE

    @property
    def pid(self) -> int | None:
        """The host's process id; None: not known yet."""
        return self._process.pid

    def request(self, message: protocol.HostRequest, result: type[Result]) -> Result:
        """Send a request and return its result, of the type `result`. Raises HostBlamed after
        ending the host.
        """
        irqs = len(message.snapshot.irqs) if isinstance(message, protocol.PlanRequest) else 0
        self._most = bounds.MAX_ANSWER_SIZE + irqs * bounds.MAX_ANSWER_PER_IRQ
        self._refuse_unrequested_bytes()
        self._running = None
        budgets = RequestBudgets(
            self._indexes,
            self.pid,
            bounds.PLANNER_DEADLINE if self._has_replied else bounds.START_DEADLINE,
        )
        unsent = memoryview(protocol.pack(wire.to_msgpack(message)))
        while True:
            unsent = self._transfer(unsent, budgets)
            while (reply := self._next_reply(_DECODERS[result])) is not None:
                if isinstance(reply, protocol.HookStarted):
                    if not budgets.started(reply):
                        raise self._end("garbage", _INTRUSION)
                    self._running = budgets.running
                elif isinstance(reply, result):
                    self._has_replied = True
                    return reply
                else:
                    raise self._end("garbage", "it answered out of turn")

    def _refuse_unrequested_bytes(self) -> None:
        """Between requests a host sends nothing. Bytes that arrived anyway were written by the
        plugin that ran last, to forge a result.
        """
        if not self._buffer and not self._poll(writing=False, seconds=0.0).readable & {
            self._sock.fileno()
        }:
            return
        last, self._running = self._running, None
        # Raises HostBlamed without an index if the host exited since the last request.
        self._transfer(memoryview(b""), RequestBudgets((), None, bounds.CRASH_GRACE))
        self._running = last
        raise self._end("garbage", _INTRUSION)

    def _transfer(self, unsent: memoryview, budgets: RequestBudgets) -> memoryview:
        """Wait until bytes can be sent or received, and do so once. Returns the unsent bytes."""
        seconds = budgets.left()
        if seconds <= 0:
            raise self._end("deadline", "it did not return in time")
        if budgets.is_crowded_out():
            # Nobody is to blame.
            self._running = None
            raise self._end("crowded", "it had no CPU to run on for too long")
        ready = self._poll(writing=bool(unsent), seconds=seconds)
        try:
            if ready.writable:
                unsent = unsent[self._sock.send(unsent[: bounds.CHUNK_SIZE]) :]
            if self._sock.fileno() in ready.readable:
                piece = self._process.receive()
                if not piece:
                    raise self._end("crashed", _ENDED)
                self._buffer += piece
        except OSError:
            raise self._end("crashed", _ENDED) from None
        if self._process.output_fd in ready.readable and not self._log_output():
            # The host closed its output, so poll returns at once until the socket closes too.
            time.sleep(0.01)
        return unsent

    def _poll(self, writing: bool, seconds: float) -> _Ready:
        """Wait until the socket or the host's output can be read, or, if `writing`, the socket be
        written. This is poll(2), since select(2) ends at descriptor 1024 and a host with many IRQs
        keeps more files open.
        """
        sock = self._sock.fileno()
        poll = select.poll()
        poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))
        if self._process.output_fd >= 0:
            poll.register(self._process.output_fd, select.POLLIN)
        events = dict(poll.poll(max(0.0, seconds) * 1000))
        to_read = select.POLLIN | select.POLLHUP | select.POLLERR
        return _Ready(
            frozenset(fd for fd, event in events.items() if event & to_read),
            bool(events.get(sock, 0) & select.POLLOUT),
        )

    def _log_output(self) -> bool:
        """Log the first lines that the host printed and drop the rest. Returns False once the host
        has closed its output.
        """
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._process.output_fd, 1 << 16)
            for line in data.decode(errors="replace").splitlines()[: bounds.MAX_LOGGED_LINES]:
                log.info("a policy host printed: %s", line[: bounds.MAX_LOGGED_LENGTH])
            return bool(data)
        return True

    def _next_reply(self, decoder: msgspec.msgpack.Decoder[Any]) -> Any:
        """The next complete message in the buffer; None if there is none. It is decoded as one of
        the types that are asked for, and as nothing else.
        """
        header = protocol.FRAME_HEADER.size
        if len(self._buffer) < header:
            return None
        (size,) = protocol.FRAME_HEADER.unpack_from(self._buffer)
        if size > self._most:
            raise self._end("garbage", _INTRUSION)
        if len(self._buffer) < header + size:
            return None
        body = bytes(self._buffer[header : header + size])
        del self._buffer[: header + size]
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise self._end("garbage", _INTRUSION) from None

    def _end(self, code: str, reason: str) -> HostBlamed:
        """End the host, and return the exception to raise."""
        if self._process.output_fd >= 0:
            with contextlib.suppress(OSError):
                self._log_output()
        if code == "crashed":
            reason = f"{reason} {self._process.exit_reason(bounds.CRASH_GRACE)}"
        self.close()
        return HostBlamed(self._running, code, reason)

    def kill(self) -> None:
        """End the process; safe from any thread, and more than once."""
        self._process.kill()

    def close(self) -> None:
        """End the process and close the descriptors; safe more than once."""
        if not self._closed:
            self._closed = True
            self._process.kill()
            self._process.close()


_DECODERS: dict[Any, msgspec.msgpack.Decoder[Any]] = {
    result: msgspec.msgpack.Decoder(protocol.HookStarted | result, dec_hook=wire.dec_hook)
    for result in (
        protocol.BindResult,
        protocol.PlanResult,
        protocol.ObserveResult,
        protocol.DescribeResult,
    )
}
"""Each decodes that a hook has started, or a result of one type."""
