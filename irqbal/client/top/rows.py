"""What the screen shows, as text: the table's columns, which rows it has, and how they fit.
Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from rich.cells import cell_len, set_cell_size

from irqbal.api.contract import responses
from irqbal.cpuset import CpuSet
from irqbal.render.text import plain

Irq = responses.IrqView


class TopColumn(msgspec.Struct, frozen=True):
    """A column: what it shows, what it is sorted by, and how it yields where there is no room.

    `least`: it may be cut down to that width (0: not at all), in its middle if `ends` matter; those
    with the highest `drop` go first (0: never). `down`: who sorts by it wants the largest first.
    """

    key: str
    head: str
    text: Callable[[Irq], str]
    by: Callable[[Irq], Any]
    right: bool = False
    least: int = 0
    most: int = 99
    drop: int = 0
    down: bool = False
    ends: bool = False


def queue_of(irq: Irq) -> str:
    """The queue that it serves, or where it hangs."""
    return f"{irq.queue.name} {irq.queue.kind} {irq.queue.index}" if irq.queue is not None else ""


def _queue_order(irq: Irq) -> tuple[Any, ...]:
    return (0, irq.queue.name, irq.queue.kind, irq.queue.index) if irq.queue is not None else (1,)


def policy_of(irq: Irq) -> str:
    """Who placed it."""
    return "override" if irq.override else irq.policy or ("-" if irq.movable else "unmovable")


def rate_text(rate: float) -> str:
    """Interrupts a second, in at most nine places."""
    return (
        f"{rate:.1f}"
        if rate < 9999.95
        else f"{rate:.0f}"
        if rate < 9_999_999.5
        else f"{rate / 1e6:.1f}M"
    )


@lru_cache(maxsize=4096)
def cpus_text(cpus: CpuSet) -> str:
    """Thousands of IRQs share few sets, and writing out a long one takes long."""
    return str(cpus)


COLUMNS = (
    TopColumn("irq", "IRQ", lambda irq: str(irq.number), lambda irq: irq.number, right=True),
    TopColumn(
        "name", "NAME", lambda irq: irq.name, lambda irq: irq.name, least=12, most=40, ends=True
    ),
    TopColumn(
        "queue",
        "QUEUE",
        lambda irq: queue_of(irq) or "-",
        _queue_order,
        least=9,
        most=30,
        ends=True,
    ),
    TopColumn(
        "rate",
        "RATE/S",
        lambda irq: rate_text(irq.rate),
        lambda irq: irq.rate,
        right=True,
        down=True,
    ),
    TopColumn(
        "load",
        "LOAD %",
        lambda irq: f"{irq.load * 100:.2f}",
        lambda irq: irq.load,
        right=True,
        down=True,
    ),
    TopColumn(
        "cpus",
        "CPUS",
        lambda irq: cpus_text(irq.affinity) or "-",
        lambda irq: tuple(irq.affinity),
        least=6,
        most=24,
    ),
    TopColumn(
        "on",
        "ON",
        lambda irq: cpus_text(irq.effective) or "-",
        lambda irq: tuple(irq.effective),
        least=3,
        most=12,
    ),
    TopColumn(
        "device",
        "DEVICE",
        lambda irq: irq.device or "-",
        lambda irq: irq.device or "~",
        least=12,
        most=16,
        drop=1,
    ),
    TopColumn("policy", "POLICY", policy_of, policy_of, least=9, most=24),
    TopColumn(
        "reason",
        "REASON",
        lambda irq: irq.reason or irq.unmovable,
        lambda irq: irq.reason,
        least=16,
        most=120,
        drop=2,
    ),
)
BY_KEY = {column.key: column for column in COLUMNS}
SORTABLE = tuple(column.key for column in COLUMNS if not column.drop)
"""Columns that are always there, so that nobody sorts by what cannot be seen."""


def matching(irqs: Iterable[Irq], words: str) -> list[Irq]:
    """Those that hold every word, in small letters or large; `cpu:3` are those that CPU 3
    handles.
    """
    wanted = words.lower().split()
    return [irq for irq in irqs if all(_matches(irq, word) for word in wanted)]


def _matches(irq: Irq, word: str) -> bool:
    if word.startswith("cpu:") and word[4:].isascii() and word[4:].isdecimal():
        return int(word[4:]) in (irq.effective or irq.affinity)
    return any(
        word in text.lower()
        for text in (
            str(irq.number),
            irq.name,
            queue_of(irq),
            irq.device or "",
            policy_of(irq),
            irq.policy,
        )
    )


def ordered(irqs: Iterable[Irq], key: str, reverse: bool) -> list[Irq]:
    """By this column; those alike by their number, so that they do not dance."""
    column = BY_KEY[key]
    found = sorted(irqs, key=lambda irq: irq.number)
    found.sort(key=column.by, reverse=column.down != reverse)
    return found


def falls(key: str, reverse: bool) -> bool:
    """Whether the largest stands first."""
    return BY_KEY[key].down != reverse


def cell(text: str, width: int, right: bool = False, ends: bool = False) -> str:
    """Exactly so wide; what is cut off is marked, and nothing in it commands the terminal."""
    text = plain(text)
    size = cell_len(text)
    if size > width > 4 and ends:
        # Queues of one device differ in the last letters only.
        tail = text[-(width // 2) :]
        while cell_len(tail) > width // 2:
            tail = tail[1:]
        return set_cell_size(text, width - 1 - cell_len(tail)) + "…" + tail
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width else ""
    return " " * (width - size) + text if right else text + " " * (width - size)


def widths(rows: Sequence[Irq], width: int) -> list[tuple[TopColumn, int]]:
    """The columns that fit, each with its width; a space stands between two."""
    sizes: dict[str, int] = {}
    for column in COLUMNS:
        # Room for the arrow of the order beside the head.
        size = max(
            len(column.head) + 1,
            max((cell_len(plain(column.text(irq))) for irq in rows), default=0),
        )
        sizes[column.key] = min(size, column.most)
    shown = list(COLUMNS)
    while any(column.drop for column in shown) and _wanted(shown, sizes) > width:
        shown.remove(max(shown, key=lambda column: column.drop))
    over = sum(sizes[column.key] for column in shown) + len(shown) - 1 - width
    while over > 0:
        # The reason yields first, and then what is widest beyond its least.
        widest = max(shown, key=lambda column: _spare(column, sizes))
        if not widest.least or sizes[widest.key] <= widest.least:
            break
        sizes[widest.key] -= 1
        over -= 1
    return [(column, sizes[column.key]) for column in shown]


def _spare(column: TopColumn, sizes: dict[str, int]) -> int:
    return (
        -1
        if not column.least
        else sizes[column.key]
        - column.least
        + (1000 if column.key == "reason" and sizes["reason"] > 16 else 0)
    )


def _wanted(shown: Sequence[TopColumn], sizes: dict[str, int]) -> int:
    """What these need so that none is cut, but for the reason, of which a part is better than
    nothing.
    """
    return (
        sum(column.least if column.key == "reason" else sizes[column.key] for column in shown)
        + len(shown)
        - 1
    )
