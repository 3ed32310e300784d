"""The messages between the daemon and its policy hosts: msgpack in length-prefixed frames, over a
stream socket.

The daemon sends Start; the host confines itself, and says Hello. From then on the daemon sends
requests, and the host answers each with one result. The planner's host may send any number of
HookStarted before it, and Next, which the daemon answers.
"""

from __future__ import annotations

import socket
import struct

import msgspec

from irqbal import wire
from irqbal.model.draft import Draft
from irqbal.model.plan import Limit, Note, Placement, Plan, Record, Steering
from irqbal.model.policy import Needs
from irqbal.model.queues import Queue
from irqbal.model.view import Device, Irq, Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins import bounds
from irqbal.plugins.discovery import InstalledPlugin
from irqbal.problems import LocatedProblem, Node

FRAME_HEADER = struct.Struct("<I")
"""The length of the frame's body in bytes."""
PLANNER = -1
"""Index in HookStarted while the planner works: no policy is to blame for a failure there."""


class PolicyEntry(msgspec.Struct, frozen=True):
    """One entry of the YAML's `policies` or `observers`: the plugin, its position in the list, and
    its options as written.
    """

    plugin: InstalledPlugin
    index: int
    options: Node


class Start(msgspec.Struct, frozen=True, tag=True):
    """To the host, first of all: the top-level packages that it will import, which may lie where
    only root can read.
    """

    packages: tuple[str, ...] = ()


class Hello(msgspec.Struct, frozen=True, tag=True):
    """From the host, before it runs any plugin's code: it is confined, and listens."""


class BindRequest(msgspec.Struct, frozen=True, tag=True):
    """To the host: import these plugins, and read their options."""

    entries: tuple[PolicyEntry, ...]


class BindRefusal(msgspec.Struct, frozen=True):
    """A plugin that could not be bound. `config`: its options in the YAML are at fault, not its
    code.
    """

    index: int
    reason: str
    config: bool = False


class BindResult(msgspec.Struct, frozen=True, tag=True):
    """From the host: the plugins that could not be bound, every problem with options, and for each
    plugin that is bound, by index, what it depends on and its hooks.
    """

    refused: tuple[BindRefusal, ...] = ()
    problems: tuple[LocatedProblem, ...] = ()
    needs: dict[int, Needs] = {}
    hooks: dict[int, tuple[str, ...]] = {}


class DescribeRequest(msgspec.Struct, frozen=True, tag=True):
    """To the host: describe the bound plugins and their options."""


class DescribeResult(msgspec.Struct, frozen=True, tag=True):
    """From the host, by index: the JSON schema of the plugin's options as JSON text, and the first
    paragraph of its docstring.
    """

    schemas: dict[int, str] = {}
    about: dict[int, str] = {}


class SnapshotMessage(msgspec.Struct, frozen=True, tag=True):
    """To the host: the snapshot that the following requests are about. It is not answered."""

    snapshot: Snapshot


class IdentifyRequest(msgspec.Struct, frozen=True, tag=True):
    """To the host: ask the policy of this index which queues these IRQs serve."""

    index: int
    irqs: tuple[tuple[Irq, Device], ...]


class HookRaised(msgspec.Struct, frozen=True):
    """A hook raised an exception or returned something invalid."""

    index: int
    reason: str


class IdentifyResult(msgspec.Struct, frozen=True, tag=True):
    """From the host: the queues by IRQ number, of those IRQs that the policy recognises."""

    queues: dict[int, Queue] = {}
    raised: tuple[HookRaised, ...] = ()


class LimitRequest(msgspec.Struct, frozen=True, tag=True):
    """To a stranger's host: ask the policy of this index for its limits."""

    index: int


class PlaceRequest(msgspec.Struct, frozen=True, tag=True):
    """To a stranger's host: ask the policy of this index for its placements. `draft` is an encoded
    Draft.
    """

    index: int
    draft: msgspec.Raw


class HookItems(msgspec.Struct, frozen=True, tag=True):
    """What one hook of a policy returned. A list of each type, since the types have no tags."""

    limits: tuple[Limit, ...] = ()
    placements: tuple[Placement, ...] = ()
    steering: tuple[Steering, ...] = ()
    notes: tuple[Note, ...] = ()
    raised: tuple[HookRaised, ...] = ()

    @classmethod
    def of(
        cls,
        items: tuple[Limit | Placement | Steering | Note, ...],
        raised: tuple[HookRaised, ...] = (),
    ) -> HookItems:
        """The items, sorted by type."""
        return cls(
            tuple(item for item in items if isinstance(item, Limit)),
            tuple(item for item in items if isinstance(item, Placement)),
            tuple(item for item in items if isinstance(item, Steering)),
            tuple(item for item in items if isinstance(item, Note)),
            raised,
        )


class Stranger(msgspec.Struct, frozen=True):
    """A policy in another host, by its index: its name, the limits that it stated, and whether it
    is to be asked for placements.
    """

    name: str
    limits: HookItems
    places: bool


class PlanRequest(msgspec.Struct, frozen=True, tag=True):
    """To the planner's host: make a plan of the snapshot. `strangers` are the policies of other
    hosts, by index.
    """

    ledger: Ledger
    settings: Settings
    strangers: dict[int, Stranger] = {}


class HookStarted(msgspec.Struct, frozen=True, tag=True):
    """From the planner's host, before each call of a policy's code: which entry's (`index`), and
    which hook, or `import`.
    """

    index: int
    hook: str


class Next(msgspec.Struct, frozen=True, tag=True):
    """From the planner's host: it is the turn of the stranger of this index. `draft` is an encoded
    Draft.
    """

    index: int
    draft: msgspec.Raw


class PlanResult(msgspec.Struct, frozen=True, tag=True):
    """From the planner's host: the plan, the ledger as it is before the plan is written, the hooks
    that raised, and all limits that the plan was made with, as (policy, limit).
    """

    plan: Plan
    ledger: Ledger
    raised: tuple[HookRaised, ...] = ()
    limits: tuple[tuple[str, Limit], ...] = ()


class ObserveRequest(msgspec.Struct, frozen=True, tag=True):
    """To an observers' host: pass this cycle's record to the observer of this index."""

    index: int
    record: Record


class ObserveResult(msgspec.Struct, frozen=True, tag=True):
    """From an observers' host: the observer was called."""

    raised: tuple[HookRaised, ...] = ()


HostRequest = (
    BindRequest
    | DescribeRequest
    | SnapshotMessage
    | IdentifyRequest
    | LimitRequest
    | PlaceRequest
    | PlanRequest
    | ObserveRequest
    | HookItems
)
"""What the daemon sends; HookItems only as the answer to Next."""
HostReply = (
    Hello
    | BindResult
    | DescribeResult
    | IdentifyResult
    | HookItems
    | HookStarted
    | Next
    | PlanResult
    | ObserveResult
)


def encode_draft(draft: Draft) -> msgspec.Raw:
    """A draft as it is passed on between two hosts; the daemon does not read it."""
    return msgspec.Raw(wire.to_msgpack(draft))


def pack(message: msgspec.Struct) -> bytes:
    """A frame with this message."""
    body = wire.to_msgpack(message)
    return FRAME_HEADER.pack(len(body)) + body


def read_frame(sock: socket.socket) -> bytes:
    """The body of the next frame, for the host's side; blocks. Raises EOFError once the daemon has
    closed the connection.
    """
    (size,) = FRAME_HEADER.unpack(_read_exactly(sock, FRAME_HEADER.size))
    return _read_exactly(sock, size)


def _read_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(min(size - len(data), bounds.CHUNK_SIZE))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
