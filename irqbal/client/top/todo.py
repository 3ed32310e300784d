"""The to-do list: what a person should know or do about the host, the worst first."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from irqbal.api.contract import responses
from irqbal.client.top.dialogs import TopDialog
from irqbal.client.top.head import STYLES
from irqbal.render.console import plain

Item = responses.FindingItem


class TodoList(TopDialog):
    """The findings. Enter calls `go` with the number of the IRQ that an item is about."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,f", "dismiss"),
        Binding("j", "down"),
        Binding("k", "up"),
    ]
    DEFAULT_CSS = """
    TodoList Vertical { width: 100; max-width: 100%; height: auto; max-height: 100%; }
    TodoList OptionList {
        height: auto; max-height: 100%; border: none; padding: 0; background: $surface;
    }
    TodoList OptionList:focus { border: none; }
    TodoList Static { height: auto; }
    """

    def __init__(self, answer: responses.FindingsAnswer, go: Callable[[int], None]) -> None:
        super().__init__()
        self._answer, self._go = answer, go

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(id="verdict")
            yield OptionList(id="findings")
            yield Static(id="hint")

    def on_mount(self) -> None:
        self._show()

    def fill(self, answer: responses.FindingsAnswer) -> None:
        """Show a newer answer. The cursor stays on its item."""
        if answer.findings != self._answer.findings or answer.sentence != self._answer.sentence:
            self._answer = answer
            self._show()

    def _show(self) -> None:
        answer, options = self._answer, self.query_one(OptionList)
        verdict = Text(f" {plain(answer.verdict).upper()} ", STYLES.get(answer.verdict, "bold"))
        verdict.append(f" {plain(answer.sentence)}", "bold")
        self.query_one("#verdict", Static).update(verdict)
        current = options.highlighted
        chosen = None if current is None else options.get_option_at_index(current).id
        options.clear_options()
        names = _names(answer.findings)
        options.add_options(
            [
                Option(_text(item), id=name)
                for name, item in zip(names, answer.findings, strict=True)
            ]
        )
        if answer.findings:
            options.highlighted = names.index(chosen) if chosen in names else 0
        options.display = bool(answer.findings)
        hidden = answer.count - len(answer.findings)
        more = f"and {hidden} more; " if hidden > 0 else ""
        hint = "enter goes to the item's IRQ, " if answer.findings else ""
        self.query_one("#hint", Static).update(Text(f"{more}{hint}escape closes this", "dim"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go to the item's IRQ."""
        event.stop()
        item = self._answer.findings[event.option_index]
        if item.irq is None:
            hint = f"this is about the {item.kind} {item.subject}, and not about one IRQ"
            self.query_one("#hint", Static).update(Text(plain(hint)))
            return
        self.dismiss()
        self._go(item.irq)

    def action_down(self) -> None:
        """Move to the next item."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """Move to the item before."""
        self.query_one(OptionList).action_cursor_up()


def _names(items: tuple[Item, ...]) -> list[str]:
    """A name for each item that is the same in the next answer."""
    names: list[str] = []
    for item in items:
        name = f"{item.code} {item.kind} {item.subject}"
        again = names.count(name)
        names.append(f"{name} {again}" if again else name)
    return names


def _text(item: Item) -> Text:
    warning = item.severity == "warning"
    text = Text.assemble(
        (f"{'!' if warning else '-'} ", "bold red" if warning else "yellow"),
        plain(item.text),
        (f" [{plain(item.code)}]", "dim"),
    )
    if item.advice:
        text.append(f"\n  {plain(item.advice)}", "dim")
    return text
