"""Commands about the past: decisions, interrupts over time, and their export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import click
import msgspec
from rich.console import Console

from irqbal.api.contract import requests, responses
from irqbal.client.cli import decision_tables, tables
from irqbal.client.cli.csv_table import cell, header, row
from irqbal.client.cli.export_file import (
    STANDARD_OUTPUT,
    ExportWriter,
    Form,
    export_to,
    form_of,
    format_option,
    out_type,
)
from irqbal.client.cli.none_found import no_decisions, with_guess
from irqbal.client.cli.options import choice_option, limit_option
from irqbal.client.cli.params import IRQ, IRQ_OR_DEVICE, POLICY
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.client.cli.values import LENGTH, WHEN
from irqbal.client.http import Client, RequestRefused
from irqbal.render.progress import working
from irqbal.render.series import ShownPoint, ShownSeries, print_series
from irqbal.wire import Duration, Moment, When, to_json

F = TypeVar("F", bound=Callable[..., Any])

PAGE = 10_000
"""Decisions in one answer: the API's limit."""
_START = click.option(
    "--start", type=WHEN, help="The beginning: a time, or 2h for two hours ago. Default: 24h ago."
)
_END = click.option("--end", type=WHEN, help="The end. Default: now.")
_STEP = click.option(
    "--step", type=LENGTH, help="The length of a step. Default: a 300th of the time."
)


class _SeriesQuery(TypedDict):
    """Which part of a series: from when to when, in which steps, by `cpu` or `irq`."""

    start: When | None
    end: When | None
    step: Duration | None
    by: str


def _series_options(by: str, text: str) -> Callable[[F], F]:
    """`--start`, `--end`, `--step` and `--by`, with its default and its help."""

    def add(function: F) -> F:
        return _START(_END(_STEP(choice_option("--by", ["cpu", "irq"], by, text)(function))))

    return add


@click.command("decisions", cls=Command)
@click.option("--irq", type=IRQ, help="Only decisions about this IRQ: a number or a name.")
@click.option(
    "--kind", type=click.Choice(requests.DECISION_KINDS), help="Only decisions of this kind."
)
@click.option("--policy", type=POLICY, help="Only decisions of this policy.")
@click.option("--search", metavar="TEXT", help="Only decisions that contain this text.")
@_START
@_END
@limit_option(PAGE, 1000, "The most decisions to show; the newest are shown.")
@with_session
def decisions(
    session: Session,
    irq: str | None,
    kind: str | None,
    policy: str | None,
    search: str | None,
    start: When | None,
    end: When | None,
    limit: int,
) -> None:
    """List decisions: what was decided, when, by whom, and why.

    Decisions are moves, settings, refusals, drift, failures, overrides and actions of users.

    The table has the newest last. JSON and CSV have the newest first, as the API does.
    """
    query = {
        "irq": irq,
        "kind": kind,
        "policy": policy,
        "search": search,
        "start": start,
        "end": end,
        "limit": limit,
    }
    try:
        data = session.client.fetch("decisions", query=query)
    except RequestRefused as error:
        if error.status != 404 or irq is None:
            raise
        raise with_guess(session.client, irq, error) from None
    session.show_list(
        data,
        responses.DecisionView,
        decision_tables.decisions,
        lambda: no_decisions(start, end, filtered=bool(irq or kind or policy or search)),
    )


@click.command("history", cls=Command)
@click.argument("what", metavar="IRQ|DEVICE|all", type=IRQ_OR_DEVICE)
@_START
@_END
@_STEP
@choice_option(
    "--by",
    ["cpu", "irq", "device", "kind"],
    "cpu",
    "One line for each CPU, IRQ or device, or by kind (hard interrupts, NET_RX …).",
)
@choice_option(
    "--show",
    list(requests.SHOWN),
    "interrupts",
    "What is counted; loads are in percent of a CPU.",
)
@click.option("--cpu", type=click.IntRange(0, 1 << 20), help="Of this CPU alone.")
@with_session
def history(
    session: Session, what: str, show: str, cpu: int | None, **query: Unpack[_SeriesQuery]
) -> None:
    """Show interrupts, loads or softirqs over time, with a sparkline on each line.

    The argument is an IRQ (a number or a name), a device (its address, interface or disk), or all.
    Softirqs, squeezes and drops are counted by CPU: they need `all`.
    """
    data = _series(session.client, what, {**query, "what": show, "cpu": cpu})
    session.show(data, responses.SeriesAnswer, _lines, _points)


def _series(client: Client, what: str, query: Mapping[str, object]) -> bytes:
    """The series of an IRQ or a device. A number is an IRQ's; a name is looked up as a device's
    first.
    """
    if what == "all":
        return client.fetch("cpus_history", query=query)
    if not (what.isascii() and what.isdecimal()):
        try:
            return client.fetch("device_history", {"device": what}, query)
        except RequestRefused as error:
            if error.status != 404:
                raise
            return _irq_series(client, what, query, error)
    return client.fetch("irq_history", {"irq": what}, query)


