"""What opens above the table: an explanation, the help, the form of an override, and questions
before what others would notice.
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
from irqbal.client.cli import tables
from irqbal.cpuset import CpuSet
from irqbal.render.text import plain
from irqbal.wire import Duration

HELP = """\
up down j k     move; page up, page down or space, home and end, too
enter           why this IRQ is where it is; a double click, too
/               find: rows that hold every word (of number, name, queue,
                device, policy), or cpu:3, what CPU 3 handles; enter
                keeps them, escape shows all rows again
s S             sort by the next column, by the one before
r               turn the order round; a click on a head sorts, too
t               tree of nodes, L3 caches and cores; tab goes there,
                enter folds
o               override: this IRQ on CPUs of your choice; asks which
c               clear its override; asks first. The policies place it
                again
p               pause the daemon, which then writes nothing; asks first.
                p again resumes it
? F1            this help; escape or q closes it
q ctrl+c        quit

LOAD: share of one CPU that handling takes, softirqs too. CPUS: those
that the kernel may choose from; ON: what it chose, yellow if not on its
device's node. Dim: cannot be moved. ! after a CPU: isolated."""


class _Dialog(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "close", priority=True),
        Binding("ctrl+c", "app.quit", "quit", priority=True),
    ]
    DEFAULT_CSS = """
    _Dialog { align: center middle; }
    _Dialog > * { border: round $primary; background: $surface; padding: 0 1; }
    """


class PageDialog(_Dialog):
    """Text to read; what does not fit scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter,question_mark", "dismiss"),
        Binding("j", "down"),
        Binding("k", "up"),
    ]
    DEFAULT_CSS = """
    Page VerticalScroll { width: auto; max-width: 100%; height: auto; max-height: 100%; }
    Page Static { width: auto; }
    """

    def __init__(self, text: Text) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(self._text, id="page")

    def action_down(self) -> None:
        """A line down."""
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_up(self) -> None:
        """A line up."""
        self.query_one(VerticalScroll).scroll_up(animate=False)


def help_page() -> PageDialog:
    """Every key."""
    return PageDialog(Text(HELP))


def explanation(item: responses.Explanation, width: int) -> PageDialog:
    """Why an IRQ is where it is, as the command `explain` says it."""
    # The border, its padding and a scrollbar.
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
        tables.explanation(out, item)
    return PageDialog(
        Text("\n").join(
            [Text.from_ansi(line.rstrip()) for line in captured.get().rstrip("\n").split("\n")]
        )
    )


class Question(_Dialog):
    """What a key is about to do, and whether it shall: `y` or enter does it."""

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
                Text(f"y {does}, n or escape leaves it", "dim"),
            ),
            act,
        )

    def compose(self) -> ComposeResult:
        with Vertical():
            for line in self._lines:
                yield Static(line)

    def action_yes(self) -> None:
        """Do it."""
        self.dismiss()
        self._act()


class OverrideForm(_Dialog):
    """CPUs, length and reason. It stays open until the daemon has taken it, so that what was wrong
    can be mended.
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
            title = f"Put IRQ {self.irq.number} ({plain(self.irq.name)}) over every policy on"
            yield Static(Text(title, "bold"))
            yield Static(Text("CPUs, such as 0-3,8"))
            yield Input(str(self.irq.affinity), id="cpus")
            yield Static(Text("for how long, such as 2h; empty: until it is cleared"))
            yield Input(id="length")
            yield Static(Text("reason, for those who read the decisions"))
            yield Input(id="reason", max_length=1000)
            yield Static(Text(), id="problem", classes="problem")
            yield Static(Text("enter sets it, tab goes on, escape leaves it", "dim"))

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
        self.query_one("#problem", Static).update(Text("asking the daemon …"))
        self._send(self, body)

    def problem(self, text: str) -> None:
        """Say why it was not done."""
        self._sent = False
        self.query_one("#problem", Static).update(Text(plain(text)))
