"""The screen: head, CPUs as bars, the table of IRQs, the tree of nodes, and what the keys do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import ClassVar, TypeVar

import msgspec
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from irqbal.api.contract import requests, responses
from irqbal.client.cli.control import NOT_DONE
from irqbal.client.http import Client
from irqbal.client.top import bars, dialogs, head, rows
from irqbal.client.top.feed import EventFeed, Reading, beside, sentence
from irqbal.client.top.nodes import NodeTree
from irqbal.client.top.table import IrqTable
from irqbal.errors import IrqbalError

T = TypeVar("T")
WIDE = 130
"""From this width on the tree stands beside the table, unless the person says otherwise."""
SHOWN = 10.0
"""Seconds that what a key did stays on the line above the keys."""


class EventArrived(Message):
    """Something that another thread wants done here."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act


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
    Nodes { width: 48; height: 1fr; padding: 0; border: none; scrollbar-size: 1 1; }
    Nodes:focus { border: none; }
    #filter { height: 1; border: none; padding: 0; display: none; }
    #filter:focus { border: none; height: 1; }
    #said, #keys { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #keys { background: $panel; }
    """

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client
        self._last: Reading | None = None
        self._heard = 0.0
        self._failed: IrqbalError | None = None
        self._since = 0.0
        self._said, self._said_bad, self._said_at = "", False, float("-inf")
        self._tree_asked: bool | None = None
        self._lock = threading.Lock()
        self._open = True
        self.feed = EventFeed(client, lambda said: self.tell(lambda: self._hear(said)))

    @property
    def table(self) -> IrqTable:
        """The IRQs."""
        return self._main.query_one(IrqTable)

    @property
    def _main(self) -> ModalScreen[None]:
        # Dialogs are screens of their own, and what the daemon says goes below them.
        return self.screen_stack[0]  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Static(id="bars")
        with Horizontal(id="body"):
            yield IrqTable(id="irqs")
            yield NodeTree(id="nodes")
        yield Input(
            id="filter",
            placeholder="filter: words that a row must hold, or cpu:3",
            select_on_focus=False,
        )
        yield Static(id="said")
        yield Static(id="keys")

    def on_mount(self) -> None:
        self.table.focus()
        self._settle()
        self.set_interval(1.0, self._tick)
        self.feed.start()

    def on_unmount(self) -> None:
        with self._lock:
            self._open = False
        self.feed.stop()

    def tell(self, act: Callable[[], None]) -> None:
        """Do this in the screen's own thread; nothing, once the screen is gone. Any thread may call
        it.
        """
        with self._lock:
            if self._open:
                self.post_message(EventArrived(act))

    def on_told(self, message: EventArrived) -> None:
        """What another thread wanted."""
        message.act()

    def on_resize(self, event: events.Resize) -> None:
        # The screen's own size is the old one until this event is over.
        self.call_next(self._settle)

    def _settle(self) -> None:
        """Rooms by the terminal's size."""
        wide, tall = self.size.width >= WIDE, self.size.height
        tree = wide if self._tree_asked is None else self._tree_asked
        nodes = self._main.query_one(NodeTree)
        nodes.display, self.table.display = tree, wide or not tree
        nodes.styles.width = 48 if wide else "1fr"
        self._main.query_one("#bars").styles.height = self._bars_height(tall)
        if not wide and self.screen is self._main and not self._filtering:
            (nodes if tree else self.table).focus()
        self._show()

    @staticmethod
    def _bars_height(tall: int) -> int:
        return max(1, min(8, tall // 6))

    @property
    def _filtering(self) -> bool:
        return bool(self._main.query_one("#filter").display)

    def _hear(self, said: Reading | IrqbalError) -> None:
        if not self.screen_stack:
            # The screen is being taken down.
            return
        if isinstance(said, IrqbalError):
            self._since = self._since if self._failed is not None else time.monotonic()
            self._failed = said
        else:
            if self._failed is not None and self._last is not None:
                self.say("the daemon answers again")
            self._last, self._failed, self._heard = said, None, time.monotonic()
            self.table.fill(said.irqs)
            self._main.query_one(NodeTree).fill(said.cpus)
        self._show()

    def _tick(self) -> None:
        self._show_lines()

    def _show(self) -> None:
        last = self._last
        if last is not None:
            panel = bars.panel(last.cpus, self.size.width, self._bars_height(self.size.height))
            self._static("bars").update(panel)
        self._show_lines()

    def _show_lines(self) -> None:
        now = time.monotonic()
        away = ""
        if self._failed is not None:
            away = f"for {now - self._since:.0f} s: {self._why(self._failed)}"
        elif self._last is not None and now - self._heard > max(
            5.0, 3 * min(float(self._last.status.interval), 10.0)
        ):
            away = f"nothing came for {now - self._heard:.0f} s"
        status = self._last.status if self._last is not None else None
        self._static("head").update(
            head.head(status, away, str(self._client.on or self._client.target), self.size.width)
        )
        if now - self._said_at < SHOWN:
            self._static("said").update(
                Text(
                    self._said,
                    "bold red" if self._said_bad else "bold",
                    no_wrap=True,
                    overflow="ellipsis",
                )
            )
        else:
            table = self.table
            self._static("said").update(
                head.about(len(table.shown), table.count, table.words, table.key, table.reverse)
            )
        self._static("keys").update(
            head.keys(status is not None and status.paused, self.size.width)
        )

    def _why(self, error: IrqbalError) -> str:
        # Where the daemon is, everybody knows; why it is silent would not fit behind that.
        return sentence(error).removeprefix(
            f"the daemon at {self._client.target} does not answer: "
        )

    def _static(self, name: str) -> Static:
        return self._main.query_one(f"#{name}", Static)

    def say(self, text: str, bad: bool = False) -> None:
        """A sentence above the keys, for some seconds."""
        self._said, self._said_bad, self._said_at = head.plain(text), bad, time.monotonic()
        self._show_lines()

    def _ask(
        self,
        ask: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Ask beside the screen; then go on here."""

        def here(said: T | IrqbalError) -> None:
            if isinstance(said, IrqbalError):
                (failed or (lambda text: self.say(text, bad=True)))(sentence(said))
            else:
                done(said)

        beside(ask, lambda said: self.tell(lambda: here(said)))

    def _current(self) -> responses.IrqView | None:
        irq = self.table.current
        if irq is None:
            self.say("there is no IRQ to choose")
        return irq

    def action_help(self) -> None:
        """Every key."""
        self.push_screen(dialogs.help_page())

    def action_filter(self) -> None:
        """Type words."""
        field = self._main.query_one("#filter", Input)
        field.display, self._static("said").display = True, False
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
        """All rows again."""
        self._main.query_one("#filter", Input).value = ""
        self._close_filter()

    def _close_filter(self) -> None:
        self._main.query_one("#filter").display, self._static("said").display = False, True
        # What was said before belongs to what was seen before.
        self._said_at = float("-inf")
        self._show_table()

    def _show_table(self) -> None:
        if not self.table.display:
            self._tree_asked = False
            self._settle()
        self.table.focus()
        self._show_lines()

    def action_sort(self, by: int) -> None:
        """By the next column."""
        table = self.table
        table.key, table.reverse = (
            rows.SORTABLE[(rows.SORTABLE.index(table.key) + by) % len(rows.SORTABLE)],
            False,
        )
        self._sorted()

    def action_reverse(self) -> None:
        """The other way round."""
        self.table.reverse = not self.table.reverse
        self._sorted()

    def _sorted(self) -> None:
        self.table.rearrange()
        self._said_at = float("-inf")
        self._show_lines()

    def action_tree(self) -> None:
        """Show the tree, or hide it."""
        self._tree_asked = not self._main.query_one(NodeTree).display
        if not self._tree_asked:
            self.table.focus()
        self._settle()

    def on_irq_table_asked(self, message: IrqTable.Asked) -> None:
        """Why it is there."""
        irq = self._current()
        if irq is not None:
            self._ask(
                lambda: self._client.ask(
                    "explain", responses.Explanation, {"irq": str(irq.number)}
                ),
                lambda item: self._open_once(dialogs.explanation(item, self.size.width)),
            )

    def _open_once(self, page: dialogs.PageDialog) -> None:
        # Who pressed twice, or went on meanwhile, gets nothing over what is open.
        if len(self.screen_stack) == 1:
            self.push_screen(page)

    def action_override(self) -> None:
        """Place this IRQ."""
        irq = self._current()
        if irq is None:
            return
        if not irq.movable:
            self.say(f"IRQ {irq.number} cannot be moved: {irq.unmovable}", bad=True)
            return
        self.push_screen(dialogs.OverrideForm(irq, self._send_override))

    def _send_override(self, form: dialogs.OverrideForm, body: requests.OverrideBody) -> None:
        def done(item: responses.OverrideAnswer) -> None:
            if form.is_current:
                form.dismiss()
            detail = f": {item.detail}" if item.detail else ""
            warned = f"; {'; '.join(item.warnings)}" if item.warnings else ""
            if item.result in NOT_DONE:
                text = (
                    f"IRQ {form.irq.number}: noted, but the kernel did not do it "
                    f"({item.result}){detail}{warned}"
                )
            else:
                text = (
                    f"IRQ {form.irq.number} is on CPUs {item.affinity} by your override "
                    f"({item.result}); c clears it{warned}"
                )
            self.say(text, bad=item.result in NOT_DONE)
            self.feed.look()

        def failed(text: str) -> None:
            if form.is_current:
                form.problem(text)
            else:
                self.say(text, bad=True)

        path = {"irq": str(form.irq.number)}
        self._ask(
            lambda: self._client.ask("set_override", responses.OverrideAnswer, path, body=body),
            done,
            failed,
        )

    def action_clear(self) -> None:
        """The policies place it again."""
        irq = self._current()
        if irq is None:
            return
        if not irq.override:
            self.say(f"IRQ {irq.number} has no override")
            return

        number = irq.number

        def done(item: responses.ClearedAnswer) -> None:
            now = "" if item.affinity is None else f"; it is on CPUs {item.affinity}"
            self.say(
                f"IRQ {number}: the override is gone{now} ({item.result}); o sets one again",
                bad=item.result in NOT_DONE,
            )
            self.feed.look()

        def clear() -> None:
            self._ask(
                lambda: self._client.ask(
                    "clear_override", responses.ClearedAnswer, {"irq": str(number)}
                ),
                done,
            )

        title = f"Clear the override of IRQ {number} ({irq.name})?"
        text = f"It holds it on CPUs {irq.affinity}. The policies would place it again."
        self.push_screen(dialogs.Question(title, text, "clears it", clear))

    def action_pause(self) -> None:
        """Pause, once confirmed; or resume."""
        if self._last is None:
            return
        status = self._last.status

        def done(now: responses.Status) -> None:
            if self._last is not None:
                # Not only with the next reading: p means the opposite from now on.
                self._last = msgspec.structs.replace(self._last, status=now)
            self.say(
                "paused: the daemon writes nothing; p resumes it"
                if now.paused
                else "resumed: the daemon balances again"
            )
            self.feed.look()

        def pause() -> None:
            self._ask(
                lambda: self._client.ask("pause", responses.Status, body=requests.PauseBody()), done
            )

        if status.paused:
            self._ask(lambda: self._client.ask("resume", responses.Status), done)
        else:
            text = (
                "It would go on looking and planning, and write nothing until somebody resumes "
                "it. What it wrote stays."
            )
            self.push_screen(
                dialogs.Question(f"Pause irqbal on {status.host}?", text, "pauses it", pause)
            )
