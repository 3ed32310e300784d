"""The child in which policies run: no root, no network, no Tornado. `python -m
irqbal.plugins.policy_host FD KIND`, as a child of the daemon's, or as a unit of its own that
systemd starts with the connection as its standard input.

It loads what it is told to, then answers each snapshot with a plan. Before every call of a
stranger's code it says whose it is, so that the daemon knows whom to blame when nothing more is
heard.
"""

from __future__ import annotations

import gc
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from irqbal import wire
from irqbal.cpuset import CpuSet
from irqbal.errors import PluginError
from irqbal.model.plan import Limit, Note, Placement, Steering
from irqbal.model.view import Device, Irq, Queue, Snapshot
from irqbal.planner.decide import decide
from irqbal.planner.draft import DraftBuilder
from irqbal.planner.drift import find_changes
from irqbal.planner.ledger import holding
from irqbal.plugins import protocol
from irqbal.plugins.confinement import confine
from irqbal.plugins.discovery import BoundPolicy, bind, describe
from irqbal.problems import LocatedProblem


class Channel(Protocol):
    """Where to say what is running: the socket to the daemon."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""


class PolicyHost:
    """The bound policies and what is remembered of IRQs that they identified."""

    def __init__(self, sock: Channel, section: str = "policies") -> None:
        self._section = section
        self._sock = sock
        self._policies: list[BoundPolicy] = []
        self._queues: dict[tuple[str, int], Queue | None] = {}
        self._raised: list[protocol.HookRaised] = []

    def serve(self, sock: socket.socket) -> None:
        """Answer what comes through this socket until the daemon hangs up."""
        decoder = msgspec.msgpack.Decoder(protocol.ToChild, dec_hook=wire.dec_hook)
        while True:
            try:
                (size,) = struct.unpack("<I", protocol.read_exactly(sock, 4))
                message: protocol.ToChild = decoder.decode(protocol.read_exactly(sock, size))
            except EOFError:
                return
            self._send(self.answer(message))

    def answer(self, message: protocol.ToChild) -> protocol.FromChild:
        """Do what one message asks for."""
        self._raised = []
        if isinstance(message, protocol.Bind):
            return self._bind(message)
        if isinstance(message, protocol.Ask):
            return self._plan(message)
        if isinstance(message, protocol.Observe):
            for policy in self._policies:
                self._call(
                    policy, "irqbal_cycle_done", record=message.record, options=policy.options
                )
            return protocol.Observed(tuple(self._raised))
        return self._describe()

    def _send(self, message: protocol.FromChild) -> None:
        self._sock.sendall(protocol.pack(wire.to_msgpack(message)))

    def _bind(self, message: protocol.Bind) -> protocol.Bound:
        refused: list[protocol.BindRefused] = []
        problems: list[LocatedProblem] = []
        for entry in message.entries:
            self._send(protocol.HookStarted(entry.index, "import"))
            try:
                policy = bind(entry.found, entry.index, entry.options, problems, self._section)
            except PluginError as error:
                refused.append(protocol.BindRefused(entry.index, str(error)))
                continue
            if policy is None:
                refused.append(
                    protocol.BindRefused(entry.index, "its options are wrong", config=True)
                )
            else:
                self._policies.append(policy)
        gc.collect()
        gc.freeze()
        return protocol.Bound(tuple(refused), tuple(problems))

    def _describe(self) -> protocol.Described:
        schemas, about, hooks = {}, {}, {}
        for policy in self._policies:
            schema = wire.schema_of(type(policy.options))
            schemas[policy.index] = wire.to_json(schema).decode()
            summary = (policy.module.__doc__ or "").strip().split("\n\n")[0]
            about[policy.index] = " ".join(summary.split())
            hooks[policy.index] = tuple(policy.hooks)
        return protocol.Described(schemas, about, hooks)

    def _plan(self, message: protocol.Ask) -> protocol.Answer:
        snapshot, queues = self._identified(message.snapshot)
        changes, ledger = find_changes(snapshot, message.ledger)
        draft = DraftBuilder(snapshot, ledger, message.settings)
        limiting = [policy for policy in self._policies if policy.has("irqbal_limit")]
        for policy in limiting:
            items = self._items(
                policy,
                "irqbal_limit",
                (Limit, Note),
                snapshot=own(snapshot),
                options=policy.options,
            )
            draft.limit(policy.name, items)
        for policy in self._policies:
            if policy.has("irqbal_place"):
                items = self._items(
                    policy,
                    "irqbal_place",
                    (Placement, Steering, Note),
                    snapshot=own(snapshot),
                    draft=draft.view(),
                    options=policy.options,
                )
                draft.place(policy.name, items)
        self._send(protocol.HookStarted(protocol.PLANNER, "decide"))
        plan = msgspec.structs.replace(decide(draft, changes), queues=queues)
        return protocol.Answer(plan, holding(ledger, plan, snapshot), tuple(self._raised))

    def _items(
        self, policy: BoundPolicy, hook: str, kinds: tuple[type[Any], ...], **arguments: Any
    ) -> tuple[Any, ...]:
        """What a hook yields, checked whole: one bad item and nothing of this policy counts in this
        cycle.
        """
        result = self._call(policy, hook, **arguments)
        if result is None:
            return ()
        try:
            return tuple(checked(result, kinds))
        except Exception as error:
            self._raised.append(
                protocol.HookRaised(policy.index, "raised", f"{hook}: {describe(error)}")
            )
            return ()

    def _call(self, policy: BoundPolicy, hook: str, **arguments: Any) -> Any:
        if not policy.has(hook):
            return None
        self._send(protocol.HookStarted(policy.index, hook))
        try:
            return policy.call(hook, **arguments)
        except Exception as error:
            self._raised.append(
                protocol.HookRaised(policy.index, "raised", f"{hook}: {describe(error)}")
            )
            return None

    def _identified(self, snapshot: Snapshot) -> tuple[Snapshot, dict[int, Queue]]:
        """The snapshot with the queues that policies know of drivers that irqbal does not."""
        teachers = [policy for policy in self._policies if policy.has("irqbal_identify")]
        if not teachers:
            return snapshot, {}
        queues: dict[int, Queue] = {}
        irqs: list[Irq] = []
        for irq in snapshot.irqs:
            device = snapshot.device_of(irq)
            queue = (
                self._identify(teachers, irq, device)
                if irq.queue is None and device is not None
                else None
            )
            if queue is not None:
                queues[irq.number] = queue
            irqs.append(irq if queue is None else msgspec.structs.replace(irq, queue=queue))
        return (msgspec.structs.replace(snapshot, irqs=tuple(irqs)) if queues else snapshot), queues

    def _identify(self, teachers: list[BoundPolicy], irq: Irq, device: Device) -> Queue | None:
        key = (irq.identity, irq.generation)
        if key not in self._queues:
            found = None
            for policy in teachers:
                found = found or self._call(policy, "irqbal_identify", irq=irq, device=device)
            self._queues[key] = found if is_queue(found) else None
        return self._queues[key]


def own(snapshot: Snapshot) -> Snapshot:
    """A snapshot of a policy's own: what it does to the look-up tables reaches neither the planner
    nor other policies.
    """
    return msgspec.structs.replace(snapshot)


def is_queue(found: Any) -> bool:
    try:
        return type(found) is Queue and wire.from_msgpack(wire.to_msgpack(found), Queue) == found
    except (TypeError, ValueError, OverflowError):
        return False


MAX_ITEMS = 1 << 16
"""Placements, limits and notes that one hook may give in one cycle."""
MAX_TEXT = 4096
"""Characters of one reason."""


def checked(items: Iterable[Any], kinds: tuple[type[Any], ...]) -> Iterator[Any]:
    """Refuse what a policy made of the wrong types: msgspec does not check a struct made by hand.

    What passes can be sent: an answer that cannot would be blamed on the policy that happened to
    run last.
    """
    names = " or ".join(kind.__name__ for kind in kinds)
    fields = {kind: _fields(kind) for kind in kinds}
    for count, item in enumerate(items):
        if count >= MAX_ITEMS:
            raise ValueError(f"more than {MAX_ITEMS} items in one cycle")
        if type(item) not in kinds:
            raise TypeError(f"expected {names}, got {type(item).__name__}")
        for name, optional in fields[type(item)]:
            value = getattr(item, name)
            if not (optional if value is None else _fits(name, value)):
                raise TypeError(f"{type(item).__name__}.{name} cannot be {value!a:.80}")
        yield item


def _fields(kind: type[Any]) -> tuple[tuple[str, bool], ...]:
    """A kind's fields: the name, and whether it may be None."""
    return tuple(
        (field.name, field.default is None or (kind is Placement and field.name == "cpus"))
        for field in msgspec.structs.fields(kind)
    )


def _fits(name: str, value: Any) -> bool:
    if name in ("cpus", "prefer"):
        return type(value) is CpuSet
    if name in ("irqs", "exempt"):
        return type(value) is tuple and all(_is_number(number) for number in value)
    if name in ("irq", "queue", "flows", "near"):
        return _is_number(value)
    if name in ("open", "alone"):
        return isinstance(value, bool)
    if name == "direction":
        return value in ("rx", "tx")
    return _is_text(value)


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 31


def _is_text(value: Any) -> bool:
    """Text that can be sent: no lone surrogates, no novel."""
    if type(value) is not str or len(value) > MAX_TEXT:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def main() -> None:
    """Serve on the descriptor that the daemon, or systemd, passed. The second argument is
    `policies` or `observers`; the rest are the top-level packages of what will be loaded, as far as
    they may lie where only root can read.
    """
    fd = int(sys.argv[1])
    if fd == 0:
        # A stranger's code that reads its standard input must not read what the daemon says.
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
