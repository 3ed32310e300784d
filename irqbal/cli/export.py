"""`irqbal export`: the stored history as JSON or CSV."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from irqbal.cli.common import Common, command_options
from irqbal.cli.history_options import ShownWindow, open_history, window_options
from irqbal.client.cli.export_file import (
    STANDARD_OUTPUT,
    ExportWriter,
    Form,
    export_to,
    form_of,
    format_option,
    out_type,
)
from irqbal.client.cli.options import choice_option
from irqbal.history.samples import Decision, Sample
from irqbal.history.store import HistoryStore
from irqbal.render.console import echo, to_the_second
from irqbal.render.progress import working
from irqbal.wire import builtins, to_json

MAX_DECISIONS = 10_000_000
"""Decisions in one export: more than any history holds."""


@click.command("export")
@command_options
@window_options
@format_option
@choice_option("--what", ["samples", "decisions"], "samples", "What to export.")
@click.argument("out", type=out_type)
def command(
    common: Common,
    start: float,
    end: float | None,
    url: str,
    recorder: str,
    form: Form | None,
    what: str,
    out: Path,
) -> None:
    """Write samples or decisions to the file OUT; `-` is standard output.

    The end of the name says the format: .jsonl, .json or .csv, each also with .gz. CSV has one line
    for each count. The file is written whole or not at all: if the export fails or is interrupted,
    an older file of that name stays as it is.
    """
    chosen = form_of(out, form)
    # One more second, so that a record of this moment is included.
    window = ShownWindow(start, time.time() + 1 if end is None else end)
    write = _samples if what == "samples" else _decisions
    store = open_history(common, url, recorder)
    try:
        with (
            working(f"exporting {what}", max(1.0, window.end - window.start)) as progress,
            export_to(out, chosen) as writer,
        ):
            write(store, window, writer, lambda wall: progress.done(wall - window.start))
        empty = "" if writer.count else window.why_empty(store, what)
    finally:
        store.close()
    if empty:
        echo(empty, err=True)
    elif out != STANDARD_OUTPUT:
        echo(f"{out}: {writer.count} {_UNITS[chosen, what]}", err=True)


_UNITS = {
    ("csv", "samples"): "counts, one a line",
    ("csv", "decisions"): "decisions",
    ("json", "samples"): "samples",
    ("json", "decisions"): "decisions",
    ("jsonl", "samples"): "samples",
    ("jsonl", "decisions"): "decisions",
}
"""What the items of an export are."""


def _samples(
    store: HistoryStore,
    window: ShownWindow,
    writer: ExportWriter,
    reached: Callable[[float], None],
) -> None:
    writer.header(["time", "seconds", "kind", "name", "cpu", "count", "clock"])
    for sample in store.samples(window.start, window.end):
        if writer.form == "csv":
            head = [to_the_second(sample.wall), f"{sample.seconds:.3f}"]
            for series, value in sample.values.items():
                cells = [*head, series.kind, series.name, str(series.cpu), str(value)]
                writer.row([*cells, sample.clock])
        else:
            writer.item(to_json(_nested(sample)))
        reached(sample.wall)


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
    store: HistoryStore,
    window: ShownWindow,
    writer: ExportWriter,
    reached: Callable[[float], None],
) -> None:
    fields = Decision.__struct_fields__
    writer.header(["time", *fields])
    for item in reversed(store.decisions(window.start, window.end, "", MAX_DECISIONS)):
        if writer.form == "csv":
            values = (str(getattr(item, field)) for field in fields)
            writer.row([to_the_second(item.wall), *values])
        else:
            writer.item(to_json(item))
        reached(item.wall)
