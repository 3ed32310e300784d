"""Answers as CSV: one column for each field, those of nested structs included."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from types import UnionType
from typing import Any, get_args

import msgspec

from irqbal.render.console import cell_text, echo
from irqbal.wire import builtins, to_json


def write_csv(rows: Iterable[Sequence[str]]) -> None:
    """Print rows as RFC 4180 has them, but with `\\n` at the end of a line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow([cell_text(cell) for cell in row])
        echo(text.getvalue(), nl=False)
        text.seek(0)
        text.truncate()


def table_of(
    kind: type[msgspec.Struct], items: Iterable[msgspec.Struct]
) -> Iterator[Sequence[str]]:
    """A header, then one row for each item."""
    yield header(kind)
    for item in items:
        yield row(kind, item)


def header(kind: type[msgspec.Struct], prefix: str = "") -> list[str]:
    """Names of columns: `field`, or `field.inner` for a nested struct."""
    found: list[str] = []
    for field in msgspec.structs.fields(kind):
        inner = _struct_of(field.type)
        found += (
            header(inner, f"{prefix}{field.encode_name}.")
            if inner is not None
            else [prefix + field.encode_name]
        )
    return found


def row(kind: type[msgspec.Struct], item: msgspec.Struct | None) -> list[str]:
    """The cells of one item; empty cells for None."""
    found: list[str] = []
    for field in msgspec.structs.fields(kind):
        value = None if item is None else getattr(item, field.name)
        inner = _struct_of(field.type)
        found += row(inner, value) if inner is not None else [cell(value)]
    return found


def cell(value: Any) -> str:
    """A value as text: empty for None, lists of scalars joined by spaces, deeper values as JSON."""
    plain = builtins(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, list | tuple) and all(
        isinstance(part, str | int | float) for part in plain
    ):
        return " ".join(str(part) for part in plain)
    return to_json(plain).decode() if isinstance(plain, dict | list | tuple) else str(plain)


def _struct_of(hint: Any) -> type[msgspec.Struct] | None:
    """The struct type of a field, `Struct | None` included; None if it has none."""
    for part in (hint, *(get_args(hint) if isinstance(hint, UnionType) else ())):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None
