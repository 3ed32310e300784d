"""What the panes with rows share: a cursor, and a head that does not scroll. A line is rendered
only when it is visible: a host may have thousands.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip


class CursorPane(ScrollView, can_focus=True):
    """Rows below a head. The cursor stays where it is until the user moves it; then it follows its
    row, which a key names.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)"),
        Binding("down,j", "move(1)"),
        Binding("pageup", "page(-1)"),
        Binding("pagedown,space", "page(1)"),
        Binding("home", "move(-1000000)"),
        Binding("end", "move(1000000)"),
        Binding("enter", "choose"),
    ]

    class Chosen(Message):
        """The row below the cursor was chosen."""

        def __init__(self, pane: CursorPane) -> None:
            super().__init__()
            self.pane = pane

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._row = 0
        self._key: Hashable = None

    # What a pane says of itself

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def key_of(self, row: int) -> Hashable:
        """What names this row, whatever its place."""
        raise NotImplementedError

    def head_line(self) -> Strip:
        """The line above the rows."""
        raise NotImplementedError

    def row_line(self, row: int, chosen: bool) -> Strip:
        """A row; `chosen`: below the cursor."""
        raise NotImplementedError

    def empty_text(self) -> str:
        """What stands there instead of rows."""
        return ""

    def head_clicked(self, column: int) -> None:
        """The head was clicked at this column of the screen."""

    def refit(self, width: int) -> None:
        """The rows changed, or the width, in columns of the screen."""

    # What all panes do

    def rearrange(self) -> None:
        """Show changed rows. The cursor follows its own."""
        if self._key is not None:
            found = (row for row in range(self.row_count) if self.key_of(row) == self._key)
            self._row = next(found, self._row)
        self._row = min(self._row, max(0, self.row_count - 1))
        self.refit(max(1, self.scrollable_content_region.width))
        self.virtual_size = Size(self.size.width, self.row_count + 1)
        self._reveal()
        self.refresh()

    def go_to(self, row: int) -> None:
        """Put the cursor on this row, and have it follow it."""
        self._row = min(max(0, row), max(0, self.row_count - 1))
        self._key = self.key_of(self._row) if self.row_count else None
        self._reveal()
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        self.rearrange()

    def action_move(self, by: int) -> None:
        """Move the cursor by this many rows."""
        self.go_to(self._row + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by this many pages."""
        self.action_move(by * max(1, self.size.height - 2))

    def action_choose(self) -> None:
        """Choose the row below the cursor."""
        self.post_message(self.Chosen(self))

    def _reveal(self) -> None:
        # The head covers the first line, so one more above the cursor's must be visible.
        self.scroll_to_region(Region(0, self._row, 1, 2), animate=False, force=True, x_axis=False)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            self.head_clicked(event.x)
            return
        row = event.y - 1 + self.scroll_offset.y
        if row < self.row_count:
            self.go_to(row)
            if event.chain == 2:
                self.action_choose()

    def render_line(self, y: int) -> Strip:
        """The head does not scroll; the rows scroll below it."""
        row = y - 1 + self.scroll_offset.y
        if y == 0:
            strip = self.head_line()
        elif row < self.row_count:
            strip = self.row_line(row, row == self._row)
        else:
            strip = Strip([Segment(self.empty_text() if y == 1 and not self.row_count else "")])
        return strip.adjust_cell_length(self.size.width).apply_style(self.rich_style)
