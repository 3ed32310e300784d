"""Commands about the past: decisions, interrupts over time, and their export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

import click
import msgspec
from rich.console import Console

from irqbal.api.contract import requests, responses
from irqbal.client.cli import decision_tables, tables
from irqbal.client.cli.csv_table import cell, header, row, write_csv
from irqbal.client.cli.options import choice_option, limit_option
from irqbal.client.cli.params import IRQ, IRQ_OR_DEVICE, POLICY
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.client.cli.values import LENGTH, WHEN
from irqbal.client.http import Client, RequestRefused
from irqbal.render.console import echo_json
from irqbal.render.sparkline import sparkline
from irqbal.render.tables import Column, print_rows
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
    data = session.client.fetch("decisions", query=query)
    session.show_list(data, responses.DecisionView, decision_tables.decisions)


@click.command("history", cls=Command)
@click.argument("what", metavar="IRQ|DEVICE|all", type=IRQ_OR_DEVICE)
@_series_options("cpu", "One line for each CPU, or for each IRQ.")
@with_session
def history(session: Session, what: str, **query: Unpack[_SeriesQuery]) -> None:
    """Show interrupts over time, with a sparkline on each line.

    The argument is an IRQ (a number or a name), a device (its address, interface or disk), or all.
    """
    session.show(_series(session.client, what, query), responses.SeriesAnswer, _lines, _points)


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
        raise no_device if error.status == 409 else error from None


def _keys(item: responses.SeriesAnswer) -> list[str]:
    found = {key for point in item.points for key in point.counts}
    return sorted(found, key=lambda key: (0, int(key), key) if key.isdecimal() else (1, 0, key))


def _lines(out: Console, item: responses.SeriesAnswer) -> None:
    """A line for each CPU or IRQ: mean, maximum, total and sparkline."""
    if not item.points:
        tables.say(out, "No interrupts were recorded in that time.")
        return
    first, last = item.points[0].at, item.points[-1].at
    tables.say(
        out,
        f"{tables.when(first)} to {tables.when(last + item.step)}, steps of {item.step}, "
        "interrupts a second",
        "bold",
    )
    slots = round((last - first) / item.step) + 1
    places = {round((point.at - first) / item.step): point for point in item.points}
    steps = [places.get(slot) for slot in range(slots)]
    seconds = sum(point.seconds for point in item.points)
    rows, width = [], 30 if out.width < 100 else 60
    for key in _keys(item):
        rates = [
            None if point is None or not point.seconds else point.counts.get(key, 0) / point.seconds
            for point in steps
        ]
        total = sum(point.counts.get(key, 0) for point in item.points)
        mean = total / seconds if seconds else 0.0
        most = max((rate for rate in rates if rate is not None), default=0.0)
        rows.append(
            (_label(item, key), f"{mean:.1f}", f"{most:.1f}", str(total), sparkline(rates, width))
        )
    columns = (
        Column("CPU" if item.by == "cpu" else "IRQ", wrap=True),
        Column("MEAN/S", right=True),
        Column("MAX/S", right=True),
        Column("TOTAL", right=True, drop=1),
        Column("OVER TIME", drop=2),
    )
    print_rows(out, columns, rows)


def _label(item: responses.SeriesAnswer, key: str) -> str:
    """A CPU's number (-1: unknown), or an IRQ's name."""
    return key if item.by == "cpu" else item.names.get(key) or key


def _points(item: responses.SeriesAnswer) -> Iterator[Sequence[str]]:
    """One row for each step. IRQs are named by their identity, which is unique."""
    keys = _keys(item)
    yield ["time", "seconds", *(f"cpu{key}" if item.by == "cpu" else key for key in keys)]
    for point in item.points:
        yield [
            str(point.at),
            f"{point.seconds:.3f}",
            *(str(point.counts.get(key, 0)) for key in keys),
        ]


@click.command("export", cls=Command)
@choice_option("--what", ["irqs", "decisions", "history"], "history", "What to export.")
@_series_options("irq", "Count interrupts by CPU, or by IRQ.")
@with_session
def export(session: Session, what: str, **query: Unpack[_SeriesQuery]) -> None:
    """Export history, decisions or IRQs as JSON lines, or as CSV with `-o csv`.

    The oldest come first. History in CSV has one line for each step and IRQ (or CPU).
    """
    client = session.client
    if what == "irqs":
        _export(session, responses.IrqView, client.ask("irqs", tuple[responses.IrqView, ...]))
    elif what == "decisions":
        newest_first = list(_all_decisions(client, query["start"], query["end"]))
        _export(session, responses.DecisionView, reversed(newest_first))
    else:
        series = client.ask("cpus_history", responses.SeriesAnswer, query=query)
        if session.form == "csv":
            write_csv(_rows_by_count(series))
        else:
            _export(session, responses.PointView, series.points)


def _export(session: Session, kind: type[msgspec.Struct], items: Iterable[msgspec.Struct]) -> None:
    if session.form == "csv":
        write_csv(
            rows for part in ([header(kind)], (row(kind, item) for item in items)) for rows in part
        )
        return
    for item in items:
        echo_json(to_json(item))


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
