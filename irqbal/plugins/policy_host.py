"""The process in which policies run: without root, network or Tornado.

`python -m irqbal.plugins.policy_host FD KIND` is a child of the daemon, or a unit that systemd
starts with the connection as its standard input. It confines itself, imports the plugins that the
daemon names, and answers its requests. The planner's host (`planner_host`) makes plans besides.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from irqbal import wire
from irqbal.errors import PluginError
from irqbal.model.draft import Draft
from irqbal.model.policy import Needs
from irqbal.model.queues import Queue
from irqbal.model.view import Snapshot
from irqbal.plugins import protocol
from irqbal.plugins.binding import BoundPolicy, bind, describe_error
from irqbal.plugins.check_items import HookRoom, check_items, check_needs, is_queue
from irqbal.plugins.confinement import confine
from irqbal.problems import LocatedProblem


class MessageSink(Protocol):
    """Where messages to the daemon go: the socket, or nowhere in a test."""

    def sendall(self, data: bytes, /) -> None:
        """Send all bytes."""


class PolicyHost:
    """The bound policies (or observers) by their index, and the snapshot that requests are
    about.
    """

    def __init__(self, sink: MessageSink, section: str = "policies") -> None:
        self._sink = sink
        self._section = section
        self._policies: dict[int, BoundPolicy] = {}
        self._raised: list[protocol.HookRaised] = []
        self._snapshot: Snapshot | None = None

    def serve(self, sock: socket.socket) -> None:
        """Answer the requests that come through this socket until the daemon closes it."""
        self._send(protocol.Hello())
        decoder = wire.msgpack_decoder(protocol.HostRequest)
        while True:
            try:
                request: protocol.HostRequest = decoder.decode(protocol.read_frame(sock))
            except EOFError:
                return
            if isinstance(request, protocol.SnapshotMessage):
                self._snapshot = request.snapshot
            else:
                self._send(self.answer(request))

    def answer(self, request: protocol.HostRequest) -> protocol.HostReply:
        """Do what one request asks for, and return its result."""
        self._raised = []
        if isinstance(request, protocol.BindRequest):
            return self._bind(request)
        if isinstance(request, protocol.DescribeRequest):
            return self._describe()
        if isinstance(request, protocol.IdentifyRequest):
            return self._identify(request)
        if isinstance(request, protocol.ObserveRequest):
            policy = self._policies[request.index]
            self._call(policy, "irqbal_cycle_done", record=request.record, options=policy.options)
            return protocol.ObserveResult(tuple(self._raised))
        snapshot = self._snapshot
        if snapshot is None:
            raise ValueError(f"{type(request).__name__} came before a snapshot")
        return self._answer_about(request, snapshot)

    def _answer_about(
        self, request: protocol.HostRequest, snapshot: Snapshot
    ) -> protocol.HostReply:
        """Answer a request that is about the snapshot."""
        if isinstance(request, protocol.LimitRequest):
            items = self.limits(request.index, snapshot)
        elif isinstance(request, protocol.PlaceRequest):
            draft = wire.from_msgpack(bytes(request.draft), Draft)
            items = self.placements(request.index, snapshot, draft)
        else:
            raise TypeError(f"this host answers no {type(request).__name__}")
        return protocol.HookItems.of(items, tuple(self._raised))

    def _send(self, reply: protocol.HostReply) -> None:
        self._sink.sendall(protocol.pack(reply))

    def _before(self, index: int, hook: str) -> None:
        """Called before each call of a plugin's code."""

    def _bind(self, request: protocol.BindRequest) -> protocol.BindResult:
        refused: list[protocol.BindRefusal] = []
        problems: list[LocatedProblem] = []
        needs: dict[int, Needs] = {}
        for entry in request.entries:
            self._before(entry.index, "import")
            try:
                policy = bind(entry, problems, self._section)
            except PluginError as error:
                refused.append(protocol.BindRefusal(entry.index, str(error)))
                continue
            if policy is None:
                refused.append(
                    protocol.BindRefusal(entry.index, "its options are wrong", config=True)
                )
                continue
            try:
                needs[entry.index] = check_needs(
                    self._ask(policy, "irqbal_needs", options=policy.options)
                )
            except Exception as error:
                reason = f"irqbal_needs: {describe_error(error)}"
                refused.append(protocol.BindRefusal(entry.index, reason))
                continue
            self._policies[entry.index] = policy
        # What was imported stays, so the garbage collector need not visit it again.
        gc.collect()
        gc.freeze()
        hooks = {index: tuple(self._policies[index].hooks) for index in needs}
        return protocol.BindResult(tuple(refused), tuple(problems), needs, hooks)

    def _describe(self) -> protocol.DescribeResult:
        schemas, about = {}, {}
        for index, policy in self._policies.items():
            schema = wire.schema_of(type(policy.options))
            schemas[index] = wire.to_json(schema).decode()
            summary = (policy.module.__doc__ or "").strip().split("\n\n")[0]
            about[index] = " ".join(summary.split())
        return protocol.DescribeResult(schemas, about)

    def _identify(self, request: protocol.IdentifyRequest) -> protocol.IdentifyResult:
        policy = self._policies[request.index]
        queues: dict[int, Queue] = {}
        for irq, device in request.irqs:
            queue = self._call(policy, "irqbal_identify", irq=irq, device=device)
            if is_queue(queue):
                queues[irq.number] = queue
        return protocol.IdentifyResult(queues, tuple(self._raised[:1]))

    def limits(self, index: int, snapshot: Snapshot) -> tuple[Any, ...]:
        """The limits and notes of the policy of this index."""
        policy = self._policies[index]
        room = HookRoom.on(snapshot)
        return self._items(
            policy, "irqbal_limit", room, snapshot=own(snapshot), options=policy.options
        )

    def placements(self, index: int, snapshot: Snapshot, draft: Draft) -> tuple[Any, ...]:
        """The placements, steering and notes of the policy of this index."""
        policy = self._policies[index]
        room = HookRoom.on(snapshot)
        return self._items(
            policy,
            "irqbal_place",
            room,
            snapshot=own(snapshot),
            draft=draft,
            options=policy.options,
        )

    def _items(
        self, policy: BoundPolicy, hook: str, room: HookRoom, **arguments: Any
    ) -> tuple[Any, ...]:
        """The items that a hook returns, all checked. If one is invalid, none of them counts in
        this cycle.
        """
        result: Iterable[Any] | None = self._call(policy, hook, **arguments)
        if result is None:
            return ()
        try:
            return tuple(check_items(hook, result, room))
        except Exception as error:
            self._note_raised(policy, hook, error)
            return ()

    def _call(self, policy: BoundPolicy, hook: str, **arguments: Any) -> Any:
        """What a hook returns; None if the policy does not implement it, or if it raised."""
        try:
            return self._ask(policy, hook, **arguments)
        except Exception as error:
            self._note_raised(policy, hook, error)
            return None

    def _ask(self, policy: BoundPolicy, hook: str, **arguments: Any) -> Any:
        """What a hook returns; None if the policy does not implement it. Raises what it raises."""
        if not policy.has(hook):
            return None
        self._before(policy.index, hook)
        return policy.call(hook, **arguments)

    def _note_raised(self, policy: BoundPolicy, hook: str, error: Exception) -> None:
        self._raised.append(protocol.HookRaised(policy.index, f"{hook}: {describe_error(error)}"))


def own(snapshot: Snapshot) -> Snapshot:
    """A snapshot of a policy's own: what it does to the look-up tables reaches neither the planner
    nor other policies.
    """
    return msgspec.structs.replace(snapshot)


def main() -> None:
    """Serve the connection whose descriptor is the first argument. The second is the kind of host:
    `planner`, `policies` or `observers`.
    """
    fd, kind = int(sys.argv[1]), sys.argv[2]
    if fd == 0:
        # A plugin that reads its standard input must not read the daemon's messages.
        fd = os.dup(0)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
    sock = socket.socket(fileno=fd)
    os.chdir("/")
    if kind == "planner":
        from irqbal.plugins.planner_host import PlannerHost

        host: PolicyHost = PlannerHost(sock)
    else:
        host = PolicyHost(sock, kind)
    try:
        start = wire.from_msgpack(protocol.read_frame(sock), protocol.Start)
    except EOFError:
        return
    confine(kind, start.packages)
    host.serve(sock)


if __name__ == "__main__":
    main()
