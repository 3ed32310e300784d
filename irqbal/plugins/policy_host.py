"""The process in which policies run: without root, network or Tornado.

`python -m irqbal.plugins.policy_host FD KIND [PACKAGE…]` is a child of the daemon, or a unit that
systemd starts with the connection as its standard input. It imports the plugins that the daemon
names, and then makes a plan for each snapshot. Before each call of a plugin's code it sends the
plugin's index, so that the daemon knows which one to blame if no more messages come.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from typing import Any, Protocol

import msgspec

from irqbal import wire
from irqbal.errors import PluginError
from irqbal.model.policy import Needs
from irqbal.model.queues import Queue
from irqbal.model.view import Device, Irq, Snapshot
from irqbal.planner.decide import decide
from irqbal.planner.draft import DraftBuilder
from irqbal.planner.drift import find_changes
from irqbal.planner.ledger import holding
from irqbal.plugins import protocol
from irqbal.plugins.binding import BoundPolicy, bind, describe_error
from irqbal.plugins.check_items import check_items, check_needs, is_queue
from irqbal.plugins.confinement import confine
from irqbal.problems import LocatedProblem


class MessageSink(Protocol):
    """Where messages to the daemon go: the socket, or nowhere in a test."""

    def sendall(self, data: bytes, /) -> None:
        """Send all bytes."""


class PolicyHost:
    """The bound policies (or observers), and the queues that they identified."""

    def __init__(self, sink: MessageSink, section: str = "policies") -> None:
        self._sink = sink
        self._section = section
        self._policies: list[BoundPolicy] = []
        self._queues: dict[tuple[str, int], Queue | None] = {}
        self._raised: list[protocol.HookRaised] = []

    def serve(self, sock: socket.socket) -> None:
        """Answer the requests that come through this socket until the daemon closes it."""
        decoder = msgspec.msgpack.Decoder(protocol.HostRequest, dec_hook=wire.dec_hook)
        while True:
            try:
                request: protocol.HostRequest = decoder.decode(protocol.read_frame(sock))
            except EOFError:
                return
            self._send(self.answer(request))

    def answer(self, request: protocol.HostRequest) -> protocol.HostReply:
        """Do what one request asks for, and return its result."""
        self._raised = []
        if isinstance(request, protocol.BindRequest):
            return self._bind(request)
        if isinstance(request, protocol.PlanRequest):
            return self._plan(request)
        if isinstance(request, protocol.ObserveRequest):
            for policy in self._policies:
                self._call(
                    policy, "irqbal_cycle_done", record=request.record, options=policy.options
                )
            return protocol.ObserveResult(tuple(self._raised))
        return self._describe()

    def _send(self, reply: protocol.HostReply) -> None:
        self._sink.sendall(protocol.pack(wire.to_msgpack(reply)))

    def _bind(self, request: protocol.BindRequest) -> protocol.BindResult:
        refused: list[protocol.BindRefusal] = []
        problems: list[LocatedProblem] = []
        needs: dict[int, Needs] = {}
        for entry in request.entries:
            self._send(protocol.HookStarted(entry.index, "import"))
            try:
                policy = bind(entry, problems, self._section)
            except PluginError as error:
                refused.append(protocol.BindRefusal(entry.index, str(error)))
                continue
            if policy is not None:
                try:
                    needs[entry.index] = check_needs(
                        self._ask(policy, "irqbal_needs", options=policy.options)
                    )
                except Exception as error:
                    reason = f"irqbal_needs: {describe_error(error)}"
                    refused.append(protocol.BindRefusal(entry.index, reason))
                    continue
            if policy is None:
                refused.append(
                    protocol.BindRefusal(entry.index, "its options are wrong", config=True)
                )
            else:
                self._policies.append(policy)
        # What was imported stays, so the garbage collector need not visit it again.
        gc.collect()
        gc.freeze()
        return protocol.BindResult(tuple(refused), tuple(problems), needs)

    def _describe(self) -> protocol.DescribeResult:
        schemas, about, hooks = {}, {}, {}
        for policy in self._policies:
            schema = wire.schema_of(type(policy.options))
            schemas[policy.index] = wire.to_json(schema).decode()
            summary = (policy.module.__doc__ or "").strip().split("\n\n")[0]
            about[policy.index] = " ".join(summary.split())
            hooks[policy.index] = tuple(policy.hooks)
        return protocol.DescribeResult(schemas, about, hooks)

    def _plan(self, request: protocol.PlanRequest) -> protocol.PlanResult:
        queues = self._identify_all(request.snapshot)
        snapshot = _with_queues(request.snapshot, queues)
        changes, ledger = find_changes(snapshot, request.ledger)
        draft = DraftBuilder(snapshot, ledger, request.settings)
        for policy in self._policies:
            draft.limit(
                policy.name,
                self._items(policy, "irqbal_limit", snapshot=own(snapshot), options=policy.options),
            )
        for policy in self._policies:
            draft.place(
                policy.name,
                self._items(
                    policy,
                    "irqbal_place",
                    snapshot=own(snapshot),
                    draft=draft.view(),
                    options=policy.options,
                ),
            )
        self._send(protocol.HookStarted(protocol.PLANNER, "decide"))
        plan = msgspec.structs.replace(decide(draft, changes), queues=queues)
        return protocol.PlanResult(plan, holding(ledger, plan, snapshot), tuple(self._raised))

    def _items(self, policy: BoundPolicy, hook: str, **arguments: Any) -> tuple[Any, ...]:
        """The items that a hook returns, all checked. If one is invalid, none of them counts in
        this cycle.
        """
        result = self._call(policy, hook, **arguments)
        if result is None:
            return ()
        try:
            return tuple(check_items(hook, result))
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
        self._send(protocol.HookStarted(policy.index, hook))
        return policy.call(hook, **arguments)

    def _note_raised(self, policy: BoundPolicy, hook: str, error: Exception) -> None:
        self._raised.append(
            protocol.HookRaised(policy.index, "raised", f"{hook}: {describe_error(error)}")
        )

    def _identify_all(self, snapshot: Snapshot) -> dict[int, Queue]:
        """The queues of IRQs that irqbal itself cannot identify, by IRQ number."""
        identifying = [policy for policy in self._policies if policy.has("irqbal_identify")]
        queues: dict[int, Queue] = {}
        for irq in snapshot.irqs if identifying else ():
            device = snapshot.device_of(irq)
            if not irq.queues and device is not None:
                queue = self._identify(identifying, irq, device)
                if queue is not None:
                    queues[irq.number] = queue
        return queues

    def _identify(self, identifying: list[BoundPolicy], irq: Irq, device: Device) -> Queue | None:
        """The first policy's answer, which is remembered as long as the IRQ's generation lasts."""
        key = (irq.identity, irq.generation)
        if key not in self._queues:
            queue = None
            for policy in identifying:
                queue = queue or self._call(policy, "irqbal_identify", irq=irq, device=device)
            self._queues[key] = queue if is_queue(queue) else None
        return self._queues[key]


def _with_queues(snapshot: Snapshot, queues: dict[int, Queue]) -> Snapshot:
    if not queues:
        return snapshot
    irqs = (
        msgspec.structs.replace(irq, queues=(queues[irq.number],), evidence="policy")
        if irq.number in queues
        else irq
        for irq in snapshot.irqs
    )
    return msgspec.structs.replace(snapshot, irqs=tuple(irqs))


def own(snapshot: Snapshot) -> Snapshot:
    """A snapshot of a policy's own: what it does to the look-up tables reaches neither the planner
    nor other policies.
    """
    return msgspec.structs.replace(snapshot)


def main() -> None:
    """Serve the connection whose descriptor is the first argument. The second is `policies` or
    `observers`; the rest are the top-level packages to import, which may lie where only root can
    read.
    """
    fd = int(sys.argv[1])
    if fd == 0:
        # A plugin that reads its standard input must not read the daemon's messages.
        fd = os.dup(0)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
    sock = socket.socket(fileno=fd)
    os.chdir("/")
    confine(network=sys.argv[2] == "observers", packages=sys.argv[3:])
    PolicyHost(sock, sys.argv[2]).serve(sock)


if __name__ == "__main__":
    main()
