"""What opens above the table: an explanation, the help, the form of an override, and the questions
that confirm an action.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from irqbal.api.contract import requests, responses
from irqbal.client.cli import decision_tables
from irqbal.cpuset import CpuSet
from irqbal.render.console import plain
from irqbal.wire import Duration

HELP = """\
up down j k     move the cursor; also page up, page down, space, home, end
enter           explain why this IRQ is where it is; also a double click
/               find rows that contain every word (number, name, queue,
                device, policy); cpu:3 finds what CPU 3 handles. Enter
                keeps the filter, escape shows all rows again
s S r           sort by the next column, by the previous one, reverse
f               what to do on this host; enter goes to the item's IRQ
n d i           NICs with their queues; decisions, cycle by cycle; i or
                escape: the IRQs again. Enter goes to the row's IRQ
t               tree of nodes, L3 caches and cores; tab moves there
o c             override: put this IRQ on CPUs of your choice; clear the
                override: the policies then place it again
p               pause the daemon, which then writes nothing, and resume it
T               give a token; it is kept in memory only
? F1            this help; escape or q closes it
q ctrl+c        quit; ctrl+z suspends, and `fg` comes back

LOAD: share of one CPU that handling takes, with softirqs. CPUS: the
affinity; ON: the effective affinity, yellow off the device's node.
Dim: cannot be moved. ! after a CPU: isolated."""


class TopDialog(ModalScreen[None]):
    """What all dialogs share: a border, and Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", priority=True),
        Binding("ctrl+c", "app.quit", "quit", priority=True),
    ]
    DEFAULT_CSS = """
    TopDialog { align: center middle; }
    TopDialog > * { border: round $primary; background: $surface; padding: 0 1; }
    """


class PageDialog(TopDialog):
    """Text to read, with a scrollbar where it does not fit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter,question_mark", "dismiss"),
        Binding("j", "down"),
        Binding("k", "up"),
    ]
    DEFAULT_CSS = """
    PageDialog VerticalScroll { width: auto; max-width: 100%; height: auto; max-height: 100%; }
    PageDialog Static { width: auto; }
    """

    def __init__(self, text: Text) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._text, id="page")

    def action_down(self) -> None:
        """Scroll a line down."""
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_up(self) -> None:
        """Scroll a line up."""
        self.query_one(VerticalScroll).scroll_up(animate=False)


def help_page() -> PageDialog:
    """The help: every key."""
    return PageDialog(Text(HELP))


def explanation(item: responses.Explanation, width: int) -> PageDialog:
    """The explanation of an IRQ, as the command `explain` prints it."""
    # The dialog has a border, padding and a scrollbar: eight columns.
    out = Console(
        file=io.StringIO(),
        width=max(20, width - 8),
        force_terminal=True,
        color_system="standard",
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    with out.capture() as captured:
        decision_tables.explanation(out, item)
    return PageDialog(
        Text("\n").join(
            [Text.from_ansi(line.rstrip()) for line in captured.get().rstrip("\n").split("\n")]
        )
    )


class Question(TopDialog):
    """A question before an action; `y` or enter runs it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y,enter", "yes"), Binding("n,q", "dismiss")]
    DEFAULT_CSS = """
    Question Vertical { width: 72; max-width: 100%; height: auto; }
    Question Static { height: auto; }
    """

    def __init__(self, title: str, text: str, does: str, act: Callable[[], None]) -> None:
        super().__init__()
        self._lines, self._act = (
            (
                Text(plain(title), "bold"),
                Text(plain(text)),
                Text(f"y {does}, n or escape cancels", "dim"),
            ),
            act,
        )

    def compose(self) -> ComposeResult:
        with Vertical():
            for line in self._lines:
                yield Static(line)

    def action_yes(self) -> None:
        """Run the action."""
        self.dismiss()
        self._act()


class OverrideForm(TopDialog):
    """The form of an override: CPUs, length, reason. It stays open until the daemon accepts it, so
    that mistakes can be corrected.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous"),
        Binding("down", "app.focus_next"),
    ]
    DEFAULT_CSS = """
    OverrideForm Vertical { width: 72; max-width: 100%; height: auto; }
    OverrideForm Input { border: none; height: 1; padding: 0 1; background: $boost; }
    OverrideForm Input:focus { border: none; height: 1; background: $primary 40%; }
    OverrideForm Static { height: auto; }
    OverrideForm .problem { color: $error; }
    """

    def __init__(
        self, irq: responses.IrqView, send: Callable[[OverrideForm, requests.OverrideBody], None]
    ) -> None:
        super().__init__()
        self.irq, self._send = irq, send
        self._sent = False

    def compose(self) -> ComposeResult:
        with Vertical():
            title = f"Override the policies for IRQ {self.irq.number} ({plain(self.irq.name)})"
            yield Static(Text(title, "bold"))
            yield Static(Text("CPUs, such as 0-3,8"))
            yield Input(str(self.irq.affinity), id="cpus")
            yield Static(Text("How long, such as 2h; empty: until it is cleared"))
            yield Input(id="length")
            yield Static(Text("Reason, stored with the decision"))
            yield Input(id="reason", max_length=1000)
            yield Static(Text(), id="problem", classes="problem")
            yield Static(Text("enter sets it, tab moves on, escape cancels", "dim"))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._sent:
            return
        cpus, length, reason = (
            self.query_one(f"#{name}", Input).value.strip() for name in ("cpus", "length", "reason")
        )
        try:
            found = CpuSet.parse(cpus)
            if not found:
                raise ValueError("an IRQ needs at least one CPU")
            body = requests.OverrideBody(found, Duration.parse(length) if length else None, reason)
        except ValueError as error:
            self.problem(str(error))
            return
        self._sent = True
        self.query_one("#problem", Static).update(Text("asking the daemon"))
        self._send(self, body)

    def problem(self, text: str) -> None:
        """Show why the override was not set."""
        self._sent = False
        self.query_one("#problem", Static).update(Text(plain(text)))
