"""Checking what hooks return, by type, count and size.

msgspec does not check a struct that Python code creates. Unchecked items could fail while the
planner works or the result is encoded. The daemon checks again what a host sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from irqbal import wire
from irqbal.cpuset import CpuSet
from irqbal.model.plan import Limit, Note, Placement, Steering
from irqbal.model.policy import Needs
from irqbal.model.queues import Queue
from irqbal.model.view import Snapshot
from irqbal.plugins import bounds

ITEM_TYPES: dict[str, tuple[type[Any], ...]] = {
    "irqbal_limit": (Limit, Note),
    "irqbal_place": (Placement, Steering, Note),
}
"""What each hook that returns items may yield; subclasses are refused."""


class HookRoom(msgspec.Struct, frozen=True):
    """How much one call of a hook may return: items, IRQ numbers that they list, and bytes of all
    their texts and CPU sets.
    """

    items: int
    numbers: int
    text: int

    @classmethod
    def on(cls, snapshot: Snapshot) -> HookRoom:
        """What this host can need."""
        parts = len(snapshot.irqs) + sum(
            len(interface.rx) + len(interface.tx) for interface in snapshot.interfaces
        )
        return cls(
            bounds.HOOK_ITEMS + bounds.HOOK_ITEMS_EACH * parts,
            bounds.HOOK_ITEMS + bounds.HOOK_NUMBERS_EACH * parts,
            bounds.HOOK_TEXT + bounds.HOOK_TEXT_EACH * parts,
        )

    @property
    def frame(self) -> int:
        """Bytes of these items in one message, at most."""
        return (
            self.text
            + self.items * bounds.ITEM_OVERHEAD
            + self.numbers * bounds.NUMBER_SIZE
            + bounds.MAX_REASON_LENGTH
        )


class _Field(NamedTuple):
    name: str
    optional: bool
    fits: Callable[[Any], bool]


def check_items(hook: str, items: Iterable[Any], room: HookRoom) -> Iterator[Any]:
    """Yield the items that a hook returned, each checked. Raises TypeError for a wrong type or
    value, ValueError for too many items, and whatever the hook's own generator raises.
    """
    fields = _FIELDS[hook]
    text = numbers = wide = 0
    for count, item in enumerate(items):
        if count >= room.items:
            raise ValueError(f"more than {room.items} items in one cycle")
        kind = type(item)
        if kind not in fields:
            names = " or ".join(kind.__name__ for kind in fields)
            raise TypeError(f"expected {names}, got {kind.__name__}")
        for (name, optional, fits), value in zip(
            fields[kind], msgspec.structs.astuple(item), strict=True
        ):
            if not (optional if value is None else fits(value)):
                raise TypeError(f"{kind.__name__}.{name} cannot be {value!a:.80}")
            made = type(value)
            if made is str:
                text += len(value) if value.isascii() else len(value.encode())
            elif made is CpuSet:
                text += len(str(value))
            elif made is tuple:
                numbers += len(value)
        wide += kind is Limit and item.irqs is None
        if wide > bounds.HOOK_WIDE_LIMITS:
            raise ValueError(f"more than {bounds.HOOK_WIDE_LIMITS} limits on all IRQs")
        if numbers > room.numbers:
            raise ValueError(f"more than {room.numbers} IRQ numbers in one cycle")
        if text > room.text:
            raise ValueError(f"more than {room.text} bytes of text in one cycle")
        yield item


def check_needs(value: Any) -> Needs:
    """What irqbal_needs returned. Raises TypeError or ValueError with a sentence."""
    if value is None:
        return Needs()
    if type(value) is not Needs:
        raise TypeError(f"expected Needs, got {type(value).__name__}")
    found = wire.from_msgpack(wire.to_msgpack(value), Needs)
    if len(found.cgroups) > bounds.MAX_CGROUPS or any(
        len(glob) > bounds.MAX_REASON_LENGTH for glob in found.cgroups
    ):
        raise ValueError(
            f"cgroups are at most {bounds.MAX_CGROUPS} globs of {bounds.MAX_REASON_LENGTH} "
            "characters"
        )
    if found.again is not None and found.again < bounds.LEAST_AGAIN:
        raise ValueError(f"again is {found.again}; it must be {bounds.LEAST_AGAIN:g}s or longer")
    return found


def is_queue(value: Any) -> bool:
    """Whether a value that irqbal_identify returned is a Queue with fields of the right types."""
    try:
        return (
            type(value) is Queue
            and len(encoded := wire.to_msgpack(value)) <= bounds.QUEUE_SIZE
            and wire.from_msgpack(encoded, Queue) == value
        )
    except (TypeError, ValueError, OverflowError):
        return False


def _fields(kind: type[Any]) -> tuple[_Field, ...]:
    return tuple(
        _Field(
            field.name,
            field.default is None or (kind is Placement and field.name == "cpus"),
            _FITS.get(field.name, _is_text),
        )
        for field in msgspec.structs.fields(kind)
    )


def _is_cpu_set(value: Any) -> bool:
    return type(value) is CpuSet


def _are_numbers(value: Any) -> bool:
    return type(value) is tuple and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 31


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_direction(value: Any) -> bool:
    return value in ("rx", "tx")


def _is_text(value: Any) -> bool:
    """Whether a value is text of limited length that UTF-8 can encode (no lone surrogates)."""
    if type(value) is not str or len(value) > bounds.MAX_REASON_LENGTH:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("cpus", "prefer"), _is_cpu_set),
    **dict.fromkeys(("irqs", "exempt"), _are_numbers),
    **dict.fromkeys(("irq", "queue", "flows", "near"), _is_number),
    **dict.fromkeys(("open", "alone"), _is_truth),
    "direction": _is_direction,
}
"""What a value that is not None must be, by the name of its field; else text."""

_FIELDS = {hook: {kind: _fields(kind) for kind in kinds} for hook, kinds in ITEM_TYPES.items()}
