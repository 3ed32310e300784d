"""`irqbal history`, `irqbal decisions` and `irqbal export`."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from irqbal.cli.common import command_options, common_of
from irqbal.errors import HistoryError
from irqbal.history.open import open_store
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.store import HistoryStore, Query
from irqbal.service.assembly import folders
from irqbal.wire import Duration, builtins, to_json

_COMPACT = re.compile(r"\d{8}-\d{6}")


class MomentParameter(click.ParamType):  # type: ignore[type-arg]
    """A time: ISO 8601 (UTC unless it says otherwise), `YYYYMMDD-HHMMSS`, or a length such as `2h`
    for so long ago.
    """

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        with contextlib.suppress(ValueError):
            return time.time() - Duration.parse(value)
        try:
            if _COMPACT.fullmatch(value):
                return datetime.strptime(value, "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
            parsed = datetime.fromisoformat(value)
            return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no time: write 2026-01-31T12:00:00, 20260131-120000, or 2h for two "
                "hours ago",
                param,
                ctx,
            )


class Length(click.ParamType):  # type: ignore[type-arg]
    """A length of time such as `5m`."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Duration:
        if isinstance(value, Duration):
            return value
        try:
            return Duration.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _window(function: Any) -> Any:
    for option in (
        click.option(
            "--store",
            "url",
            default="",
            help="Another history: a file, or mongodb://…; else this host's own.",
        ),
        click.option(
            "--end", type=MomentParameter(), default=None, help="Until then; now, unless given."
        ),
        click.option(
            "--start",
            type=MomentParameter(),
            default="24h",
            show_default=True,
            help="From then on.",
        ),
    ):
        function = option(function)
    return function


def _open(
    ctx: click.Context, root: Path | None, config_path: Path | None, debug: bool, url: str
) -> HistoryStore:
    common = common_of(ctx, root, config_path, debug)
    return open_store(url, folders(common.config(), common.root).state)


