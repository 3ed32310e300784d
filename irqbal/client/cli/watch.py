"""`irqbal-client watch`: print each cycle when it happens."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable

import click

from irqbal.api.contract import responses
from irqbal.client.cli import tables
from irqbal.client.cli.plan import PLAN_HEADER, move_rows
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.client.http import DaemonUnreachable, RequestRefused, Unreadable
from irqbal.client.retry import TEMPORARY, pause_after
from irqbal.render.console import echo, echo_json, plain


@click.command("watch", cls=Command)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print each event as the API sends it, one a line; the same as -o json.",
)
@click.option(
    "-n",
    "--cycles",
    type=click.IntRange(1),
    help="End after this many cycles. Default: run until Ctrl-C.",
)
@with_session
def watch(session: Session, as_json: bool, cycles: int | None) -> None:
    """Print each cycle of the daemon, and its moves.

    If the daemon restarts, wait for it and go on.
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
                reason = f"the daemon at {session.client.target} closed the connection"
            except (DaemonUnreachable, RequestRefused) as error:
                # A first connection that fails is an error; a lost one is tried again.
                if (
                    not connected
                    or isinstance(error, Unreadable)
                    or (isinstance(error, RequestRefused) and error.status not in TEMPORARY)
                ):
                    raise
                reason = str(error)
            if failures == 0:
                session.say(f"irqbal-client: {reason}; waiting for it to come back")
            time.sleep(pause_after(failures))
            failures += 1
    except KeyboardInterrupt:
        # Ctrl-C is how a user ends this command, so it is not a failure.
        return


def _json(session: Session, data: bytes) -> None:
    echo_json(data)


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
        echo(text.getvalue(), nl=False)

    return show


def _table(session: Session, data: bytes) -> None:
    cycle = session.client.read(data, responses.Cycle)
    dry = ", dry run" if cycle.dry_run else ""
    # Of a plan that is reused, the loads are those of its own time.
    load = (
        f"busiest {cycle.busiest * 100:.1f} %"
        if cycle.planned in (0, cycle.cycle)
        else f"plan of {cycle.planned}"
    )
    echo(
        f"{tables.when(cycle.at)}  {cycle.cycle} {plain(cycle.cause)}{dry}: {len(cycle.moves)} "
        f"moves, {cycle.right} right, "
        f"{len(cycle.refused)} refused, {load}"
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
        echo(f"    {plain(line)}")
