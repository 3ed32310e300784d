"""`irqbal history` and `irqbal decisions`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import click

from irqbal.cli.common import Common, command_options
from irqbal.cli.history_options import open_history, window_options
from irqbal.client.cli.csv_table import write_csv
from irqbal.client.cli.options import limit_option
from irqbal.client.cli.values import LENGTH
from irqbal.errors import HistoryError
from irqbal.history.samples import Decision, IrqState, Point
from irqbal.history.store import Query
from irqbal.render.console import echo, echo_json, to_the_second
from irqbal.wire import Duration, to_json


@click.command("history")
@command_options
@window_options
@click.option(
    "--step", type=LENGTH, default="5m", show_default=True, help="The time that one line covers."
)
@click.option("--json", "form", flag_value="json", help="Print JSON: a list of points.")
@click.option(
    "--csv",
    "form",
    flag_value="csv",
    help="Print CSV: one line for each step, one column for each CPU.",
)
@click.argument("what", metavar="IRQ|DEVICE|all")
def history(
    common: Common,
    start: float,
    end: float | None,
    url: str,
    step: Duration,
    form: str | None,
    what: str,
) -> None:
    """Print interrupts by step and CPU.

    The argument is an IRQ (a number or a name), a device (its address, interface or disk), or
    `all`.
    """
    store = open_history(common, url)
    try:
        identities = (
            None if what == "all" else tuple(state.identity for state in find(store.irqs(), what))
        )
        until = time.time() if end is None else end
        points = store.series(Query(start, until, float(step), identities))
    finally:
        store.close()
    if form == "json":
        echo_json(to_json(points))
    elif form == "csv":
        write_csv(_table(points))
    else:
        _print_points(points)


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
        raise HistoryError(
            f"the history has no IRQ or device {what}; `irqbal topology` lists the present ones"
        )
    return found


def _cpus(points: Iterable[Point]) -> list[str]:
    return sorted(
        {key for point in points for key in point.counts},
        key=lambda key: (not key.lstrip("-").isdigit(), int(key)),
    )


def _table(points: list[Point]) -> Iterator[list[str]]:
    cpus = _cpus(points)
    yield ["time", "seconds", *(f"cpu{cpu}" for cpu in cpus)]
    for point in points:
        yield [
            to_the_second(point.start),
            f"{point.seconds:.1f}",
            *(str(point.counts.get(cpu, 0)) for cpu in cpus),
        ]


def _print_points(points: list[Point]) -> None:
    if not points:
        echo("No interrupts were recorded in that time.")
    for point in points:
        total = sum(point.counts.values())
        cpus = ", ".join(f"CPU {cpu}: {point.counts[cpu]}" for cpu in _cpus([point]))
        rate = total / point.seconds if point.seconds else 0.0
        echo(f"{to_the_second(point.start)}  {total:>12}  {rate:>10.1f}/s  {cpus}")


@click.command("decisions")
@command_options
@window_options
@limit_option(1_000_000, 1000, "The most decisions to print; the newest are printed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of decisions.")
@click.argument("irq", required=False, default="")
def decisions(
    common: Common, start: float, end: float | None, url: str, limit: int, as_json: bool, irq: str
) -> None:
    """Print decisions: moves, refusals, drift, failures, overrides, each with its reason.

    With an IRQ (a number or a name) only those about it.
    """
    store = open_history(common, url)
    try:
        # One more second, so that a decision of this moment is included.
        until = time.time() + 1 if end is None else end
        if irq:
            found = [
                item
                for state in find(store.irqs(), irq)
                for item in store.decisions(start, until, state.identity, limit)
            ]
            found = sorted(found, key=lambda item: (item.wall, item.sequence), reverse=True)[:limit]
        else:
            found = store.decisions(start, until, "", limit)
    finally:
        store.close()
    if as_json:
        echo_json(to_json(found))
        return
    for item in reversed(found):
        echo(decision_line(item))
    if not found:
        echo("No decisions in that time.")


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
