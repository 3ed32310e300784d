"""Files that the `export` commands write: their format by their name, and whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import click

from irqbal.errors import IrqbalError
from irqbal.render.console import cell_text, json_text

F = TypeVar("F", bound=Callable[..., Any])
Form = Literal["jsonl", "json", "csv"]
"""JSON lines, one JSON list, or CSV with a header."""
STANDARD_OUTPUT = Path("-")
SUFFIXES: dict[str, Form] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv"}
"""The end of a name -> the format of the file. `.gz` behind it compresses the file."""


class ExportNotWritten(IrqbalError):
    """The file could not be written; what it held before is still there."""


def format_option(function: F) -> F:
    """`--format`."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(get_args(Form)),
        help="JSON lines, one JSON list, or CSV. Default: what the end of the name OUT says, "
        ".jsonl, .json or .csv, each also with .gz; JSON lines on standard output.",
    )(function)


out_type: click.Path = click.Path(dir_okay=False, path_type=Path, allow_dash=True)
"""The type of the argument OUT."""


def form_of(out: Path, given: Form | None) -> Form:
    """The format of this file. Raises click.UsageError if neither its name nor an option says
    it.
    """
    if given is not None:
        return given
    if _in_place(out):
        return "jsonl"
    name = out.name.removesuffix(".gz")
    found = SUFFIXES.get(Path(name).suffix.lower())
    if found is None:
        raise click.UsageError(
            f"the name {out} says no format, so nothing was written: end it with "
            f"{', '.join(SUFFIXES)} (and .gz), or add --format"
        )
    return found


def _in_place(out: Path) -> bool:
    """Whether this is standard output, a pipe or a device: written where it is."""
    return out == STANDARD_OUTPUT or (out.exists() and not out.is_file())


class ExportWriter:
    """Writes items of one kind in one format. `count`: how many so far."""

    def __init__(self, write: Callable[[str], object], form: Form) -> None:
        self.form, self.count = form, 0
        self._write = write

    def header(self, names: Sequence[str]) -> None:
        """The first line of CSV; the other formats have none."""
        if self.form == "csv":
            self._row(names)

    def row(self, cells: Sequence[str]) -> None:
        """A line of CSV."""
        self.count += 1
        self._row(cells)

    def item(self, data: bytes) -> None:
        """An object in JSON."""
        if self.form == "json":
            self._write("[\n" if not self.count else ",\n")
        self.count += 1
        self._write(json_text(data) + ("" if self.form == "json" else "\n"))

    def end(self) -> None:
        """What closes the file."""
        if self.form == "json":
            self._write("\n]\n" if self.count else "[]\n")

    def _row(self, cells: Sequence[str]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([cell_text(cell) for cell in cells])
        self._write(text.getvalue())


@contextlib.contextmanager
def export_to(out: Path, form: Form) -> Iterator[ExportWriter]:
    """A writer to the file `out`, or to standard output for a dash. The file gets its name once it
    is whole and on disk: until then, and if that fails, an older one stays as it is. Raises
    ExportNotWritten, and for standard output OSError.
    """
    if out == STANDARD_OUTPUT:
        writer = ExportWriter(sys.stdout.write, form)
        yield writer
        writer.end()
        sys.stdout.flush()
        return
    opened = _written(out) if _in_place(out) else _replaced(Path(os.path.realpath(out)))
    with opened as write:
        writer = ExportWriter(write, form)
        yield writer
        with _named(out):
            writer.end()


@contextlib.contextmanager
def _named(out: Path) -> Iterator[None]:
    """Errors of the file's system as sentences that say what became of it."""
    try:
        yield
    except OSError as error:
        left = "; the file of that name is as it was" if out.is_file() else ""
        raise ExportNotWritten(
            f"{out} cannot be written: {error.strerror or error}{left}"
        ) from error


def _guarded(out: Path, write: Callable[[str], object]) -> Callable[[str], object]:
    def guarded(text: str) -> None:
        with _named(out):
            write(text)

    return guarded


@contextlib.contextmanager
def _written(out: Path) -> Iterator[Callable[[str], object]]:
    """A pipe or a device, written where it is."""
    with _named(out), out.open("w", encoding="utf-8") as file:
        yield _guarded(out, file.write)


@contextlib.contextmanager
def _replaced(out: Path) -> Iterator[Callable[[str], object]]:
    """A new file beside `out`, which takes its place and its mode once everything is on disk."""
    part = out.with_name(f".{out.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with _named(out):
        old = stat.S_IMODE(out.stat().st_mode) if out.exists() else None
        raw = os.fdopen(
            os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb"
        )
    try:
        packed = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if out.suffix == ".gz" else raw
        text = io.TextIOWrapper(packed, encoding="utf-8", newline="\n")
        yield _guarded(out, text.write)
        with _named(out):
            text.flush()
            if packed is not raw:
                packed.close()
            raw.flush()
            if old is not None:
                os.fchmod(raw.fileno(), old)
            os.fsync(raw.fileno())
            part.replace(out)
            _sync_folder(out.parent)
    finally:
        with contextlib.suppress(OSError):
            raw.close()
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A new name is on disk only once its folder is (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
