"""Tables that fit the terminal: less important columns are left out, long texts wrap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from irqbal.render.console import plain


class Column(msgspec.Struct, frozen=True):
    """A column of a table.

    On a narrow terminal the columns with the highest `drop` are left out first (0: never), and
    those that `wrap` become narrower. `style`: rich's name of a style, for every cell.
    """

    head: str
    right: bool = False
    wrap: bool = False
    drop: int = 0
    style: str = ""


Cell = TypeVar("Cell", bound=str | Text)
GAP = 2
"""Spaces between two columns."""
NARROW = 16
"""Characters: the least width of a column that wraps."""
LONG_WORD = 24
"""Characters: longer words may be broken before other columns are made narrower."""


def print_rows(out: Console, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table, one cell a column in each row. A cell may be a `Text` with its own style."""
    cells = [
        [cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row] for row in rows
    ]
    widest = [
        max(cell_len(column.head), max((row[index].cell_len for row in cells), default=0))
        for index, column in enumerate(columns)
    ]
    longest_words = [
        max(
            (cell_len(word) for row in cells for word in _SPACES.split(row[index].plain)), default=0
        )
        for index in range(len(columns))
    ]
    widths = _fit(columns, widest, longest_words, out.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index, width in widths.items():
        column = columns[index]
        table.add_column(
            column.head,
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.wrap,
            style=column.style,
            width=width if column.wrap else None,
        )
    for row in cells:
        table.add_row(*(_break_at_commas(row[index], width) for index, width in widths.items()))
    out.print(table)


_SPACES = re.compile(r"[ ,]")


def _fit(
    columns: Sequence[Column], widest: Sequence[int], longest_words: Sequence[int], width: int
) -> dict[int, int]:
    """Index of each column that is shown -> its width. `widest`: characters of each column's
    longest cell.
    """
    widths = {
        index: min(NARROW, size) if columns[index].wrap else size
        for index, size in enumerate(widest)
    }
    while sum(widths.values()) + GAP * (len(widths) - 1) > width:
        least = max(widths, key=lambda index: columns[index].drop)
        if columns[least].drop == 0:
            break
        del widths[least]
    # Spare room goes to columns that would break a word, then to those that lack the most.
    for _ in range(width - sum(widths.values()) - GAP * (len(widths) - 1)):
        neediest = max(
            widths,
            key=lambda index: (
                widths[index] < min(longest_words[index], LONG_WORD),
                widest[index] / max(1, widths[index]),
            ),
        )
        if widths[neediest] >= widest[neediest]:
            break
        widths[neediest] += 1
    return widths


_CPU_SET = re.compile(r"[0-9,-]+")


def _break_at_commas(cell: Text, width: int) -> Text:
    """Break a long CPU set after commas, so that no line ends within a number."""
    if cell.cell_len <= width or not _CPU_SET.fullmatch(cell.plain):
        return cell
    lines = [""]
    for part in cell.plain.replace(",", ",\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return Text("\n".join(lines), cell.style)
