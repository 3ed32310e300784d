"""How the columns of a pane fit into its width. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec
from rich.cells import cell_len, set_cell_size

from irqbal.render.console import plain


class FittedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a pane. Widths are in characters.

    `least`: the width down to which it may be cut (0: it is never cut); with `ends` the middle of a
    cell is cut out. `most`: its largest width. `free`: it is cut before all others. Where there is
    no room the columns with the highest `drop` are left out first (0: never).
    """

    key: str
    head: str
    right: bool = False
    least: int = 0
    most: int = 99
    drop: int = 0
    ends: bool = False
    free: bool = False


Column = TypeVar("Column", bound=FittedColumn)


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


def size_of(column: FittedColumn, texts: Iterable[str], spare: int = 0) -> int:
    """The width of a column with these cells. `spare`: characters kept free beside its head."""
    size = max((cell_len(plain(text)) for text in texts), default=0)
    return min(max(size, len(column.head) + spare), column.most)


def fit(
    columns: Sequence[Column], sizes: Mapping[str, int], width: int
) -> list[tuple[Column, int]]:
    """The columns that fit into `width`, each with its own width; one space separates two. `sizes`:
    the width that each would have.
    """
    left = dict(sizes)
    shown = list(columns)
    while any(column.drop for column in shown) and _needed(shown, left) > width:
        shown.remove(max(shown, key=lambda column: column.drop))
    over = sum(left[column.key] for column in shown) + len(shown) - 1 - width
    while over > 0:
        # The free column is cut first, then the one with the most characters above its least.
        widest = max(shown, key=lambda column: _spare(column, left[column.key]))
        if not widest.least or left[widest.key] <= widest.least:
            break
        left[widest.key] -= 1
        over -= 1
    return [(column, left[column.key]) for column in shown]


def _spare(column: FittedColumn, size: int) -> int:
    if not column.least:
        return -1
    return size - column.least + (1000 if column.free and size > column.least else 0)


def _needed(shown: Sequence[FittedColumn], sizes: Mapping[str, int]) -> int:
    """Characters that these columns need uncut; of the free one its least width is enough."""
    return (
        sum(column.least if column.free else sizes[column.key] for column in shown) + len(shown) - 1
    )