def iso(wall: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@click.command("history")
@command_options
@_window
@click.option(
    "--step", type=Length(), default="5m", show_default=True, help="The length of a line."
)
@click.option("--json", "form", flag_value="json", help="JSON: a list of points.")
@click.option("--csv", "form", flag_value="csv", help="CSV: a line a step, a column a CPU.")
@click.argument("what", metavar="IRQ|DEVICE|all")
def history(
    ctx: click.Context,
    root: Path | None,
    config_path: Path | None,
    debug: bool,
    start: float,
    end: float | None,
    url: str,
    step: Duration,
    form: str | None,
    what: str,
) -> None:
    """Interrupts per step and CPU of an IRQ (a number or a name), of a device (its address,
    interface or disk), or of `all`.
    """
    store = _open(ctx, root, config_path, debug, url)
    try:
        identities = (
            None if what == "all" else tuple(state.identity for state in find(store.irqs(), what))
        )
        points = store.series(Query(start, end or time.time(), float(step), identities))
    finally:
        store.close()
    if form == "json":
        click.echo(to_json(points).decode())
    elif form == "csv":
        for row in _table(points):
            click.echo(_csv_line(row))
    else:
        _print_points(points)


def find(states: Iterable[IrqState], what: str) -> list[IrqState]:
    """IRQs by number, action, queue, device address, interface or disk; the latest owner of a
    number comes first.

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
            f"the history knows no IRQ or device {what}; `irqbal topology` lists those of now"
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
            iso(point.start),
            f"{point.seconds:.1f}",
            *(str(point.counts.get(cpu, 0)) for cpu in cpus),
        ]


def _csv_line(row: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()


def _print_points(points: list[Point]) -> None:
    if not points:
        click.echo("Nothing was recorded in that time.")
    for point in points:
        total = sum(point.counts.values())
        cpus = ", ".join(f"CPU {cpu}: {point.counts[cpu]}" for cpu in _cpus([point]))
        rate = total / point.seconds if point.seconds else 0.0
        click.echo(f"{iso(point.start)}  {total:>12}  {rate:>10.1f}/s  {cpus}")


@click.command("decisions")
@command_options
@_window
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=1000,
    show_default=True,
    help="At most so many, the newest.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON: a list of decisions.")
@click.argument("irq", required=False, default="")
def decisions(
    ctx: click.Context,
    root: Path | None,
    config_path: Path | None,
    debug: bool,
    start: float,
    end: float | None,
    url: str,
    limit: int,
    as_json: bool,
    irq: str,
) -> None:
    """What irqbal did and refused, and why: moves, refusals, drift, failures, overrides; of one
    IRQ, or of all.
    """
    store = _open(ctx, root, config_path, debug, url)
    try:
        until = end or time.time() + 1
        if irq:
            wanted = find(store.irqs(), irq)
            found = [
                item
                for state in wanted
                for item in store.decisions(start, until, state.identity, limit)
            ]
            found = sorted(found, key=lambda item: (item.wall, item.sequence), reverse=True)[:limit]
        else:
            found = store.decisions(start, until, "", limit)
    finally:
        store.close()
    if as_json:
        click.echo(to_json(found).decode())
        return
    for item in reversed(found):
        click.echo(decision_line(item))
    if not found:
        click.echo("Nothing was decided in that time.")


def decision_line(item: Decision) -> str:
    """A decision on one line."""
    about = (
        f"IRQ {item.irq} ({item.name or item.identity})" if item.irq is not None else item.identity
    )
    change = f" {item.before or '-'} -> {item.after or '-'}" if item.before or item.after else ""
    who = item.who or item.policy
    result = f" [{item.result}]" if item.result else ""
    return (
        f"{iso(item.wall)}  {item.kind:<8}  {about}{change}{result}  {who}: {item.reason}".replace(
            "    ", "  "
        )
    )


@click.command("export")
@command_options
@_window
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True
)
@click.option(
    "--what", type=click.Choice(["samples", "decisions"]), default="samples", show_default=True
)
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
def export(
    ctx: click.Context,
    root: Path | None,
    config_path: Path | None,
    debug: bool,
    start: float,
    end: float | None,
    url: str,
    form: str,
    what: str,
    out: Path,
) -> None:
    """Write samples (or decisions) to OUT, `-` for standard output: JSON lines, or CSV with a line
    a count.
    """
    store = _open(ctx, root, config_path, debug, url)
    until = end or time.time() + 1
    try:
        lines = (
            _samples(store, start, until, form)
            if what == "samples"
            else _decisions(store, start, until, form)
        )
        _write(lines, out, start, until)
    finally:
        store.close()


def _write(lines: Iterable[tuple[float, str]], out: Path, start: float, end: float) -> None:
    """Write lines, with a progress bar by time on a terminal."""
    with Progress(
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as progress:
        task = progress.add_task("exporting", total=max(1.0, end - start))
        with click.open_file(str(out), "w", encoding="utf-8") as file:
            for wall, line in lines:
                file.write(line + "\n")
                progress.update(task, completed=wall - start)


def _samples(
    store: HistoryStore, start: float, end: float, form: str
) -> Iterator[tuple[float, str]]:
    if form == "csv":
        yield start, "time,seconds,kind,name,cpu,count"
    for sample in store.samples(start, end):
        if form == "jsonl":
            yield sample.wall, to_json(_nested(sample)).decode()
            continue
        head = [iso(sample.wall), f"{sample.seconds:.3f}"]
        for series, value in sample.values.items():
            yield (
                sample.wall,
                _csv_line([*head, series.kind, series.name, str(series.cpu), str(value)]),
            )


def _nested(sample: Sample) -> dict[str, Any]:
    """A sample as people expect it: kind -> name -> CPU -> count."""
    found: dict[str, Any] = {
        "at": iso(sample.wall),
        "sequence": sample.sequence,
        "boot": sample.boot,
        "seconds": sample.seconds,
        "states": [builtins(state) for state in sample.states],
    }
    for series, value in sample.values.items():
        found.setdefault(series.kind, {}).setdefault(series.name, {})[str(series.cpu)] = value
    return found


def _decisions(
    store: HistoryStore, start: float, end: float, form: str
) -> Iterator[tuple[float, str]]:
    found = store.decisions(start, end, "", 10_000_000)
    fields = Decision.__struct_fields__
    if form == "csv":
        yield start, _csv_line(["time", *fields])
    for item in reversed(found):
        values = [iso(item.wall), *(str(getattr(item, field)) for field in fields)]
        yield item.wall, to_json(item).decode() if form == "jsonl" else _csv_line(values)
