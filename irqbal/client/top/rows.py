"""The table of IRQs as text: its columns, its filter and order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from irqbal.api.contract import responses
from irqbal.client.top.fitting import FittedColumn, fit, size_of
from irqbal.cpuset import CpuSet
from irqbal.render.explanation import queues_text

Irq = responses.IrqView


class TopColumn(FittedColumn, frozen=True, kw_only=True):
    """A column of the table. `text` makes a cell, `by` the value to sort by. `down`: sorted with
    the largest value first.
    """

    text: Callable[[Irq], str]
    by: Callable[[Irq], Any]
    down: bool = False


def _queue_order(irq: Irq) -> tuple[Any, ...]:
    first = next(iter(irq.queues), None)
    return (1,) if first is None else (0, first.name, first.kind, first.index)


def policy_of(irq: Irq) -> str:
    """The policy that placed an IRQ; `override`, `unmovable`, or a dash."""
    if irq.planned is not None:
        # What a dry run or the kernel did not do is not told as done.
        return f"{irq.policy} (planned)"
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
        key=key,
        head=head,
        text=lambda irq: cpus_text(cpus(irq)) or "-",
        by=lambda irq: tuple(cpus(irq)),
        least=least,
        most=most,
    )


COLUMNS = (
    TopColumn(
        key="irq",
        head="IRQ",
        text=lambda irq: str(irq.number),
        by=lambda irq: irq.number,
        right=True,
    ),
    TopColumn(
        key="name",
        head="NAME",
        text=lambda irq: irq.name,
        by=lambda irq: irq.name,
        least=12,
        most=40,
        ends=True,
    ),
    TopColumn(
        key="queue",
        head="QUEUE",
        text=lambda irq: queues_text(irq.queues) or "-",
        by=_queue_order,
        least=9,
        most=30,
        ends=True,
    ),
    TopColumn(
        key="rate",
        head="RATE/S",
        text=lambda irq: rate_text(irq.rate),
        by=lambda irq: irq.rate,
        right=True,
        down=True,
    ),
    TopColumn(
        key="load",
        head="LOAD %",
        text=lambda irq: f"{irq.load * 100:.2f}",
        by=lambda irq: irq.load,
        right=True,
        down=True,
    ),
    _cpus_column("cpus", "CPUS", lambda irq: irq.affinity, least=6, most=24),
    _cpus_column("on", "ON", lambda irq: irq.effective, least=3, most=12),
    TopColumn(
        key="device",
        head="DEVICE",
        text=lambda irq: irq.device or "-",
        by=lambda irq: irq.device or "~",
        least=12,
        most=16,
        drop=1,
    ),
    TopColumn(key="policy", head="POLICY", text=policy_of, by=policy_of, least=9, most=24),
    TopColumn(
        key="reason",
        head="REASON",
        text=lambda irq: irq.reason or irq.unmovable,
        by=lambda irq: irq.reason,
        least=16,
        most=120,
        drop=2,
        free=True,
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


def widths(rows: Sequence[Irq], width: int) -> list[tuple[TopColumn, int]]:
    """The columns that fit into `width`, each with its own width."""
    # One more for the arrow beside the head.
    sizes = {
        column.key: size_of(column, (column.text(irq) for irq in rows), spare=1)
        for column in COLUMNS
    }
    return fit(COLUMNS, sizes, width)
