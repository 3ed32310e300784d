"""The command that shows trials, and ends the one that runs."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console

from irqbal.api.contract import TrialRecord
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.client.cli.tables import when
from irqbal.render.tables import Column, print_rows
from irqbal.render.trial import print_trial


@click.command("trials", cls=Command)
@click.argument("trial", required=False)
@click.option("--end", is_flag=True, help="End this trial now, and put everything back.")
@with_session
def trials(session: Session, trial: str | None, end: bool) -> None:
    """List trials, or show one with its verdict.

    `irqbal trial` on the host itself starts one.
    """
    if trial is None:
        if end:
            raise click.UsageError("--end needs the trial's id; without options this lists them")
        session.show_list(
            session.client.fetch("trials"),
            TrialRecord,
            _table,
            lambda: "There was no trial on this host yet. `irqbal trial` there starts one.",
        )
        return
    name = {"trial": trial}
    data = session.client.fetch("end_trial" if end else "trial", name)
    session.show_one(data, TrialRecord, print_trial)


def _table(out: Console, items: Sequence[TrialRecord]) -> None:
    columns = (
        Column("ID", style="bold"),
        Column("STARTED"),
        Column("WINDOWS", right=True),
        Column("A", wrap=True),
        Column("B", wrap=True),
        Column("VERDICT", wrap=True),
    )
    print_rows(out, columns, [_row(item) for item in items])


def _row(item: TrialRecord) -> tuple[str, ...]:
    running = item.result is None
    done = f"{len(item.done)} of {item.windows}" if running else str(len(item.done))
    verdict = "runs" if item.result is None else item.result.verdict
    return (item.id, when(item.started), done, item.a, item.b, verdict)
