"""`irqbal-client watch`: each cycle as it happens."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable

import click

from irqbal.api.contract import responses
from irqbal.client.cli import tables
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.client.cli.state import PLAN_HEADER, move_rows
from irqbal.client.http import DaemonUnreachable, RequestRefused, Unreadable
from irqbal.render.text import plain

AGAIN = (0.5, 1.0, 2.0, 5.0)
"""Seconds until the daemon is tried again; the last ones go on."""
TEMPORARY = frozenset({429, 503})


@click.command("watch", cls=Command)
@click.option(
    "--json", "as_json", is_flag=True, help="The events as they come, a line each; as -o json."
)
@click.option(
    "-n", "--cycles", type=click.IntRange(1), help="End after so many cycles; else with Ctrl-C."
)
@with_session
def watch(session: Session, as_json: bool, cycles: int | None) -> None:
    """Follow the daemon: a line a cycle, a line a move.

    When the daemon restarts it is waited for.
    """
    show = _json if as_json else {"json": _json, "csv": _csv(), "table": _table}[session.form]
    failures, connected, left = 0, False, cycles
    try:
        while True:
            try:
                events = session.client.events()
                if failures:
                    session.say("irqbal-client: connected again")
                failures, connected = 0, True
                for data in events:
                    show(session, data)
                    left = None if left is None else left - 1
                    if left == 0:
                        return
                said = f"the daemon at {session.client.target} ended"
            except (DaemonUnreachable, RequestRefused) as error:
                # Who never got through is told at once; who was connected waits for the daemon to
                # come back.
                if (
                    not connected
                    or isinstance(error, Unreadable)
                    or (isinstance(error, RequestRefused) and error.status not in TEMPORARY)
                ):
                    raise
                said = str(error)
            if failures == 0:
                session.say(f"irqbal-client: {said}; waiting for it to come back")
            time.sleep(AGAIN[min(failures, len(AGAIN) - 1)])
            failures += 1
    except KeyboardInterrupt:
        # The way to end it, not a failure.
        return


def _json(session: Session, data: bytes) -> None:
    click.echo(data)


def _csv() -> Callable[[Session, bytes], None]:
    begun = False

    def show(session: Session, data: bytes) -> None:
        nonlocal begun
        cycle = session.client.read(data, responses.Cycle)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not begun:
            writer.writerow(["at", "cycle", *PLAN_HEADER])
            begun = True
        for row in move_rows(cycle.moves):
            writer.writerow([str(cycle.at), str(cycle.cycle), *row])
        click.echo(text.getvalue(), nl=False)

    return show


def _table(session: Session, data: bytes) -> None:
    cycle = session.client.read(data, responses.Cycle)
    dry = ", dry run" if cycle.dry_run else ""
    click.echo(
        f"{tables.when(cycle.at)}  {cycle.cycle} {plain(cycle.cause)}{dry}: {len(cycle.moves)} "
        f"moves, {cycle.right} right, "
        f"{len(cycle.refused)} refused, busiest {cycle.busiest * 100:.1f} %"
    )
    lines = [
        f"IRQ {move.irq} ({move.name}): {move.before or '-'} -> {move.after} "
        f"[{move.result or 'planned'}]  {move.policy}: {move.reason}"
        for move in cycle.moves
    ]
    lines += [f"{len(cycle.steering)} steering settings"] if cycle.steering else []
    lines += [f"policy {failure.policy} failed: {failure.reason}" for failure in cycle.failures]
    lines += [f"problem: {cycle.problem}"] if cycle.problem else []
    for line in lines:
        click.echo(f"    {plain(line)}")
