"""The daemon's end of the conversation with one policy host: requests, results and deadlines."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from irqbal import wire
from irqbal.plugins import bounds, process, protocol
from irqbal.plugins.budgets import HookClock, PlannerClock, cpu_seconds

log = logging.getLogger(__name__)
Result = TypeVar("Result")
Dialogue = Callable[[protocol.Next], bytes]
"""Answers the planner's question for a stranger's placements with a frame."""

_INTRUSION = "it wrote into the channel to the daemon"
_ENDED = "the process that ran it ended"
_LATE = "it did not return in time"


class HostBlamed(Exception):
    """The host failed, and has to be ended. `index`: the entry whose plugin ran in the planner's
    host at that time, or None; `code`: `deadline`, `crashed`, `garbage`, `crowded`, or `gone` for
    one that ended between two requests.
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

    All methods but `kill` belong to one thread at a time.
    """

    def __init__(self, kind: process.HostKind, packages: Iterable[str]) -> None:
        """`packages` are the top-level packages that the host will import."""
        self._process = process.start(kind)
        self._packages = tuple(sorted(packages))
        self._sock = self._process.sock
        self._buffer = bytearray()
        self._closed = False
        self._clock = HookClock(0.0, None)
        self._most = bounds.MAX_ANSWER_SIZE
        self._lines = 0
        self._cpu_used: float | None = None

    @property
    def pid(self) -> int | None:
        """The host's process id; None: not known yet."""
        return self._process.pid

    def await_hello(self) -> None:
        """Wait until the host is confined and listens. Raises HostBlamed."""
        self._clock = HookClock(bounds.START_DEADLINE, None)
        self._converse(protocol.pack(protocol.Start(self._packages)), protocol.Hello, None)

    def request(
        self,
        frames: Sequence[bytes],
        result: type[Result],
        clock: HookClock,
        most: int = bounds.MAX_ANSWER_SIZE,
        dialogue: Dialogue | None = None,
    ) -> Result:
        """Send a request (`frames`), and return its result, a message of the type `result` and of
        at most so many bytes. Raises HostBlamed: then the channel is of no more use.

        With `dialogue` the host is the planner's, and may report hooks and ask for placements.
        """
        self._refuse_unrequested_bytes()
        self._refuse_unrequested_work()
        self._clock, self._most = clock, most
        reply = self._converse(b"".join(frames), result, dialogue)
        self._cpu_used = cpu_seconds(self.pid)
        if self._lines > bounds.MAX_LOGGED_LINES:
            log.info("a policy host printed %d lines more", self._lines - bounds.MAX_LOGGED_LINES)
        self._lines = 0
        return reply

    def _converse(self, data: bytes, result: type[Result], dialogue: Dialogue | None) -> Result:
        unsent = memoryview(data)
        decoder = _decoder(result, dialogue is not None)
        while True:
            unsent = self._transfer(unsent)
            while (reply := self._next_reply(decoder)) is not None:
                if isinstance(reply, result):
                    return reply
                if isinstance(reply, protocol.Next) and dialogue is not None:
                    self._clock.pause()
                    unsent = memoryview(bytes(unsent) + dialogue(reply))
                    self._clock.resume()
                elif not (isinstance(self._clock, PlannerClock) and self._clock.started(reply)):
                    raise self._end("garbage", _INTRUSION)

    def _refuse_unrequested_bytes(self) -> None:
        """Between requests a host sends nothing. Bytes that arrived anyway were written by a plugin
        to forge a result.
        """
        if not self._buffer and not self._poll(writing=False, seconds=0.0).readable & {
            self._sock.fileno()
        }:
            return
        self._clock = HookClock(bounds.CRASH_GRACE, None)
        try:
            self._transfer(memoryview(b""))
        except HostBlamed as blamed:
            raise HostBlamed(None, "gone", blamed.reason) from None
        raise self._end("garbage", _INTRUSION)

    def _refuse_unrequested_work(self) -> None:
        """Between requests a host waits. One that works is up to something."""
        used, before = cpu_seconds(self.pid), self._cpu_used
        if used is not None and before is not None and used - before > bounds.IDLE_CPU:
            raise self._end("garbage", f"it used {used - before:.1f} s of CPU without being asked")

    def _transfer(self, unsent: memoryview) -> memoryview:
        """Wait until bytes can be sent or received, and do so once. Returns the unsent bytes."""
        seconds = self._clock.left()
        if seconds <= 0:
            raise self._end("deadline", _LATE)
        if self._clock.is_crowded_out():
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
        """Log the first lines that the host printed in this request, and drop the rest. Returns
        False once the host has closed its output.
        """
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._process.output_fd, 1 << 16)
            lines = data.decode(errors="replace").splitlines()
            for line in lines[: max(0, bounds.MAX_LOGGED_LINES - self._lines)]:
                log.info("a policy host printed: %s", line[: bounds.MAX_LOGGED_LENGTH])
            self._lines += len(lines)
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
        """The exception to raise; who catches it closes the channel, which may take a while."""
        if self._process.output_fd >= 0:
            with contextlib.suppress(OSError):
                self._log_output()
        if code == "crashed":
            reason = f"{reason} {self._process.exit_reason(bounds.CRASH_GRACE)}"
        running = self._clock.running if isinstance(self._clock, PlannerClock) else None
        return HostBlamed(running, code, reason)

    def refuse(self, reason: str) -> HostBlamed:
        """The exception for a host that answered what it must not; who has it closes the
        channel.
        """
        return self._end("garbage", reason)

    def kill(self) -> None:
        """End the process; safe from any thread, and more than once."""
        self._process.kill()

    def close(self) -> None:
        """End the process and close the descriptors; safe more than once."""
        if not self._closed:
            self._closed = True
            self._process.kill()
            self._process.close()


def _decoder(result: type[Any], planner: bool) -> msgspec.msgpack.Decoder[Any]:
    """Decodes a message of this type and, from the planner's host, also its reports and
    questions.
    """
    kinds = result | protocol.HookStarted | protocol.Next if planner else result
    return wire.msgpack_decoder(kinds)
