"""The table of IRQs as text: its columns, its filter and order, and how columns fit. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from rich.cells import cell_len, set_cell_size

from irqbal.api.contract import responses
from irqbal.cpuset import CpuSet
from irqbal.render.console import plain
from irqbal.render.explanation import queues_text

Irq = responses.IrqView


class TopColumn(msgspec.Struct, frozen=True):
    """A column of the table. `text` makes a cell, `by` the value to sort by.

    Widths are in characters. `least`: the width down to which it may be cut (0: it is never cut);
    with `ends` the middle of a cell is cut out. `most`: its largest width. Where there is no room
    the columns with the highest `drop` are left out first (0: never). `down`: sorted with the
    largest value first.
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


def _queue_order(irq: Irq) -> tuple[Any, ...]:
    first = next(iter(irq.queues), None)
    return (1,) if first is None else (0, first.name, first.kind, first.index)


def policy_of(irq: Irq) -> str:
    """The policy that placed an IRQ; `override`, `unmovable`, or a dash."""
    return "override" if irq.override else irq.policy or ("-" if irq.movable else "unmovable")


def rate_text(rate: float) -> str:
    """Interrupts a second, in at most nine characters."""
    return (
        f"{rate:.1f}"
        if rate < 9999.95
        else f"{rate:.0f}"
        if rate < 9_999_999.5
        else f"{rate / 1e6:.1f}M"
    )


@lru_cache(maxsize=4096)
def cpus_text(cpus: CpuSet) -> str:
    """A CPU set as text. Cached: thousands of IRQs share few sets, and long ones take long."""
    return str(cpus)


def _cpus_column(
    key: str, head: str, cpus: Callable[[Irq], CpuSet], *, least: int, most: int
) -> TopColumn:
    return TopColumn(
        key,
        head,
        lambda irq: cpus_text(cpus(irq)) or "-",
        lambda irq: tuple(cpus(irq)),
        least=least,
        most=most,
    )


COLUMNS = (
    TopColumn("irq", "IRQ", lambda irq: str(irq.number), lambda irq: irq.number, right=True),
    TopColumn(
        "name", "NAME", lambda irq: irq.name, lambda irq: irq.name, least=12, most=40, ends=True
    ),
    TopColumn(
        "queue",
        "QUEUE",
        lambda irq: queues_text(irq.queues) or "-",
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
    _cpus_column("cpus", "CPUS", lambda irq: irq.affinity, least=6, most=24),
    _cpus_column("on", "ON", lambda irq: irq.effective, least=3, most=12),
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
"""Columns that are never left out: the order stays visible."""


def matching(irqs: Iterable[Irq], words: str) -> list[Irq]:
    """IRQs that contain every word, ignoring case; `cpu:3` selects those that CPU 3 handles."""
    required = words.lower().split()
    return [irq for irq in irqs if all(_matches(irq, word) for word in required)]


def _matches(irq: Irq, word: str) -> bool:
    if word.startswith("cpu:") and word[4:].isascii() and word[4:].isdecimal():
        return int(word[4:]) in (irq.effective or irq.affinity)
    return any(
        word in text.lower()
        for text in (
            str(irq.number),
            irq.name,
            queues_text(irq.queues),
            irq.device or "",
            policy_of(irq),
            irq.policy,
        )
    )


def ordered(irqs: Iterable[Irq], key: str, reverse: bool) -> list[Irq]:
    """Sorted by this column, then by number, so that rows with equal values keep their places."""
    column = BY_KEY[key]
    found = sorted(irqs, key=lambda irq: irq.number)
    found.sort(key=column.by, reverse=column.down != reverse)
    return found


def is_descending(key: str, reverse: bool) -> bool:
    """Whether the largest value comes first."""
    return BY_KEY[key].down != reverse


def cell(text: str, width: int, right: bool = False, ends: bool = False) -> str:
    """Text of exactly `width` columns, with … where it is cut, safe for a terminal."""
    text = plain(text)
    size = cell_len(text)
    if size > width > 4 and ends:
        # Names of one device's queues differ in their last characters.
        tail = text[-(width // 2) :]
        while cell_len(tail) > width // 2:
            tail = tail[1:]
        return set_cell_size(text, width - 1 - cell_len(tail)) + "…" + tail
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width else ""
    return " " * (width - size) + text if right else text + " " * (width - size)


def widths(rows: Sequence[Irq], width: int) -> list[tuple[TopColumn, int]]:
    """The columns that fit into `width`, each with its own width; one space separates two."""
    sizes: dict[str, int] = {}
    for column in COLUMNS:
        # One more for the arrow beside the head.
        size = max(
            len(column.head) + 1,
            max((cell_len(plain(column.text(irq))) for irq in rows), default=0),
        )
        sizes[column.key] = min(size, column.most)
    shown = list(COLUMNS)
    while any(column.drop for column in shown) and _needed(shown, sizes) > width:
        shown.remove(max(shown, key=lambda column: column.drop))
    over = sum(sizes[column.key] for column in shown) + len(shown) - 1 - width
    while over > 0:
        # The reason is cut first, then the column with the most characters above its least.
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


def _needed(shown: Sequence[TopColumn], sizes: dict[str, int]) -> int:
    """Characters that these columns need uncut; of the reason its least width is enough."""
    return (
        sum(column.least if column.key == "reason" else sizes[column.key] for column in shown)
        + len(shown)
        - 1
    )
