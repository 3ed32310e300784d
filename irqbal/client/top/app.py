"""The screen: head, CPUs as bars, a pane with rows, the tree of nodes, and the keys.

Longer than other modules: Textual finds the handler of each key and message on the app.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import ClassVar

import msgspec
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult, SuspendNotSupported
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from irqbal.api.contract import responses
from irqbal.client.http import Client
from irqbal.client.top import bars, dialogs, head, rows
from irqbal.client.top.actions import DaemonActions
from irqbal.client.top.ascii_filter import AsciiFilter
from irqbal.client.top.connection import TopConnection, needs_token
from irqbal.client.top.contact import DaemonContact
from irqbal.client.top.cursor_pane import CursorPane
from irqbal.client.top.feed import ReadingFeed
from irqbal.client.top.job_control import stop_job
from irqbal.client.top.options import TopOptions
from irqbal.client.top.pane_area import NEEDED, PaneArea, PaneName
from irqbal.client.top.reading import Reading, StateReader
from irqbal.client.top.table import IrqTable
from irqbal.client.top.todo import TodoList
from irqbal.client.top.token_form import TokenForm
from irqbal.errors import IrqbalError
from irqbal.render.console import plain

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
        Binding("f", "todo"),
        Binding("n", "pane('nics')"),
        Binding("d", "pane('decisions')"),
        Binding("i", "pane('irqs')"),
        Binding("o", "override"),
        Binding("c", "clear"),
        Binding("p", "pause"),
        Binding("T", "token"),
        Binding("escape", "leave"),
        Binding("ctrl+z", "suspend_process", "suspend", priority=True),
    ]
    CSS = """
    #head { height: 2; background: $panel; }
    #bars { height: 4; }
    #body { height: 1fr; }
    #filter { height: 1; border: none; padding: 0; display: none; }
    #filter:focus { border: none; height: 1; }
    #notice, #keys { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #keys { background: $panel; }
    """

    def __init__(self, client: Client, options: TopOptions | None = None) -> None:
        super().__init__()
        self._options = options or TopOptions()
        if self._options.ascii_only:
            # Textual has no method to add a filter.
            self._filters.append(AsciiFilter())
        self._daemon_name = str(client.on or client.target)
        self._contact = DaemonContact(str(client.target), self._options.delay)
        connection = TopConnection(
            client, lambda text: self.run_here(lambda: self.say(f"{text}; T asks for another"))
        )
        self._actions = DaemonActions(connection, self)
        self._notice = Notice()
        self._token_declined = False
        """Whether the user gave no token when readings needed one."""
        self._left = self._options.count
        self._lock = threading.Lock()
        self._open = True
        self._reader = StateReader(connection)
        self.feed = ReadingFeed(
            self._reader,
            lambda result: self.run_here(lambda: self._take(result)),
            self._options.delay,
        )

    @property
    def table(self) -> IrqTable:
        """The IRQs."""
        return self._panes.table

    @property
    def last_reading(self) -> Reading | None:
        """What is shown."""
        return self._contact.last

    @property
    def _panes(self) -> PaneArea:
        return self._main.query_one(PaneArea)

    @property
    def _main(self) -> ModalScreen[None]:
        # Dialogs are screens above this one, and readings are shown below them.
        return self.screen_stack[0]  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="bars")
        yield PaneArea(id="body")
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

    def pop_screen(self) -> AwaitComplete:
        """Close a dialog."""
        # What was to be called after the dialog's next refresh never is.
        self.feed.shown()
        return super().pop_screen()

    def run_here(self, act: Callable[[], None]) -> None:
        """Run this in the screen's thread; never, once the screen is closed. Any thread may call
        it.
        """
        with self._lock:
            if self._open:
                self.post_message(ScreenCall(act))

    def on_screen_call(self, message: ScreenCall) -> None:
        """Make a call from another thread."""
        if self.is_running:
            message.act()

    def on_resize(self, event: events.Resize) -> None:
        # The screen still has its old size until this event is handled.
        self.call_next(self._arrange)

    def _arrange(self) -> None:
        """Divide the terminal between bars, pane and tree."""
        self._main.query_one("#bars").styles.height = self._bars_height(self.size.height)
        alone = self._panes.divide(self.size.width)
        if alone is not None and self.screen is self._main and not self._filtering:
            alone.focus()
        self._show()

    @staticmethod
    def _bars_height(lines: int) -> int:
        return max(1, min(8, lines // 6))

    @property
    def _filtering(self) -> bool:
        return bool(self._main.query_one("#filter").display)

    def _take(self, result: Reading | IrqbalError) -> None:
        self.call_after_refresh(self.feed.shown)
        if isinstance(result, IrqbalError):
            self._contact.failed(result, time.monotonic())
            if needs_token(result) and not self._token_declined:
                self._ask_token(result)
        else:
            if self._contact.received(result, time.monotonic()):
                self.say("the daemon answers again")
            self._token_declined = False
            self._panes.fill(result)
            if isinstance(self.screen, TodoList) and result.findings is not None:
                self.screen.fill(result.findings)
            self._count_down()
        self._show()

    def _count_down(self) -> None:
        """End after as many readings as were asked for."""
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.call_after_refresh(self.exit)

    def _show(self) -> None:
        if self._contact.cpus:
            height = self._bars_height(self.size.height)
            self._static("bars").update(bars.panel(self._contact.cpus, self.size.width, height))
        self._show_lines()

    def _show_lines(self) -> None:
        if not self.is_running:
            # The screen is being closed.
            return
        now, reading = time.monotonic(), self._contact.last
        state = head.HeadState(
            target=self._daemon_name,
            status=self._contact.status,
            findings=None if reading is None else reading.findings,
            silence=self._contact.silence(now),
            age=self._contact.age(now),
        )
        widget, text = self._static("head"), head.head(state, self.size.width)
        widget.styles.height = text.plain.count("\n") + 1
        widget.update(text)
        if now < self._notice.until:
            style = "bold red" if self._notice.bad else "bold"
            line = Text(self._notice.text, style, no_wrap=True, overflow="ellipsis")
        else:
            line = self._panes.about(reading)
        self._static("notice").update(line)
        paused = state.status is not None and state.status.paused
        self._static("keys").update(head.keys(paused, self._panes.pane_name, self.size.width))

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

    def ask_token(self, form: TokenForm) -> None:
        """Show the form for a token, above a dialog that is open; one form is enough."""
        if not isinstance(self.screen, TokenForm):
            self.push_screen(form)

    def _ask_token(self, error: IrqbalError | None) -> None:
        """Ask for a token for readings."""

        def declined() -> None:
            self._token_declined = True

        self._actions.ask_token(error, self.feed.refresh, declined)

    def action_token(self) -> None:
        """Give a token."""
        self._ask_token(None)

    def action_suspend_process(self) -> None:
        """Give the terminal back, and stop until the shell's `fg`."""
        try:
            with self.suspend():
                stop_job()
        except SuspendNotSupported:
            return
        self._contact.resumed(time.monotonic())
        self.feed.refresh()

    def _current(self) -> responses.IrqView | None:
        """The IRQ of the row below the cursor."""
        irq = self._panes.current
        if irq is None:
            own = self._panes.pane_name == "irqs"
            self.say("there is no IRQ to choose" if own else "this row is about no IRQ of now")
        return irq

    def action_pane(self, name: PaneName) -> None:
        """Show a pane instead of the one that is shown."""
        changed = name != self._panes.pane_name
        self._reader.wanted = NEEDED[name]
        self._notice = Notice()
        self._panes.show_pane(name, self.size.width)
        self._show()
        if changed and NEEDED[name]:
            self.feed.refresh()

    def _go_to(self, number: int) -> None:
        """Show an IRQ's row, and put the cursor on it."""
        if self.table.find(number) is None:
            self.say(f"there is no IRQ {number} any more", bad=True)
            return
        self.action_pane("irqs")
        if not self.table.select(number):
            # The filter hides it.
            self._main.query_one("#filter", Input).value = self.table.words = ""
            self.table.rearrange()
            self.table.select(number)
        self._show_lines()

    def action_todo(self) -> None:
        """Show the to-do list."""
        reading = self._contact.last
        if reading is None or reading.findings is None:
            self.say("the daemon has no findings: it has just started, or is older than they are")
            return
        self.push_screen(TodoList(reading.findings, self._go_to))

    def action_help(self) -> None:
        """Show every key."""
        self.push_screen(dialogs.help_page())

    def action_filter(self) -> None:
        """Edit the filter."""
        self._show_irqs()
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

    def action_leave(self) -> None:
        """Show the IRQs again, or if they are shown, all of them."""
        if self._panes.pane_name != "irqs" and not self._filtering:
            self.action_pane("irqs")
            return
        self._main.query_one("#filter", Input).value = ""
        self._close_filter()

    def _show_irqs(self) -> None:
        if self._panes.pane_name != "irqs":
            self.action_pane("irqs")

    def _close_filter(self) -> None:
        self._main.query_one("#filter").display, self._static("notice").display = False, True
        # An older notice is about rows that may not be shown any more.
        self.action_pane("irqs")

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
        self._show_irqs()
        self.table.rearrange()
        self._notice = Notice()
        self._show_lines()

    def action_tree(self) -> None:
        """Show the tree, or hide it."""
        self._panes.flip_tree(self.size.width)
        self._arrange()

    def on_cursor_pane_chosen(self, message: CursorPane.Chosen) -> None:
        """Explain the IRQ below the cursor; from another pane, go to it."""
        irq = self._current()
        if irq is None:
            return
        if message.pane is self.table:
            self._actions.explain(irq, self.size.width)
        else:
            self._go_to(irq.number)

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
