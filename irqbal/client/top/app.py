"""The screen: head, CPUs as bars, the table of IRQs, the tree of nodes, and the keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import ClassVar

import msgspec
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from irqbal.api.contract import responses
from irqbal.client.http import Client
from irqbal.client.top import bars, dialogs, head, rows
from irqbal.client.top.actions import DaemonActions
from irqbal.client.top.contact import DaemonContact
from irqbal.client.top.feed import Reading, ReadingFeed
from irqbal.client.top.nodes import NodeTree
from irqbal.client.top.table import IrqTable
from irqbal.errors import IrqbalError
from irqbal.render.console import plain

WIDE = 130
"""Columns: from this width on the tree stands beside the table by default."""
NOTICE_SECONDS = 10.0
"""How long the result of a key stays on the line above the keys."""


class ScreenCall(Message):
    """A call from another thread, to be made in the screen's own."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act


class Notice(msgspec.Struct, frozen=True):
    """A sentence above the keys. `until` in `time.monotonic()` seconds; `bad`: a failure."""

    text: str = ""
    bad: bool = False
    until: float = float("-inf")


class Top(App[None]):
    """`irqbal-client top`."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", "quit", priority=True),
        Binding("question_mark,f1", "help", "help"),
        Binding("slash", "filter", "filter"),
        Binding("s", "sort(1)", "sort"),
        Binding("S", "sort(-1)"),
        Binding("r", "reverse"),
        Binding("t", "tree"),
        Binding("o", "override"),
        Binding("c", "clear"),
        Binding("p", "pause"),
        Binding("escape", "unfilter"),
    ]
    CSS = """
    #head { height: 2; background: $panel; }
    #bars { height: 4; }
    #body { height: 1fr; }
    IrqTable {
        width: 1fr; height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
    }
    NodeTree { width: 48; height: 1fr; padding: 0; border: none; scrollbar-size: 1 1; }
    NodeTree:focus { border: none; }
    #filter { height: 1; border: none; padding: 0; display: none; }
    #filter:focus { border: none; height: 1; }
    #notice, #keys { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #keys { background: $panel; }
    """

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._daemon_name = str(client.on or client.target)
        self._contact = DaemonContact(str(client.target))
        self._actions = DaemonActions(client, self)
        self._notice = Notice()
        self._tree_chosen: bool | None = None
        """Whether the user wants the tree; None: by the terminal's width."""
        self._lock = threading.Lock()
        self._open = True
        self.feed = ReadingFeed(client, lambda result: self.run_here(lambda: self._take(result)))

    @property
    def table(self) -> IrqTable:
        """The IRQs."""
        return self._main.query_one(IrqTable)

    @property
    def _main(self) -> ModalScreen[None]:
        # Dialogs are screens above this one, and readings are shown below them.
        return self.screen_stack[0]  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="bars")
        with Horizontal(id="body"):
            yield IrqTable(id="irqs")
            yield NodeTree(id="nodes")
        yield Input(
            id="filter",
            placeholder="filter: words that a row must contain, or cpu:3",
            select_on_focus=False,
        )
        yield Static(id="notice")
        yield Static(id="keys")

    def on_mount(self) -> None:
        self.table.focus()
        self._arrange()
        self.set_interval(1.0, self._show_lines)
        self.feed.start()

    def on_unmount(self) -> None:
        with self._lock:
            self._open = False
        self.feed.stop()

    def run_here(self, act: Callable[[], None]) -> None:
        """Run this in the screen's thread; never, once the screen is closed. Any thread may call
        it.
        """
        with self._lock:
            if self._open:
                self.post_message(ScreenCall(act))

    def on_screen_call(self, message: ScreenCall) -> None:
        """Make a call from another thread."""
        message.act()

    def on_resize(self, event: events.Resize) -> None:
        # The screen still has its old size until this event is handled.
        self.call_next(self._arrange)

    def _arrange(self) -> None:
        """Divide the terminal between table, tree and bars."""
        wide, lines = self.size.width >= WIDE, self.size.height
        tree = wide if self._tree_chosen is None else self._tree_chosen
        nodes = self._main.query_one(NodeTree)
        nodes.display, self.table.display = tree, wide or not tree
        nodes.styles.width = 48 if wide else "1fr"
        self._main.query_one("#bars").styles.height = self._bars_height(lines)
        if not wide and self.screen is self._main and not self._filtering:
            (nodes if tree else self.table).focus()
        self._show()

    @staticmethod
    def _bars_height(lines: int) -> int:
        return max(1, min(8, lines // 6))

    @property
    def _filtering(self) -> bool:
        return bool(self._main.query_one("#filter").display)

    def _take(self, result: Reading | IrqbalError) -> None:
        if not self.screen_stack:
            # The screen is being closed.
            return
        self.call_after_refresh(self.feed.shown)
        if isinstance(result, IrqbalError):
            self._contact.failed(result, time.monotonic())
        else:
            if self._contact.received(result, time.monotonic()):
                self.say("the daemon answers again")
            self.table.fill(result.irqs)
            self._main.query_one(NodeTree).fill(result.cpus)
        self._show()

    def _show(self) -> None:
        if self._contact.cpus:
            height = self._bars_height(self.size.height)
            self._static("bars").update(bars.panel(self._contact.cpus, self.size.width, height))
        self._show_lines()

    def _show_lines(self) -> None:
        now, status, table = time.monotonic(), self._contact.status, self.table
        silence = self._contact.silence(now)
        self._static("head").update(head.head(status, silence, self._daemon_name, self.size.width))
        if now < self._notice.until:
            style = "bold red" if self._notice.bad else "bold"
            line = Text(self._notice.text, style, no_wrap=True, overflow="ellipsis")
        else:
            shown = head.ShownRows(
                shown=len(table.shown),
                count=table.count,
                words=table.words,
                key=table.key,
                reverse=table.reverse,
            )
            line = head.about(shown)
        self._static("notice").update(line)
        paused = status is not None and status.paused
        self._static("keys").update(head.keys(paused, self.size.width))

    def _static(self, name: str) -> Static:
        return self._main.query_one(f"#{name}", Static)

    def say(self, text: str, bad: bool = False) -> None:
        """Show a sentence above the keys for some seconds; `bad`: as a failure."""
        self._notice = Notice(plain(text), bad, time.monotonic() + NOTICE_SECONDS)
        self._show_lines()

    def open_dialog(self, dialog: ModalScreen[None]) -> None:
        """Show a dialog, unless one is open: the answer to a key may come after another key."""
        if len(self.screen_stack) == 1:
            self.push_screen(dialog)

    def status_changed(self, status: responses.Status | None) -> None:
        """Show a status at once, and read the daemon's state again."""
        if status is not None:
            self._contact.set_status(status)
            self._show_lines()
        self.feed.refresh()

    def _current(self) -> responses.IrqView | None:
        irq = self.table.current
        if irq is None:
            self.say("there is no IRQ to choose")
        return irq

    def action_help(self) -> None:
        """Show every key."""
        self.push_screen(dialogs.help_page())

    def action_filter(self) -> None:
        """Edit the filter."""
        field = self._main.query_one("#filter", Input)
        field.display, self._static("notice").display = True, False
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self.table.words = event.value
            self.table.rearrange()
            self._show_lines()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter":
            self._close_filter()

    def action_unfilter(self) -> None:
        """Show all rows."""
        self._main.query_one("#filter", Input).value = ""
        self._close_filter()

    def _close_filter(self) -> None:
        self._main.query_one("#filter").display, self._static("notice").display = False, True
        # An older notice is about rows that may not be shown any more.
        self._notice = Notice()
        if not self.table.display:
            self._tree_chosen = False
            self._arrange()
        self.table.focus()
        self._show_lines()

    def action_sort(self, by: int) -> None:
        """Sort by another column, `by` columns to the right."""
        table = self.table
        index = (rows.SORTABLE.index(table.key) + by) % len(rows.SORTABLE)
        table.key, table.reverse = rows.SORTABLE[index], False
        self._sort()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.table.reverse = not self.table.reverse
        self._sort()

    def _sort(self) -> None:
        self.table.rearrange()
        self._notice = Notice()
        self._show_lines()

    def action_tree(self) -> None:
        """Show the tree, or hide it."""
        self._tree_chosen = not self._main.query_one(NodeTree).display
        if not self._tree_chosen:
            self.table.focus()
        self._arrange()

    def on_irq_table_explain(self, message: IrqTable.Explain) -> None:
        """Explain the IRQ below the cursor."""
        irq = self._current()
        if irq is not None:
            self._actions.explain(irq, self.size.width)

    def action_override(self) -> None:
        """Place the IRQ below the cursor."""
        irq = self._current()
        if irq is not None:
            self._actions.override(irq)

    def action_clear(self) -> None:
        """Remove the override of the IRQ below the cursor."""
        irq = self._current()
        if irq is not None:
            self._actions.clear(irq)

    def action_pause(self) -> None:
        """Pause, or resume."""
        if self._contact.status is not None:
            self._actions.pause(self._contact.status)
