"""`irqbal export`: the stored history as JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from irqbal.cli.common import Common, command_options
from irqbal.cli.history_options import open_history, window_options
from irqbal.client.cli.options import choice_option
from irqbal.history.samples import Decision, Sample
from irqbal.history.store import HistoryStore
from irqbal.render.console import cell_text, to_the_second
from irqbal.wire import builtins, to_json

MAX_DECISIONS = 10_000_000
"""Decisions in one export: more than any history holds."""


@click.command("export")
@command_options
@window_options
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="JSON lines, or CSV with one line for each count.",
)
@choice_option("--what", ["samples", "decisions"], "samples", "What to export.")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
def command(
    common: Common, start: float, end: float | None, url: str, form: str, what: str, out: Path
) -> None:
    """Write samples or decisions to the file OUT; `-` is standard output."""
    store = open_history(common, url)
    # One more second, so that a sample of this moment is included.
    until = time.time() + 1 if end is None else end
    lines_of = _samples if what == "samples" else _decisions
    try:
        _write(lines_of(store, start, until, form), out, start, until)
    finally:
        store.close()


def _write(lines: Iterable[tuple[float, str]], out: Path, start: float, end: float) -> None:
    """Write lines; on a terminal with a progress bar over the time that they cover."""
    with Progress(
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as progress:
        task = progress.add_task("exporting", total=max(1.0, end - start))
        with click.open_file(str(out), "w", encoding="utf-8") as file:
            for wall, line in lines:
                file.write(line + "\n")
                progress.update(task, completed=wall - start)


def _csv_line(row: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([cell_text(cell) for cell in row])
    return out.getvalue()


def _samples(
    store: HistoryStore, start: float, end: float, form: str
) -> Iterator[tuple[float, str]]:
    if form == "csv":
        yield start, "time,seconds,kind,name,cpu,count,clock"
    for sample in store.samples(start, end):
        if form == "jsonl":
            yield sample.wall, to_json(_nested(sample)).decode()
            continue
        head = [to_the_second(sample.wall), f"{sample.seconds:.3f}"]
        for series, value in sample.values.items():
            yield (
                sample.wall,
                _csv_line(
                    [
                        *(*head, series.kind, series.name, str(series.cpu), str(value)),
                        sample.clock,
                    ]
                ),
            )


def _nested(sample: Sample) -> dict[str, Any]:
    """A sample as nested objects: kind -> name -> CPU -> count."""
    found: dict[str, Any] = {
        "at": to_the_second(sample.wall),
        "sequence": sample.sequence,
        "boot": sample.boot,
        "seconds": sample.seconds,
        "states": [builtins(state) for state in sample.states],
    }
    if sample.clock:
        found["clock"] = sample.clock
    for series, value in sample.values.items():
        found.setdefault(series.kind, {}).setdefault(series.name, {})[str(series.cpu)] = value
    return found


def _decisions(
    store: HistoryStore, start: float, end: float, form: str
) -> Iterator[tuple[float, str]]:
    found = store.decisions(start, end, "", MAX_DECISIONS)
    fields = Decision.__struct_fields__
    if form == "csv":
        yield start, _csv_line(["time", *fields])
    for item in reversed(found):
        values = [to_the_second(item.wall), *(str(getattr(item, field)) for field in fields)]
        yield item.wall, to_json(item).decode() if form == "jsonl" else _csv_line(values)
