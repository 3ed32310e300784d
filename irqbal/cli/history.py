"""`irqbal history` and `irqbal decisions`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import click

from irqbal.cli.common import Common, command_options
from irqbal.cli.history_options import ShownWindow, open_history, window_options
from irqbal.cli.params import RECORDED
from irqbal.client.cli.command_help import meant
from irqbal.client.cli.csv_table import write_csv
from irqbal.client.cli.options import choice_option, limit_option
from irqbal.client.cli.values import LENGTH
from irqbal.errors import HistoryError
from irqbal.history.samples import Decision, IrqState
from irqbal.history.store import By, Query
from irqbal.render.console import console, echo, echo_json, to_the_second
from irqbal.render.series import ShownPoint, ShownSeries, print_series
from irqbal.wire import Duration, Moment, to_json


@click.command("history")
@command_options
@window_options
@click.option(
    "--step",
    type=LENGTH,
    default="5m",
    show_default=True,
    help="The time that one point covers.",
)
@choice_option("--by", ["cpu", "irq"], "cpu", "One line for each CPU, or for each IRQ.")
@click.option("--json", "form", flag_value="json", help="Print JSON: a list of points.")
@click.option(
    "--csv",
    "form",
    flag_value="csv",
    help="Print CSV: one line for each step, one column for each CPU (or IRQ).",
)
@click.argument("what", metavar="IRQ|DEVICE|all", type=RECORDED)
def history(
    common: Common,
    start: float,
    end: float | None,
    url: str,
    recorder: str,
    step: Duration,
    by: By,
    form: str | None,
    what: str,
) -> None:
    """Show interrupts over time, with a sparkline on each line.

    The argument is an IRQ (a number or a name), a device (its address, interface or disk), or
    `all`.
    """
    store = open_history(common, url, recorder)
    try:
        states = store.irqs()
        wanted = None if what == "all" else tuple(state.identity for state in find(states, what))
        window = ShownWindow(start, time.time() if end is None else end)
        points = store.series(Query(window.start, window.end, float(step), wanted, by))
        about = "" if what == "all" else what
        empty = "" if points else window.why_empty(store, "interrupts", about)
    finally:
        store.close()
    series = ShownSeries(
        step=step,
        by=by,
        points=[ShownPoint(Moment(point.start), point.seconds, point.counts) for point in points],
        names={state.identity: state.action for state in states},
    )
    if form == "json":
        echo_json(to_json(points))
    elif form == "csv":
        write_csv(_table(series))
    elif points:
        print_series(console(), series)
    if empty:
        echo(empty, err=True)


def find(states: Iterable[IrqState], what: str) -> list[IrqState]:
    """IRQs of the history by number, action, queue, device address, interface or disk. A number
    that several IRQs had in turn is the present owner's.

    Raises HistoryError if there is none.
    """
    known = list(states)
    if what.isascii() and what.isdecimal():
        found = [state for state in known if state.number == int(what) and not state.gone]
        found = found or [state for state in known if state.number == int(what)]
    else:
        found = [
            state
            for state in known
            if what
            in (
                state.identity,
                state.action,
                state.device,
                state.queue,
                state.queue.partition("/")[0],
            )
            or what in state.action.split(",")
        ]
    if not found:
        guess = meant(what, _names(known)) or "; `irqbal topology` lists the present ones"
        raise HistoryError(f"the history has no IRQ or device {what}{guess}")
    return found


def _names(states: Iterable[IrqState]) -> Iterator[str]:
    """What IRQs and devices of the history may be called."""
    for state in states:
        yield from state.action.split(",")
        yield state.device
        yield state.queue
        yield state.queue.partition("/")[0]


def _table(series: ShownSeries) -> Iterator[list[str]]:
    keys = series.lines()
    yield ["time", "seconds", *(f"cpu{key}" if series.by == "cpu" else key for key in keys)]
    for point in series.points:
        yield [
            to_the_second(point.at),
            f"{point.seconds:.1f}",
            *(str(point.counts.get(key, 0)) for key in keys),
        ]


@click.command("decisions")
@command_options
@window_options
@limit_option(1_000_000, 1000, "The most decisions to print; the newest are printed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of decisions.")
@click.argument("irq", required=False, default="", type=RECORDED)
def decisions(
    common: Common,
    start: float,
    end: float | None,
    url: str,
    recorder: str,
    limit: int,
    as_json: bool,
    irq: str,
) -> None:
    """Print decisions: moves, refusals, drift, failures, overrides, each with its reason.

    With an IRQ (a number or a name) only those about it.
    """
    store = open_history(common, url, recorder)
    try:
        # One more second, so that a decision of this moment is included.
        until = time.time() + 1 if end is None else end
        window = ShownWindow(start, until)
        if irq:
            found = [
                item
                for state in find(store.irqs(), irq)
                for item in store.decisions(start, until, state.identity, limit)
            ]
            found = sorted(found, key=lambda item: (item.wall, item.sequence), reverse=True)[:limit]
        else:
            found = store.decisions(start, until, "", limit)
        empty = "" if found else window.why_empty(store, "decisions", irq)
    finally:
        store.close()
    if as_json:
        echo_json(to_json(found))
    else:
        for item in reversed(found):
            echo(decision_line(item))
    if empty:
        echo(empty, err=True)


def decision_line(item: Decision) -> str:
    """A decision on one line."""
    about = (
        f"IRQ {item.irq} ({item.name or item.identity})" if item.irq is not None else item.identity
    )
    change = f" {item.before or '-'} -> {item.after or '-'}" if item.before or item.after else ""
    who = item.who or item.policy
    result = f" [{item.result}]" if item.result else ""
    when = to_the_second(item.wall)
    line = f"{when}  {item.kind:<8}  {about}{change}{result}  {who}: {item.reason}"
    return line.replace("    ", "  ")
