"""click parameter types whose values the shell completes: IRQs and devices of the host below --root
or of the history, simulated hosts and their traffic.

Completion reads a few small files, makes no rates, and never fails: what cannot be read is not
offered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from irqbal.client.cli.shell_script import matching

Names = Iterable[tuple[str, str]]
"""Values with a word about each."""
_SOME_SPECS = (
    ("2x16x2,nodes=2,nic=16x2,traffic=skewed", "64 CPUs, two NICs"),
    ("2x32x2,nodes=2,nic=63x2,nvme=64x4", "128 CPUs, two NICs, four drives"),
    ("1x8,nic=8", "8 CPUs, a NIC"),
)
"""Hosts that are offered before a word of the specification is typed."""


class OfferedValue(click.ParamType):  # type: ignore[type-arg]
    """A text. `offer` returns the values to complete it with, given the click context and what is
    typed.
    """

    def __init__(self, name: str, offer: Callable[[click.Context, str], Names]) -> None:
        self.name, self._offer = name, offer

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            return matching(self._offer(ctx, incomplete), incomplete)
        except Exception:
            # Whatever is missing or damaged: a traceback would stand in the command line.
            return []


def _option(ctx: click.Context, name: str) -> Any:
    """An option of the command, or the same one before it."""
    above: click.Context | None = ctx
    while above is not None:
        if above.params.get(name):
            return above.params[name]
        above = above.parent
    return None


def _root(ctx: click.Context) -> Path:
    return Path(_option(ctx, "root") or "/").absolute()


def _host_irqs(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    from irqbal.kernel.known_names import irq_actions

    for number, action in irq_actions(_root(ctx)):
        yield str(number), action
        for name in action.split(","):
            yield name, f"IRQ {number}"


def _host_devices(ctx: click.Context) -> Iterator[tuple[str, str]]:
    from irqbal.kernel.known_names import device_names

    return device_names(_root(ctx))


def _recorded(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Of the history, and of the host as far as no history can be read."""
    yield "all", "every IRQ"
    known = list(_history_names(ctx))
    if known:
        yield from known
    else:
        yield from _host_devices(ctx)
        yield from _host_irqs(ctx, incomplete)


def _state_folder(ctx: click.Context) -> Path:
    """The folder of the daemon's files. Raises IrqbalError."""
    from irqbal.config.reader import DEFAULT_CONFIG, load
    from irqbal.config.schema import Config
    from irqbal.service.assembly import folders

    path = _option(ctx, "config_path") or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    return folders(Config() if path is None else load(Path(path)), _root(ctx)).state


def _history_names(ctx: click.Context) -> Iterator[tuple[str, str]]:
    from irqbal.config.mongodb_options import is_mongodb_url
    from irqbal.errors import IrqbalError
    from irqbal.history.open import open_store

    url = str(_option(ctx, "url") or "")
    if is_mongodb_url(url):
        # A server that is away would keep the shell waiting.
        return
    try:
        store = open_store(url, _state_folder(ctx))
    except IrqbalError:
        return
    try:
        states = [state for state in store.irqs() if not state.gone]
    finally:
        store.close()
    for state in states:
        yield state.queue.partition("/")[0], "device"
        yield state.device, "device"
    for state in states:
        yield str(state.number), state.action
        yield state.action, f"IRQ {state.number}"


def _specs(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Whole hosts, then the next part of one."""
    yield from _SOME_SPECS
    begun, comma, part = incomplete.rpartition(",")
    if not comma:
        return
    key, equals, value = part.partition("=")
    if key == "traffic" and equals:
        for text, about in _traffic(ctx, value):
            yield f"{begun},traffic={text}", about
    elif not equals:
        from irqbal.simulated.spec import KEYS

        for name in KEYS:
            yield f"{begun},{name}=", "part of a host"


def _traffic(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """One shape and any number of events, joined by +."""
    from irqbal.simulated.traffic import EVENTS, SHAPES

    begun, plus, _ = incomplete.rpartition("+")
    used = begun.split("+")
    for name, about in (() if plus else tuple(SHAPES.items())) + tuple(EVENTS.items()):
        if name not in used:
            yield f"{begun}{plus}{name}", about


def _tokens(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    from irqbal.state import tokens

    for token in tokens.load(_state_folder(ctx)):
        yield token.name, token.scope


def _budgets(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    from irqbal.kernel.known_names import count_names

    yield "all=", "everything without a budget of its own"
    for name, about in count_names(_root(ctx)):
        yield f"{name}=", about
    for name, about in _host_irqs(ctx, incomplete):
        yield f"{name}=", about


class BudgetValue(OfferedValue):
    """`NAME=COUNT`, as a name in lower case and a count."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from irqbal.findings.disturbances import parse_budget

        try:
            return value if isinstance(value, tuple) else parse_budget(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


BUDGET = BudgetValue("name=count", _budgets)
HOST_IRQ = OfferedValue("irq", _host_irqs)
RECORDED = OfferedValue("irq", _recorded)
SPEC = OfferedValue("spec", _specs)
TRAFFIC = OfferedValue("text", _traffic)
TOKEN = OfferedValue("name", _tokens)
