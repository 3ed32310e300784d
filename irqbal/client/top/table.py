"""The table of IRQs. A line is rendered only when it is visible: a host may have thousands."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from irqbal.api.contract import responses
from irqbal.client.top import rows
from irqbal.client.top.bars import style_of

Irq = responses.IrqView


class IrqTable(ScrollView, can_focus=True):
    """Sorted and filtered. The cursor stays on the first row until the user moves it; then it
    follows its IRQ.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)"),
        Binding("down,j", "move(1)"),
        Binding("pageup", "page(-1)"),
        Binding("pagedown,space", "page(1)"),
        Binding("home", "move(-1000000)"),
        Binding("end", "move(1000000)"),
        Binding("enter", "explain"),
    ]

    class Explain(Message):
        """A request to explain the IRQ below the cursor."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.key, self.reverse, self.words = "load", False, ""
        self.shown: list[Irq] = []
        self._irqs: tuple[Irq, ...] = ()
        self._widths: list[tuple[rows.TopColumn, int]] = []
        self._row, self._number = 0, -1

    @property
    def current(self) -> Irq | None:
        """The IRQ below the cursor."""
        return self.shown[self._row] if self._row < len(self.shown) else None

    @property
    def count(self) -> int:
        """All IRQs, those included that the filter hides."""
        return len(self._irqs)

    def fill(self, irqs: tuple[Irq, ...]) -> None:
        """Show these IRQs."""
        self._irqs = irqs
        self.rearrange()

    def rearrange(self) -> None:
        """Filter and sort again. The cursor follows its IRQ."""
        self.shown = rows.ordered(rows.matching(self._irqs, self.words), self.key, self.reverse)
        places = [index for index, irq in enumerate(self.shown) if irq.number == self._number]
        self._row = places[0] if places else min(self._row, max(0, len(self.shown) - 1))
        self._fit()
        self.virtual_size = Size(self.size.width, len(self.shown) + 1)
        self._reveal()
        self.refresh()

    def _fit(self) -> None:
        self._widths = rows.widths(self.shown, max(1, self.scrollable_content_region.width))

    def on_resize(self, event: events.Resize) -> None:
        self.rearrange()

    def sort_by(self, key: str) -> None:
        """Sort by this column; if it is the present one, reverse the order."""
        self.reverse = not self.reverse if key == self.key else False
        self.key = key
        self.rearrange()

    def action_move(self, by: int) -> None:
        """Move the cursor by this many rows."""
        self._row = min(max(0, self._row + by), max(0, len(self.shown) - 1))
        self._number = self.shown[self._row].number if self.shown else -1
        self._reveal()
        self.refresh()

    def action_page(self, by: int) -> None:
        """Move the cursor by this many pages."""
        self.action_move(by * max(1, self.size.height - 2))

    def action_explain(self) -> None:
        """Request an explanation."""
        self.post_message(self.Explain())

    def _reveal(self) -> None:
        # The head covers the first line, so one more above the cursor's must be visible.
        self.scroll_to_region(Region(0, self._row, 1, 2), animate=False, force=True, x_axis=False)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            start = 0
            for column, width in self._widths:
                if start <= event.x <= start + width and column.key in rows.SORTABLE:
                    self.sort_by(column.key)
                    return
                start += width + 1
            return
        row = event.y - 1 + self.scroll_offset.y
        if row < len(self.shown):
            self.action_move(row - self._row)
            if event.chain == 2:
                self.action_explain()

    def render_line(self, y: int) -> Strip:
        """The head does not scroll; the rows scroll below it."""
        width, base = self.size.width, self.rich_style
        index = y - 1 + self.scroll_offset.y
        if y == 0:
            strip = self._head()
        elif index < len(self.shown):
            strip = self._line(self.shown[index], index == self._row)
        else:
            strip = Strip(
                [Segment("no IRQ matches" if self._irqs and not self.shown and y == 1 else "")]
            )
        return strip.adjust_cell_length(width).apply_style(base)

    def _head(self) -> Strip:
        arrow = "▼" if rows.is_descending(self.key, self.reverse) else "▲"
        parts = [
            Segment(
                rows.cell(
                    column.head + (arrow if column.key == self.key else ""), width, column.right
                )
                + " ",
                Style(bold=True, underline=column.key == self.key),
            )
            for column, width in self._widths
        ]
        return Strip(parts)

    def _line(self, irq: Irq, chosen: bool) -> Strip:
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
                Segment(rows.cell(column.text(irq), width, column.right, column.ends) + " ", style)
            )
        return Strip(parts)
