"""What the keys request from the daemon: an explanation, an override and its end, pause, resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from textual.screen import ModalScreen

from irqbal.api.contract import requests, responses
from irqbal.client.cli.control import NOT_DONE
from irqbal.client.http import Client
from irqbal.client.top import dialogs
from irqbal.client.top.connection import TopConnection, needs_token
from irqbal.client.top.feed import error_sentence, in_background
from irqbal.client.top.token_form import TokenForm
from irqbal.errors import IrqbalError

T = TypeVar("T")


class ActionScreen(Protocol):
    """The screen, as far as actions need it."""

    def run_here(self, act: Callable[[], None]) -> None:
        """Run this in the screen's thread."""

    def say(self, text: str, bad: bool = False) -> None:
        """Show a sentence for some seconds; `bad`: as a failure."""

    def open_dialog(self, dialog: ModalScreen[None]) -> None:
        """Show a dialog, unless one is open."""

    def ask_token(self, form: TokenForm) -> None:
        """Show the form for a token, above a dialog that is open."""

    def status_changed(self, status: responses.Status | None) -> None:
        """Something was changed, so read the daemon's state again. `status`: its status after the
        change, where the answer holds it.
        """


class DaemonActions:
    """Sends requests, and shows the answers on the screen."""

    def __init__(self, connection: TopConnection, screen: ActionScreen) -> None:
        self._connection, self._screen = connection, screen

    def _request(
        self,
        request: Callable[[Client], T],
        done: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Run a request in the background, then `done` or `failed` in the screen's thread. Where
        it needs a token, ask for one, and repeat it.
        """

        def fail(text: str) -> None:
            if failed is not None:
                failed(text)
            else:
                self._screen.say(text, bad=True)

        def show(result: T | IrqbalError) -> None:
            if not isinstance(result, IrqbalError):
                done(result)
            elif needs_token(result):
                self._ask_token(result, request, done, fail)
            else:
                fail(error_sentence(result))

        client = self._connection.client
        in_background(
            lambda: request(client), lambda result: self._screen.run_here(lambda: show(result))
        )

    def ask_token(
        self, error: IrqbalError | None, done: Callable[[], None], cancelled: Callable[[], None]
    ) -> None:
        """Ask for a token for reading. `error`: the refusal; None: the user wants to give one."""

        def read(client: Client) -> responses.Status:
            return client.ask("status", responses.Status)

        def fail(text: str) -> None:
            if text:
                self._screen.say(text, bad=True)
            cancelled()

        self._ask_token(error, read, lambda status: done(), fail)

    def _ask_token(
        self,
        error: IrqbalError | None,
        request: Callable[[Client], T],
        done: Callable[[T], None],
        failed: Callable[[str], None],
    ) -> None:
        """Ask for a token until the request is not refused for it. Then keep the token."""
        why = "" if error is None else str(error)

        def show(form: TokenForm, client: Client, result: T | IrqbalError) -> None:
            if isinstance(result, IrqbalError) and needs_token(result) and form.is_current:
                form.problem(str(result))
                return
            if form.is_current:
                form.dismiss()
            if isinstance(result, IrqbalError):
                failed(error_sentence(result))
                return
            self._connection.keep(client)
            done(result)

        def send(form: TokenForm, token: str) -> None:
            client = self._connection.with_token(token)
            in_background(
                lambda: request(client),
                lambda result: self._screen.run_here(lambda: show(form, client, result)),
            )

        target = self._connection.client.target
        self._screen.ask_token(TokenForm(why, target, send, lambda: failed(why)))

    def explain(self, irq: responses.IrqView, width: int) -> None:
        """Open the explanation of an IRQ. `width`: columns of the screen."""
        path = {"irq": str(irq.number)}
        self._request(
            lambda client: client.ask("explain", responses.Explanation, path),
            lambda item: self._screen.open_dialog(dialogs.explanation(item, width)),
        )

    def override(self, irq: responses.IrqView) -> None:
        """Open the form of an override."""
        if irq.movable:
            self._screen.open_dialog(dialogs.OverrideForm(irq, self._send_override))
        else:
            self._screen.say(f"IRQ {irq.number} cannot be moved: {irq.unmovable}", bad=True)

    def _send_override(self, form: dialogs.OverrideForm, body: requests.OverrideBody) -> None:
        number = form.irq.number

        def done(item: responses.OverrideAnswer) -> None:
            if form.is_current:
                form.dismiss()
            detail = f": {item.detail}" if item.detail else ""
            warnings = f"; {'; '.join(item.warnings)}" if item.warnings else ""
            if item.result in NOT_DONE:
                text = (
                    f"IRQ {number}: the override is stored, but the kernel did not apply it "
                    f"({item.result}){detail}{warnings}"
                )
            else:
                text = (
                    f"IRQ {number} is on CPUs {item.affinity} by your override "
                    f"({item.result}); c clears it{warnings}"
                )
            self._screen.say(text, bad=item.result in NOT_DONE)
            self._screen.status_changed(None)

        def failed(text: str) -> None:
            if form.is_current:
                form.problem(text)
            else:
                self._screen.say(text, bad=True)

        path = {"irq": str(number)}
        self._request(
            lambda client: client.ask("set_override", responses.OverrideAnswer, path, body=body),
            done,
            failed,
        )

    def clear(self, irq: responses.IrqView) -> None:
        """Remove an override, once confirmed."""
        if not irq.override:
            self._screen.say(f"IRQ {irq.number} has no override")
            return

        def done(item: responses.ClearedAnswer) -> None:
            now = "" if item.affinity is None else f"; it is on CPUs {item.affinity}"
            self._screen.say(
                f"IRQ {irq.number}: the override is removed{now} ({item.result}); o sets one again",
                bad=item.result in NOT_DONE,
            )
            self._screen.status_changed(None)

        def clear() -> None:
            path = {"irq": str(irq.number)}
            self._request(
                lambda client: client.ask("clear_override", responses.ClearedAnswer, path), done
            )

        title = f"Clear the override of IRQ {irq.number} ({irq.name})?"
        text = f"It keeps the IRQ on CPUs {irq.affinity}. The policies will place it again."
        self._screen.open_dialog(dialogs.Question(title, text, "clears it", clear))

    def pause(self, status: responses.Status) -> None:
        """Pause, once confirmed; resume at once."""

        def done(now: responses.Status) -> None:
            self._screen.say(
                "paused: the daemon writes nothing; p resumes it"
                if now.paused
                else "resumed: the daemon balances again"
            )
            self._screen.status_changed(now)

        def pause() -> None:
            body = requests.PauseBody()
            self._request(lambda client: client.ask("pause", responses.Status, body=body), done)

        if status.paused:
            self._request(lambda client: client.ask("resume", responses.Status), done)
            return
        text = (
            "It will measure and plan, but write nothing until it is resumed. Masks stay as they "
            "are."
        )
        title = f"Pause irqbal on {status.host}?"
        self._screen.open_dialog(dialogs.Question(title, text, "pauses it", pause))
