"""What the daemon and its policy hosts say to each other: length-prefixed msgpack over a socket
pair.
"""

from __future__ import annotations

import socket
import struct

import msgspec

from irqbal.model.plan import Plan, Record
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.plugins.discovery import Found
from irqbal.problems import LocatedProblem, Node

MAX_FRAME = 256 << 20
PLANNER = -1
"""Stands for the planner where a policy's index is asked for: what fails then is nobody's fault but
irqbal's.
"""


class PolicyEntry(msgspec.Struct, frozen=True):
    """A policy that the YAML names: what was found under its name, and its options as written."""

    found: Found
    index: int
    options: Node


class Bind(msgspec.Struct, frozen=True, tag=True):
    """To the child: load these and read their options."""

    entries: tuple[PolicyEntry, ...]


class Ask(msgspec.Struct, frozen=True, tag=True):
    """To the child: a plan, please."""

    snapshot: Snapshot
    ledger: Ledger
    settings: Settings


class Observe(msgspec.Struct, frozen=True, tag=True):
    """To the observers' child: this cycle was done."""

    record: Record


class Describe(msgspec.Struct, frozen=True, tag=True):
    """To the child: the options of what is bound, as JSON schemas."""


class HookStarted(msgspec.Struct, frozen=True, tag=True):
    """From the child, before each call of a stranger's code: whose it is. The deadline starts
    again.
    """

    index: int
    hook: str


class BindRefused(msgspec.Struct, frozen=True):
    """A policy that could not be bound. `config`: the YAML is wrong, not the package."""

    index: int
    reason: str
    config: bool = False


class Bound(msgspec.Struct, frozen=True, tag=True):
    """From the child: what could not be bound, and every problem with options."""

    refused: tuple[BindRefused, ...] = ()
    problems: tuple[LocatedProblem, ...] = ()


class HookRaised(msgspec.Struct, frozen=True):
    """A policy's code raised, or gave what it must not."""

    index: int
    code: str
    reason: str


class Answer(msgspec.Struct, frozen=True, tag=True):
    """From the child: the plan, the ledger before the kernel's answers, and which policies
    raised.
    """

    plan: Plan
    ledger: Ledger
    raised: tuple[HookRaised, ...] = ()


class Observed(msgspec.Struct, frozen=True, tag=True):
    """From the observers' child: all were told."""

    raised: tuple[HookRaised, ...] = ()


class Described(msgspec.Struct, frozen=True, tag=True):
    """From the child: JSON schema of each policy's options by index, as JSON text, its first
    docstring line, and its hooks.
    """

    schemas: dict[int, str]
    about: dict[int, str]
    hooks: dict[int, tuple[str, ...]] = {}


ToChild = Bind | Ask | Observe | Describe
FromChild = HookStarted | Bound | Answer | Observed | Described


def pack(body: bytes) -> bytes:
    """A frame."""
    return struct.pack("<I", len(body)) + body


def read_exactly(sock: socket.socket, size: int) -> bytes:
    """Blocking read for the child's side. Raises EOFError once the daemon is gone."""
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
