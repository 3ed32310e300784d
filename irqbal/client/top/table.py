"""The table of IRQs."""

from __future__ import annotations

from collections.abc import Hashable

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from irqbal.api.contract import responses
from irqbal.client.top import rows
from irqbal.client.top.bars import style_of
from irqbal.client.top.cursor_pane import CursorPane
from irqbal.client.top.fitting import cell

Irq = responses.IrqView


class IrqTable(CursorPane):
    """Sorted and filtered."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.key, self.reverse, self.words = "load", False, ""
        self.shown: list[Irq] = []
        self._irqs: tuple[Irq, ...] = ()
        self._widths: list[tuple[rows.TopColumn, int]] = []

    @property
    def current(self) -> Irq | None:
        """The IRQ below the cursor."""
        return self.shown[self._row] if self._row < len(self.shown) else None

    @property
    def row_count(self) -> int:
        return len(self.shown)

    @property
    def count(self) -> int:
        """All IRQs, those included that the filter hides."""
        return len(self._irqs)

    def find(self, number: int) -> Irq | None:
        """The IRQ with this number, also where the filter hides it."""
        return next((irq for irq in self._irqs if irq.number == number), None)

    def select(self, number: int) -> bool:
        """Put the cursor on this IRQ; False if no row shows it."""
        for row, irq in enumerate(self.shown):
            if irq.number == number:
                self.go_to(row)
                return True
        return False

    def key_of(self, row: int) -> Hashable:
        return self.shown[row].number

    def fill(self, irqs: tuple[Irq, ...]) -> None:
        """Show these IRQs."""
        self._irqs = irqs
        self.rearrange()

    def rearrange(self) -> None:
        """Filter and sort again. The cursor follows its IRQ."""
        self.shown = rows.ordered(rows.matching(self._irqs, self.words), self.key, self.reverse)
        super().rearrange()

    def refit(self, width: int) -> None:
        self._widths = rows.widths(self.shown, width)

    def sort_by(self, key: str) -> None:
        """Sort by this column; if it is the present one, reverse the order."""
        self.reverse = not self.reverse if key == self.key else False
        self.key = key
        self.rearrange()

    def head_clicked(self, column: int) -> None:
        found = column_at(self._widths, column)
        if found is not None and found.key in rows.SORTABLE:
            self.sort_by(found.key)

    def empty_text(self) -> str:
        return "no IRQ matches" if self._irqs else ""

    def head_line(self) -> Strip:
        arrow = "▼" if rows.is_descending(self.key, self.reverse) else "▲"
        parts = [
            Segment(
                cell(column.head + (arrow if column.key == self.key else ""), width, column.right)
                + " ",
                Style(bold=True, underline=column.key == self.key),
            )
            for column, width in self._widths
        ]
        return Strip(parts)

    def row_line(self, row: int, chosen: bool) -> Strip:
        irq = self.shown[row]
        whole = Style(dim=not irq.movable)
        if chosen:
            whole = Style(reverse=True, bold=self.has_focus)
        parts = []
        for column, width in self._widths:
            style = whole
            if not chosen and column.key == "load" and irq.load > 0:
                style = Style(color=style_of(irq.load))
            elif not chosen and column.key == "policy" and irq.override:
                style = Style(color="magenta", bold=True)
            elif not chosen and column.key == "on" and not irq.local and irq.rate > 0:
                style = Style(color="yellow")
            parts.append(
                Segment(cell(column.text(irq), width, column.right, column.ends) + " ", style)
            )
        return Strip(parts)


def column_at(widths: list[tuple[rows.TopColumn, int]], column: int) -> rows.TopColumn | None:
    """The column that stands at this column of the screen."""
    start = 0
    for one, width in widths:
        if start <= column <= start + width:
            return one
        start += width + 1
    return None
