"""`/proc/interrupts`: counts per IRQ and CPU, and the named rows (Documentation/filesystems/proc.rst, 1.2;
kernel/irq/proc.c).

The header names the online CPUs. Each count is `%10u` after a blank; what follows the counts is, for numbered rows,
chip, hwirq, trigger and the actions' names. Some arm64 rows have no blank before the chip; names may hold blanks and
commas; s390 and ppc64 have rows of their own. A row that cannot be parsed is counted and passed over.
"""

from __future__ import annotations

import re

import msgspec

_NUMBERED = re.compile(
    r"(?P<chip>\S.*?)\s+(?P<hwirq>\d+)(?:-(?P<trigger>\S+)|\s+(?P<level>Edge|Level|edge|level))(?:\s+(?P<action>\S.*))?"
)
_PLAIN = re.compile(r"(?P<chip>\S+)\s+(?P<hwirq>\d+)(?:\s+(?P<action>\S.*))?")
_CHIP_ONLY = re.compile(r"(?P<chip>\S+)(?:\s{2,}(?P<action>\S.*))?")
_CPU = re.compile(r"CPU(\d{1,5})", re.ASCII)
_LABEL = re.compile(r"\s*([^\s:][^:\s]*):", re.ASCII)


class Row(msgspec.Struct, frozen=True):
    """One row. `irq` is None for the named rows (LOC, RES …). `action` joins several with a comma, as sysfs does."""

    label: str
    irq: int | None
    counts: tuple[int, ...]
    chip: str = ""
    hwirq: int | None = None
    trigger: str = ""
    action: str = ""
    text: str = ""


class Interrupts(msgspec.Struct, frozen=True):
    """The whole file: the CPUs of the columns, the rows, and how many rows could not be parsed."""

    cpus: tuple[int, ...]
    rows: tuple[Row, ...]
    skipped: int = 0


def parse_interrupts(data: bytes) -> Interrupts:
    """Never raises: what is not understood is counted in `skipped`."""
    lines = data.decode("utf-8", "backslashreplace").split("\n")
    cpus = tuple(int(number) for number in _CPU.findall(lines[0])) if lines else ()
    rows: list[Row] = []
    skipped = 0
    for line in lines[1:]:
        if not line.strip():
            continue
        row = _row(line, len(cpus))
        if row is None:
            skipped += 1
        else:
            rows.append(row)
    return Interrupts(cpus, tuple(rows), skipped)


def _row(line: str, columns: int) -> Row | None:
    label_found = _LABEL.match(line)
    if label_found is None or columns == 0:
        return None
    label = label_found[1]
    counts, end = _counts(line, label_found.end(), columns)
    irq = int(label) if label.isascii() and label.isdigit() and len(label) <= 9 else None
    if irq is None:
        # ERR and MIS have one column whatever the number of CPUs.
        return Row(label, None, counts, text=line[end:].strip()) if counts else None
    if len(counts) != columns:
        return None
    return _numbered(label, irq, counts, line[end:].strip())


def _counts(line: str, start: int, columns: int) -> tuple[tuple[int, ...], int]:
    """The counts and where they end. A digit run right before a letter is a count too: the chip may follow without a
    blank.
    """
    counts: list[int] = []
    at = start
    while len(counts) < columns:
        while at < len(line) and line[at] in " \t":
            at += 1
        end = at
        # A count is at most ten digits wide; a longer run would be a chip's name in a row that lacks columns.
        while end < len(line) and line[end] in "0123456789":
            end += 1
        if end == at or end - at > 20:
            break
        counts.append(int(line[at:end]))
        at = end
    return tuple(counts), at


def _numbered(label: str, irq: int, counts: tuple[int, ...], rest: str) -> Row:
    if not rest:
        return Row(label, irq, counts)
    found = _NUMBERED.fullmatch(rest)
    if found is not None:
        trigger = (found["trigger"] or found["level"] or "").lower()
        return Row(label, irq, counts, found["chip"], int(found["hwirq"][:18]), trigger, _joined(found["action"]), rest)
    found = _PLAIN.fullmatch(rest)
    if found is not None:
        return Row(label, irq, counts, found["chip"], int(found["hwirq"][:18]), "", _joined(found["action"]), rest)
    found = _CHIP_ONLY.fullmatch(rest)
    if found is not None:
        return Row(label, irq, counts, found["chip"], None, "", _joined(found["action"]), rest)
    return Row(label, irq, counts, "", None, "", _joined(rest), rest)


def _joined(action: str | None) -> str:
    return "" if action is None else ",".join(part.strip() for part in action.strip().split(", "))
