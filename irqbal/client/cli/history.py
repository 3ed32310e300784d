"""What was: decisions, and interrupts over time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import click
import msgspec
from rich.console import Console

from irqbal.api.contract import requests, responses
from irqbal.client.cli import tables
from irqbal.client.cli.csv_table import cell, header, row, table_of, write_csv
from irqbal.client.cli.params import IRQ, IRQ_OR_DEVICE, LENGTH, POLICY, WHEN
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.client.http import Client, RequestRefused
from irqbal.render.text import Column, print_rows, sparkline
from irqbal.wire import Duration, Moment, When, to_json

PAGE = 10_000
"""Decisions that one answer may hold."""
_START = click.option(
    "--start",
    type=WHEN,
    help="From then on: a time, or 2h for two hours ago; 24h ago, unless given.",
)
_END = click.option("--end", type=WHEN, help="Until then; now, unless given.")
_STEP = click.option(
    "--step", type=LENGTH, help="The length of a step; a 300th of the time, unless given."
)


@click.command("decisions", cls=Command)
@click.option("--irq", type=IRQ, help="Of this IRQ: a number or a name.")
@click.option("--kind", type=click.Choice(requests.DECISION_KINDS), help="Only of this kind.")
@click.option("--policy", type=POLICY, help="Only of this policy.")
@click.option("--search", metavar="TEXT", help="Only those that hold this text.")
@_START
@_END
@click.option(
    "--limit",
    type=click.IntRange(1, PAGE),
    default=1000,
    show_default=True,
    help="At most so many, the newest.",
)
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
    """What was decided, when, by whom, and why.

    Moves, settings, refusals, drift, failures, overrides and what people did.

    In the table the newest come last; in JSON and CSV, as the API has it, first.
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
    kinds = tuple[responses.DecisionView, ...]
    session.show(
        data, kinds, tables.decisions, lambda items: table_of(responses.DecisionView, items)
    )


@click.command("history", cls=Command)
@click.argument("what", metavar="IRQ|DEVICE|all", type=IRQ_OR_DEVICE)
@_START
@_END
@_STEP
@click.option(
    "--by",
    type=click.Choice(["cpu", "irq"]),
    default="cpu",
    show_default=True,
    help="A line a CPU, or a line an IRQ.",
)
@with_session
def history(
    session: Session,
    what: str,
    start: When | None,
    end: When | None,
    step: Duration | None,
    by: str,
) -> None:
    """Interrupts over time, with a sparkline a line.

    Of an IRQ (a number or a name), of a device (its address, interface or disk), or of all.
    """
    query = {"start": start, "end": end, "step": step, "by": by}
    session.show(_series(session.client, what, query), responses.SeriesAnswer, _lines, _points)


def _series(client: Client, what: str, query: Mapping[str, object]) -> bytes:
    """A name may be a device's or an IRQ's; a number is an IRQ's."""
    if what == "all":
        return client.fetch("cpus_history", query=query)
    if not (what.isascii() and what.isdecimal()):
        try:
            return client.fetch("device_history", {"device": what}, query)
        except RequestRefused as error:
            if error.status != 404:
                raise
            return _of_irq(client, what, query, error)
    return client.fetch("irq_history", {"irq": what}, query)


def _of_irq(
    client: Client, what: str, query: Mapping[str, object], no_device: RequestRefused
) -> bytes:
    try:
        return client.fetch("irq_history", {"irq": what}, query)
    except RequestRefused as error:
        # Several IRQs have that name: it is a device's, of which the history holds nothing yet.
        raise no_device if error.status == 409 else error from None


def _keys(item: responses.SeriesAnswer) -> list[str]:
    found = {key for point in item.points for key in point.counts}
    return sorted(found, key=lambda key: (0, int(key), key) if key.isdecimal() else (1, 0, key))


def _lines(out: Console, item: responses.SeriesAnswer) -> None:
    """A line a CPU or IRQ: what it had on average, at most, in all, and its course."""
    if not item.points:
        tables.say(out, "Nothing was recorded in that time.")
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
        Column("MOST/S", right=True),
        Column("IN ALL", right=True, drop=1),
        Column("COURSE", drop=2),
    )
    print_rows(out, columns, rows)


def _label(item: responses.SeriesAnswer, key: str) -> str:
    """A CPU's number (-1: not known which), an IRQ's name."""
    return key if item.by == "cpu" else item.names.get(key) or key


def _points(item: responses.SeriesAnswer) -> Iterator[Sequence[str]]:
    """A line a step; IRQs are named by their identity, which is unique."""
    keys = _keys(item)
    yield ["time", "seconds", *(f"cpu{key}" if item.by == "cpu" else key for key in keys)]
    for point in item.points:
        yield [
            str(point.at),
            f"{point.seconds:.3f}",
            *(str(point.counts.get(key, 0)) for key in keys),
        ]


@click.command("export", cls=Command)
@click.option(
    "--what",
    type=click.Choice(["irqs", "decisions", "history"]),
    default="history",
    show_default=True,
)
@_START
@_END
@_STEP
@click.option(
    "--by",
    type=click.Choice(["cpu", "irq"]),
    default="irq",
    show_default=True,
    help="Counts of the history by CPU, or by IRQ.",
)
@with_session
def export(
    session: Session,
    what: str,
    start: When | None,
    end: When | None,
    step: Duration | None,
    by: str,
) -> None:
    """History, decisions or IRQs as JSON lines or CSV.

    JSON lines unless `-o csv` is given; the oldest first.
    History in CSV is a line a step and IRQ (or CPU). Decisions are all those of the time.
    """
    client = session.client
    if what == "irqs":
        _export(session, responses.IrqView, client.ask("irqs", tuple[responses.IrqView, ...]))
    elif what == "decisions":
        _export(session, responses.DecisionView, reversed(list(_all_decisions(client, start, end))))
    else:
        series = client.ask(
            "cpus_history",
            responses.SeriesAnswer,
            query={"start": start, "end": end, "step": step, "by": by},
        )
        if session.form == "csv":
            write_csv(_long(series))
        else:
            _export(session, responses.PointView, series.points)


def _export(session: Session, kind: type[msgspec.Struct], items: Iterable[msgspec.Struct]) -> None:
    if session.form == "csv":
        write_csv(
            rows for part in ([header(kind)], (row(kind, item) for item in items)) for rows in part
        )
        return
    for item in items:
        click.echo(to_json(item))


def _all_decisions(
    client: Client, start: When | None, end: When | None
) -> Iterator[responses.DecisionView]:
    """Page by page, the newest first. Pages overlap by the millisecond to which moments are
    written.
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


def _long(item: responses.SeriesAnswer) -> Iterator[Sequence[str]]:
    yield (
        ["time", "seconds", "cpu", "count"]
        if item.by == "cpu"
        else ["time", "seconds", "identity", "name", "count"]
    )
    for point in item.points:
        for key, count in sorted(point.counts.items()):
            names = [key] if item.by == "cpu" else [key, item.names.get(key, "")]
            yield [str(point.at), cell(point.seconds), *names, str(count)]
