"""Commands that change what the daemon does: overrides, pause, resume, cycle, restore."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console

from irqbal.api.contract import requests, responses
from irqbal.client.cli import decision_tables, tables
from irqbal.client.cli.csv_table import table_of
from irqbal.client.cli.params import IRQ
from irqbal.client.cli.plan import cycle_rows
from irqbal.client.cli.session import ClientGroup, Command, Session, is_terminal, with_session
from irqbal.client.cli.values import CPUS, LENGTH
from irqbal.cpuset import CpuSet
from irqbal.wire import Duration

F = TypeVar("F", bound=Callable[..., Any])

NOT_DONE = frozenset({"refused", "transient", "differs", "unsaved"})
"""Results after which the kernel does not have the value that was requested: exit status 1."""


def _for_option(text: str) -> Callable[[F], F]:
    """`--for`, a length of time; `text` is its help."""
    return click.option("--for", "length", type=LENGTH, help=text)


@click.group("override", cls=ClientGroup)
def override() -> None:
    """Place an IRQ by hand. An override outranks every policy."""


@override.command("set")
@click.argument("irq", type=IRQ)
@click.argument("cpus", type=CPUS)
@_for_option("How long the override lasts, such as 2h. Default: until it is cleared.")
@click.option("--reason", default="", metavar="TEXT", help="Why; stored with the decision.")
@with_session
def set_(session: Session, irq: str, cpus: CpuSet, length: Duration | None, reason: str) -> int:
    """Put an IRQ (a number or a name) on these CPUs, such as 0-3,8."""
    return put(session, irq, requests.OverrideBody(cpus, length, reason))


def put(session: Session, irq: str, body: requests.OverrideBody) -> int:
    """Set an override, and print the affinity before and after. Returns the exit status."""
    client = session.client
    before = client.ask("irq", responses.IrqView, {"irq": irq}) if session.form == "table" else None
    data = client.fetch("set_override", {"irq": irq}, body=body)

    def show(out: Console, item: responses.OverrideAnswer) -> None:
        expires = item.override.expires
        old = "" if before is None else f" was on CPUs {before.affinity or '-'},"
        until = "the override is cleared" if expires is None else tables.when(expires)
        now = f"is on {item.affinity or '-'}: {_result_of(item)}"
        tables.say(out, f"{_irq_of(item)}:{old} {now}; until {until}")

    session.show_one(data, responses.OverrideAnswer, show)
    item = client.read(data, responses.OverrideAnswer)
    for warning in item.warnings:
        session.say(f"irqbal-client: warning: {warning}")
    return _status_of(session, item.result, item.detail)


def _irq_of(item: responses.OverrideAnswer | responses.ClearedAnswer) -> str:
    return f"IRQ {tables.number(item.override.irq)} ({item.override.name})"


def _result_of(item: responses.OverrideAnswer | responses.ClearedAnswer) -> str:
    return f"{item.result} ({item.detail})" if item.detail else item.result


def _status_of(session: Session, result: str, detail: str) -> int:
    if result not in NOT_DONE:
        return 0
    session.say(
        f"irqbal-client: the override is stored, but the kernel did not apply it ({result}): "
        f"{detail or 'no reason is known'}"
    )
    return 1


@override.command("clear")
@click.argument("irq", type=IRQ)
@with_session
def clear(session: Session, irq: str) -> int:
    """Remove an override. The policies then place the IRQ again."""
    data = session.client.fetch("clear_override", {"irq": irq})

    def show(out: Console, item: responses.ClearedAnswer) -> None:
        removed = f"the override to {item.override.cpus} is removed"
        now = "" if item.affinity is None else f"; it is on {item.affinity} now"
        tables.say(out, f"{_irq_of(item)}: {removed}{now}: {_result_of(item)}")

    session.show_one(data, responses.ClearedAnswer, show)
    item = session.client.read(data, responses.ClearedAnswer)
    return _status_of(session, item.result, item.detail)


@override.command("list")
@with_session
def list_(session: Session) -> None:
    """List all overrides."""
    session.show_list(
        session.client.fetch("overrides"),
        responses.OverrideView,
        decision_tables.overrides,
        lambda: "There are no overrides: policies place all IRQs. `override set` makes one.",
    )


@click.command("pause", cls=Command)
@_for_option("Resume automatically after this time, such as 10m.")
@with_session
def pause(session: Session, length: Duration | None) -> None:
    """Stop writing masks until `resume`.

    Measuring and planning continue.
    """
    _show_status(session, session.client.fetch("pause", body=requests.PauseBody(length)))


@click.command("resume", cls=Command)
@with_session
def resume(session: Session) -> None:
    """Write masks again after a pause or a restore."""
    _show_status(session, session.client.fetch("resume"))


def _show_status(session: Session, data: bytes) -> None:
    session.show_one(data, responses.Status, tables.status)


@click.command("cycle", cls=Command)
@with_session
def cycle(session: Session) -> int:
    """Run a cycle now, and show its plan and results."""
    data = session.client.fetch("cycle")
    session.show(data, responses.Cycle, decision_tables.cycle, cycle_rows)
    return int(
        any(move.result in NOT_DONE for move in session.client.read(data, responses.Cycle).moves)
    )


@click.command("restore", cls=Command)
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@with_session
def restore(session: Session, yes: bool) -> int:
    """Put back every mask and setting that irqbal changed since boot, and pause.

    `irqbal restore` does the same on the host itself.
    """
    if not yes and not _confirmed(session):
        session.say("Nothing was changed.")
        return 1
    data = session.client.fetch("restore")
    session.show(
        data,
        responses.RestoreAnswer,
        decision_tables.restored,
        lambda item: table_of(responses.OutcomeView, item.outcomes),
    )
    answer = session.client.read(data, responses.RestoreAnswer)
    return int(any(outcome.result in NOT_DONE for outcome in answer.outcomes))


def _confirmed(session: Session) -> bool:
    host = session.client.on or session.client.target
    try:
        return click.confirm(f"Put back every original mask on {host}, and pause?", err=True)
    except click.Abort:
        if is_terminal():
            raise
        raise click.UsageError(
            "restore asks for confirmation, and the input is not a terminal: add --yes"
        ) from None