def _irq_series(
    client: Client, what: str, query: Mapping[str, object], no_device: RequestRefused
) -> bytes:
    try:
        return client.fetch("irq_history", {"irq": what}, query)
    except RequestRefused as error:
        # 409: several IRQs have that name, so it is a device's, and the history has no data of it.
        if error.status == 409:
            raise no_device from None
        raise with_guess(client, what, error) if error.status == 404 else error from None


def _shown(item: responses.SeriesAnswer) -> ShownSeries:
    points = [ShownPoint(point.at, point.seconds, point.counts) for point in item.points]
    return ShownSeries(item.step, item.by, points, item.names, item.what)


def _lines(out: Console, item: responses.SeriesAnswer) -> None:
    """A line for each CPU or IRQ: mean, maximum, total and sparkline."""
    if item.points:
        print_series(out, _shown(item))
        return
    tables.say(
        out,
        f"There are no {item.what} from {tables.when(item.start)} to {tables.when(item.end)}: "
        "nothing fired, or nothing was recorded then (`history: every:` of the daemon's "
        "configuration; `status` shows whether it records). --start 30d looks further back.",
    )


def _points(item: responses.SeriesAnswer) -> Iterator[Sequence[str]]:
    """One row for each step. IRQs are named by their identity, which is unique."""
    keys = _shown(item).lines()
    yield ["time", "seconds", *(f"cpu{key}" if item.by == "cpu" else key for key in keys)]
    for point in item.points:
        yield [
            str(point.at),
            f"{point.seconds:.3f}",
            *(str(point.counts.get(key, 0)) for key in keys),
        ]


@click.command("export", cls=Command)
@format_option
@choice_option("--what", ["irqs", "decisions", "history"], "history", "What to export.")
@_series_options("irq", "Count interrupts by CPU, or by IRQ.")
@click.argument("out", type=out_type, default=STANDARD_OUTPUT, metavar="[OUT]")
@with_session
def export(
    session: Session, out: Path, form: Form | None, what: str, **query: Unpack[_SeriesQuery]
) -> None:
    """Export history, decisions or IRQs to the file OUT, by default to standard output.

    The end of the name says the format: .jsonl, .json or .csv, each also with .gz; `-o csv` is the
    same as --format csv. The file is written whole or not at all: if the export fails or is
    interrupted, an older file of that name stays as it is.

    The oldest come first. History in CSV has one line for each step and IRQ (or CPU).
    """
    given: Form | None = "csv" if session.form == "csv" else None
    chosen = form_of(out, form or given)
    with working(f"exporting {what}"), export_to(out, chosen) as writer:
        _write(session.client, writer, what, query)
    if not writer.count:
        session.say(
            "There are no IRQs to export"
            if what == "irqs"
            else f"There is nothing to export: no {what} of that time; --start 30d looks further "
            "back"
        )
    elif out != STANDARD_OUTPUT:
        session.say(f"{out}: {writer.count} {'lines' if chosen == 'csv' else 'objects'} of {what}")


def _write(client: Client, writer: ExportWriter, what: str, query: _SeriesQuery) -> None:
    if what == "irqs":
        irqs = client.ask("irqs", tuple[responses.IrqView, ...])
        _write_all(writer, responses.IrqView, irqs)
    elif what == "decisions":
        newest_first = list(_all_decisions(client, query["start"], query["end"]))
        _write_all(writer, responses.DecisionView, reversed(newest_first))
    else:
        series = client.ask("cpus_history", responses.SeriesAnswer, query=query)
        if writer.form == "csv":
            names, *rows = _rows_by_count(series)
            writer.header(names)
            for cells in rows:
                writer.row(cells)
        else:
            _write_all(writer, responses.PointView, series.points)


def _write_all(
    writer: ExportWriter, kind: type[msgspec.Struct], items: Iterable[msgspec.Struct]
) -> None:
    writer.header(header(kind))
    for item in items:
        if writer.form == "csv":
            writer.row(row(kind, item))
        else:
            writer.item(to_json(item))


def _all_decisions(
    client: Client, start: When | None, end: When | None
) -> Iterator[responses.DecisionView]:
    """All decisions of that time, page by page, the newest first.

    Moments are written to the millisecond, so pages overlap by one, and repeated decisions are
    skipped.
    """
    until, seen = end, set[bytes]()
    while True:
        page = client.ask(
            "decisions",
            tuple[responses.DecisionView, ...],
            query={"start": start, "end": until, "limit": PAGE},
        )
        fresh = [item for item in page if to_json(item) not in seen]
        yield from fresh
        if len(page) < PAGE or not fresh:
            return
        oldest = page[-1].at
        seen = {to_json(item) for item in page if item.at - oldest < 0.002}
        until = When(Moment(oldest + 0.001))


def _rows_by_count(item: responses.SeriesAnswer) -> Iterator[Sequence[str]]:
    yield (
        ["time", "seconds", "cpu", "count"]
        if item.by == "cpu"
        else ["time", "seconds", "identity", "name", "count"]
    )
    for point in item.points:
        for key, count in sorted(point.counts.items()):
            names = [key] if item.by == "cpu" else [key, item.names.get(key, "")]
            yield [str(point.at), cell(point.seconds), *names, str(count)]
