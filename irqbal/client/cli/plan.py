"""`irqbal-client plan`, and plans and cycles as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from irqbal.api.contract import requests, responses
from irqbal.client.cli import decision_tables
from irqbal.client.cli.csv_table import cell
from irqbal.client.cli.session import Command, Session, with_session

MAX_YAML = 200_000
"""Characters of a configuration: the API's own limit."""


@click.command("plan", cls=Command)
@click.option("--now", is_flag=True, help="Make a new plan instead of showing the last one.")
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    help="Make a new plan with the policies of this YAML file; - reads standard input.",
)
@with_session
def plan(session: Session, now: bool, file: Path | None) -> None:
    """Show the last plan, or make a new one: what moves, and why.

    Nothing is written.
    """
    if file is not None:
        data = session.client.fetch("dry_run", body=requests.PlanBody(yaml=_yaml_of(file)))
    elif now:
        data = session.client.fetch("dry_run", body=requests.PlanBody())
    else:
        data = session.client.fetch("plan")
    session.show(
        data,
        responses.PlanAnswer,
        lambda out, item: decision_tables.cycle(out, item.cycle, item.outlook),
        plan_rows,
    )


def _yaml_of(file: Path) -> str:
    """A file's text. Raises click.UsageError."""
    try:
        with click.open_file(str(file), encoding="utf-8") as opened:
            text = opened.read(MAX_YAML + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise click.UsageError(f"{file} cannot be read: {reason}") from error
    if len(text) > MAX_YAML:
        raise click.UsageError(
            f"{file} has more than {MAX_YAML} characters, which is the daemon's limit"
        )
    return str(text)


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a plan in CSV; all cells are text. `what` is the kind of the row."""

    what: str
    irq: str = ""
    name: str = ""
    before: str = ""
    after: str = ""
    policy: str
    reason: str
    code: str = ""
    result: str = ""
    detail: str = ""


PLAN_HEADER = ("what", "irq", "name", "from", "to", "policy", "reason", "code", "result", "detail")
"""The names of PlanRow's fields in CSV, in the same order."""


def plan_rows(item: responses.PlanAnswer) -> Iterator[Sequence[str]]:
    """The rows of the cycle, then a row for each IRQ that stays where it is."""
    yield from cycle_rows(item.cycle)
    for kept in item.kept:
        cpus = cell(kept.cpus)
        yield _cells(
            PlanRow(
                what="right",
                irq=str(kept.irq),
                before=cpus,
                after=cpus,
                policy=kept.policy,
                reason=kept.reason,
            )
        )


def cycle_rows(item: responses.Cycle) -> Iterator[Sequence[str]]:
    """The header, then a row for each change, refusal, failure and note of a cycle."""
    yield PLAN_HEADER
    yield from move_rows(item.moves)
    for row in _other_rows(item):
        yield _cells(row)


def _cells(row: PlanRow) -> Sequence[str]:
    return msgspec.structs.astuple(row)


def move_rows(moves: Iterable[responses.MoveView]) -> Iterator[Sequence[str]]:
    """A row for each move."""
    for move in moves:
        yield _cells(
            PlanRow(
                what="move",
                irq=str(move.irq),
                name=move.name,
                before=cell(move.before),
                after=cell(move.after),
                policy=move.policy,
                reason=move.reason,
                code=move.code,
                result=move.result,
                detail=move.detail,
            )
        )


def _other_rows(item: responses.Cycle) -> Iterator[PlanRow]:
    for setting in item.steering:
        yield PlanRow(
            what=setting.setting,
            name=f"{setting.interface}/{setting.queue}",
            before=setting.before,
            after=setting.after,
            policy=setting.policy,
            reason=setting.reason,
            result=setting.result,
            detail=setting.detail,
        )
    if item.default is not None:
        yield PlanRow(
            what="default",
            before=cell(item.default.before),
            after=cell(item.default.after),
            policy=item.default.policy,
            reason=item.default.reason,
            result=item.default.result,
        )
    for refusal in item.refused:
        yield PlanRow(
            what="refused",
            irq=cell(refusal.irq),
            name=refusal.name,
            policy=refusal.policy,
            reason=refusal.reason,
            code=refusal.code,
            result="refused",
            detail=refusal.advice,
        )
    for failure in item.failures:
        yield PlanRow(
            what="failure",
            policy=failure.policy,
            reason=failure.reason,
            code=failure.code,
            result="set aside" if failure.aside else "",
        )
    for note in item.notes:
        yield PlanRow(
            what="note",
            irq=cell(note.irq),
            policy=note.policy,
            reason=note.text,
            detail=note.advice,
        )
