"""Queues of NICs and disks, as policies see them, and as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

import msgspec

from irqbal.cpuset import CpuSet

QueueKind = Literal["rx", "tx", "rxtx", "io"]
QueueEvidence = Literal["", "netlink", "rank", "name", "only vector", "policy"]
"""How irqbal knows which queue an IRQ serves: the kernel's netdev family says so; the IRQ's rank
among the device's vectors of its kind; the number in its action's name; it is the device's only
vector; a policy said so (`irqbal_identify`). Empty: no queue is known.
"""


class Queue(msgspec.Struct, frozen=True):
    """The queue that an IRQ serves: number `index` of the network interface or disk `name`.
    `active` is false for a queue beyond the number that `ethtool -L` has set.
    """

    name: str
    index: int
    kind: QueueKind
    active: bool = True

    def __str__(self) -> str:
        return f"{self.name}/{self.kind}-{self.index}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name by which it may be meant: a pair also by its halves (`eth0/rx-1`)."""
        if self.kind != "rxtx":
            return (str(self),)
        return (str(self), f"{self.name}/rx-{self.index}", f"{self.name}/tx-{self.index}")


class _NamedQueue(Protocol):
    """A queue of whatever type: this room's, or the API's."""

    @property
    def name(self) -> str:
        """The interface or disk."""

    @property
    def index(self) -> int:
        """Its number there."""

    @property
    def kind(self) -> str:
        """What it does: `rx`, `tx`, `rxtx` or `io`."""


def queues_text(queues: Iterable[_NamedQueue]) -> str:
    """Queues in words: `eth0/rx-1`; several of one kind as `eth0/rxtx-0-3`, apart by a comma."""
    indexes: dict[tuple[str, str], list[int]] = {}
    for queue in queues:
        indexes.setdefault((queue.name, queue.kind), []).append(queue.index)
    return ", ".join(
        f"{name}/{kind}-{found[0] if len(found) == 1 else CpuSet(found)}"
        for (name, kind), found in indexes.items()
    )


def parse_queues(text: str) -> tuple[Queue, ...]:
    """The queues of a `queues_text`; parts that name no queue are left out."""
    kinds: dict[str, QueueKind] = {"rx": "rx", "tx": "tx", "rxtx": "rxtx", "io": "io"}
    found: list[Queue] = []
    for part in text.split(", "):
        name, slash, rest = part.rpartition("/")
        kind, _, indexes = rest.partition("-")
        if slash and kind in kinds:
            try:
                numbers = CpuSet.parse(indexes)
            except ValueError:
                continue
            found += [Queue(name, index, kinds[kind]) for index in numbers]
    return tuple(found)
