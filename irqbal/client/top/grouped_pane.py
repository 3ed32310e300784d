"""A pane with rows in groups, such as the queues of a NIC below its interface."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from irqbal.client.top.cursor_pane import CursorPane
from irqbal.client.top.fitting import FittedColumn, cell, fit, size_of
from irqbal.client.top.groups import GroupedRow


class GroupedPane(CursorPane):
    """Rows in groups; `current_irq` is what the row below the cursor is about."""

    def __init__(self, id: str, columns: Sequence[FittedColumn]) -> None:
        super().__init__(id)
        self._columns = tuple(columns)
        self._rows: tuple[GroupedRow, ...] = ()
        self._widths: list[tuple[FittedColumn, int]] = []
        self._empty = ""

    @property
    def row_count(self) -> int:
        return len(self._rows)

    @property
    def current_irq(self) -> int | None:
        """The number of the IRQ that the row below the cursor is about."""
        return self._rows[self._row].irq if self._rows else None

    def fill(self, rows: Sequence[GroupedRow], empty: str) -> None:
        """Show these rows; `empty` where there are none."""
        self._rows, self._empty = tuple(rows), empty
        self.rearrange()

    def key_of(self, row: int) -> Hashable:
        return self._rows[row].key

    def empty_text(self) -> str:
        return self._empty

    def refit(self, width: int) -> None:
        sizes = {
            column.key: size_of(column, (row.cells[index] for row in self._rows if not row.title))
            for index, column in enumerate(self._columns)
        }
        self._widths = fit(self._columns, sizes, width)

    def head_line(self) -> Strip:
        bold = Style(bold=True)
        return Strip(
            [
                Segment(cell(column.head, width, column.right) + " ", bold)
                for column, width in self._widths
            ]
        )

    def row_line(self, row: int, chosen: bool) -> Strip:
        item = self._rows[row]
        style = Style.parse(item.style)
        if item.title:
            style += Style(bold=True)
        if chosen:
            style = Style(reverse=True, bold=self.has_focus)
        if item.title:
            return Strip([Segment(cell(item.title, self.size.width), style)])
        by_key = dict(zip((column.key for column in self._columns), item.cells, strict=True))
        return Strip(
            [
                Segment(
                    cell(by_key[column.key], width, column.right, column.ends) + " ",
                    style,
                )
                for column, width in self._widths
            ]
        )
