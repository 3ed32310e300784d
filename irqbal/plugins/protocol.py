"""The messages between the daemon and its policy hosts: msgpack in length-prefixed frames, over a
stream socket.

The daemon sends a request; the host answers with any number of HookStarted and then one result.
"""

from __future__ import annotations

import socket
import struct

import msgspec

from irqbal.model.plan import Plan, Record
from irqbal.model.policy import Needs
from irqbal.model.view import Snapshot
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


class BindRequest(msgspec.Struct, frozen=True, tag=True):
    """To the host: import these plugins and read their options."""

    entries: tuple[PolicyEntry, ...]


class PlanRequest(msgspec.Struct, frozen=True, tag=True):
    """To the policies' host: make a plan."""

    snapshot: Snapshot
    ledger: Ledger
    settings: Settings


class ObserveRequest(msgspec.Struct, frozen=True, tag=True):
    """To the observers' host: pass this cycle's record to every observer."""

    record: Record


class DescribeRequest(msgspec.Struct, frozen=True, tag=True):
    """To the host: describe the bound plugins and their options."""


class HookStarted(msgspec.Struct, frozen=True, tag=True):
    """From the host, before each call of a plugin's code: which entry's (`index`), and which hook,
    or `import`. The deadline starts again.
    """

    index: int
    hook: str


class BindRefusal(msgspec.Struct, frozen=True):
    """A plugin that could not be bound. `config`: its options in the YAML are at fault, not its
    code.
    """

    index: int
    reason: str
    config: bool = False


class BindResult(msgspec.Struct, frozen=True, tag=True):
    """From the host: the plugins that could not be bound, every problem with options, and what each
    policy depends on, by index.
    """

    refused: tuple[BindRefusal, ...] = ()
    problems: tuple[LocatedProblem, ...] = ()
    needs: dict[int, Needs] = {}


class HookRaised(msgspec.Struct, frozen=True):
    """A hook raised an exception or returned something invalid."""

    index: int
    code: str
    reason: str


class PlanResult(msgspec.Struct, frozen=True, tag=True):
    """From the host: the plan, the ledger as it is before the plan is written, and the hooks that
    raised.
    """

    plan: Plan
    ledger: Ledger
    raised: tuple[HookRaised, ...] = ()


class ObserveResult(msgspec.Struct, frozen=True, tag=True):
    """From the observers' host: every observer was called; these raised."""

    raised: tuple[HookRaised, ...] = ()


class DescribeResult(msgspec.Struct, frozen=True, tag=True):
    """From the host, by index: the JSON schema of the plugin's options as JSON text, the first
    paragraph of its docstring, and the names of its hooks.
    """

    schemas: dict[int, str]
    about: dict[int, str]
    hooks: dict[int, tuple[str, ...]] = {}


HostRequest = BindRequest | PlanRequest | ObserveRequest | DescribeRequest
HostReply = HookStarted | BindResult | PlanResult | ObserveResult | DescribeResult


def pack(body: bytes) -> bytes:
    """A frame with this body."""
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
