"""The dialog that asks for a token. What is typed is not shown, and goes to no file."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Static

from irqbal.client.access import TokenError, checked
from irqbal.client.http import Target
from irqbal.client.top.dialogs import TopDialog
from irqbal.render.console import plain


class TokenForm(TopDialog):
    """Asks for a token. `why` it is needed; `send` is called with it, and `cancelled` if the user
    gives none. It stays open until the daemon accepts a token.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "close", priority=True),
    ]
    DEFAULT_CSS = """
    TokenForm Vertical { width: 72; max-width: 100%; height: auto; }
    TokenForm Input { border: none; height: 1; padding: 0 1; background: $boost; }
    TokenForm Input:focus { border: none; height: 1; background: $primary 40%; }
    TokenForm Static { height: auto; }
    TokenForm .problem { color: $error; }
    """

    def __init__(
        self,
        why: str,
        target: Target,
        send: Callable[[TokenForm, str], None],
        cancelled: Callable[[], None],
    ) -> None:
        super().__init__()
        self._why, self._target = why, target
        self._send, self._cancelled = send, cancelled
        self._sent = False

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(Text(f"A token for the daemon at {plain(str(self._target))}", "bold"))
            yield Static(Text(plain(self._why)))
            if not self._target.tls and not self._target.loopback:
                yield Static(Text("It is sent unencrypted; --tls encrypts it.", "bold"))
            yield Input(id="token", password=True)
            yield Static(Text(), id="problem", classes="problem")
            yield Static(
                Text("enter sends it, escape cancels; it is kept in memory until top ends", "dim")
            )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._sent:
            return
        try:
            token = checked(event.value, "what was typed")
        except TokenError as error:
            self.problem(str(error))
            return
        if not token:
            self.problem("no token was typed; `irqbal token add NAME` makes one")
            return
        self._sent = True
        self.query_one("#problem", Static).update(Text("asking the daemon"))
        self._send(self, token)

    def problem(self, text: str) -> None:
        """Show why the token does not do."""
        self._sent = False
        self.query_one("#problem", Static).update(Text(plain(text)))

    def action_cancel(self) -> None:
        """Close it without a token."""
        self.dismiss()
        self._cancelled()
