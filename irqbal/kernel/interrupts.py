"""`/proc/interrupts`: counts per IRQ and CPU, and the named rows
(Documentation/filesystems/proc.rst, 1.2; kernel/irq/proc.c).

The header names the online CPUs. Each count is a blank and a field of ten (`%10u`); what follows
the counts is, for numbered rows, chip, hwirq, trigger and the actions' names. Names of chips and
actions may hold single blanks, and those of actions commas; two blanks or more begin the actions.
IRQs of no domain (Xen's, s390's) have no hwirq. arm, arm64, powerpc and riscv print the level, and
after it the flow handler's name, where there is one. In 6.13 some rows have no blank before the
chip. s390 and ppc64 have rows of their own. A row that cannot be parsed is counted and skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import compress, repeat
from operator import ne
from pathlib import Path

import msgspec

from irqbal.errors import GoneError
from irqbal.kernel.files import lines

PATHS = ("proc/interrupts",)
"""Files below the root that this module reads (see `host.READERS`)."""

_NUMBERED = re.compile(
    r"(?P<chip>\S++(?: \S++)*?)"
    r"(?:\s+(?P<hwirq>\d++))?"
    r"(?:\s+(?P<level>Edge|Level|edge|level))?"
    r"(?:\s*-(?P<flow>\S++))?"
    r"(?:\s{2,}(?P<action>\S.*))?"
)
_CPU = re.compile(rb"CPU(\d{1,5})")
_LABEL = re.compile(rb"\s*([^\s:][^:\s]*):")
_NUMBER = re.compile(rb" *(\d{1,9}):")
_COUNT = re.compile(rb"[ \t]*(\d+)")
_CELL = re.compile(rb" +\d+")
_CELL_WIDTH = 11
"""Bytes of a count as the kernel prints it: a blank, and a field of ten."""
_WIDEST = 20
"""Digits of the widest number that is taken for a count. Counts have at most ten; a longer run is
part of a chip's name, in a row that lacks columns.
"""
_TOTALS = {"ERR", "Err", "MIS"}
"""Rows that have one column whatever the number of CPUs, and no text after it. x86 counts ERR and
MIS by CPU from 7.3 on, and says after the counts what they are.
"""


class Row(msgspec.Struct, frozen=True):
    """One row. `irq` is None for the named rows (LOC, RES …). `action` joins several with a comma,
    as sysfs does.
    """

    label: str
    irq: int | None
    counts: tuple[int, ...]
    chip: str = ""
    hwirq: int | None = None
    trigger: str = ""
    action: str = ""
    text: str = ""


Known = dict[int, tuple[int | str, dict[int, int]]]
"""Parsed rows by a hash of their text: (IRQ number or label, counts by CPU)."""


class Interrupts:
    """The file, row by row: on a large host it has many megabytes. Rows that cannot be parsed are
    counted, and raise nothing.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._header = next(self._lines, b"")
        self.cpus = tuple(int(number) for number in _CPU.findall(self._header))
        """The CPUs of the columns."""
        self.skipped = 0
        """Rows so far that could not be parsed."""

    def __iter__(self) -> Iterator[Row]:
        """The rows. They can be iterated over once."""
        for line in self._lines:
            if not line.strip():
                continue
            row = _row(line, len(self.cpus))
            if row is None:
                self.skipped += 1
            else:
                yield row

    def cells(self, known: Known | None = None) -> Iterator[tuple[int | str, dict[int, int]]]:
        """For each row its IRQ number or label, and its counts by CPU; zeros are left out of
        numbered rows, and rows with one column (ERR, MIS) have CPU -1. This replaces iterating over
        the rows, and is faster: on a large host most cells are 0.

        `known` carries parsed rows from one reading to the next, so that the rows of idle IRQs are
        not parsed again. It is replaced when the last row was read.
        """
        before, fresh = known or {}, Known()
        mark = hash(self._header)
        for line in self._lines:
            key = mark ^ hash(line)
            item = before.get(key)
            if item is None:
                item = self._cell(line)
                if item is None:
                    continue
            if known is not None and isinstance(item[0], int):
                fresh[key] = item
            yield item
        if known is not None:
            known.clear()
            known.update(fresh)

    def _cell(self, line: bytes) -> tuple[int | str, dict[int, int]] | None:
        cpus, columns = self.cpus, len(self.cpus)
        found = _NUMBER.match(line)
        fields = line[found.end() :].split(None, columns)[:columns] if found is not None else []
        joined = b"".join(fields)
        # The kernel's counts have at most ten digits; rows with wider numbers are parsed by `_row`.
        if (
            found is not None
            and len(fields) == columns
            and joined.isdigit()
            and len(joined) <= min(10 * columns, 4000)
        ):
            some = compress(zip(cpus, fields, strict=True), map(ne, fields, repeat(b"0")))
            counted = {cpu: int(field) for cpu, field in some}
            if not counted or len(str(max(counted.values()))) <= _WIDEST:
                return int(found[1]), counted
        if (row := _row(line, columns)) is None:
            self.skipped += bool(line.strip())
            return None
        if row.irq is not None:
            return row.irq, {
                cpu: count for cpu, count in zip(cpus, row.counts, strict=True) if count
            }
        by_cpu = len(row.counts) == columns and (row.label not in _TOTALS or row.text)
        each = cpus if by_cpu else (-1,)
        return row.label, dict(zip(each, row.counts, strict=False))


def read_interrupts(root: Path) -> Interrupts:
    """The file below this root; empty where there is none. Raises HostError if it cannot be
    read.
    """
    try:
        return Interrupts(lines(root / "proc/interrupts"))
    except GoneError:
        return Interrupts(())


def _row(line: bytes, columns: int) -> Row | None:
    """A parsed row; None if it cannot be parsed."""
    label_found = _LABEL.match(line)
    if label_found is None or columns == 0:
        return None
    label = label_found[1].decode("utf-8", "backslashreplace")
    counts, rest = _counts(line[label_found.end() :], columns)
    text = rest.decode("utf-8", "backslashreplace").strip()
    irq = int(label) if label.isascii() and label.isdigit() and len(label) <= 9 else None
    if irq is None:
        # ERR and MIS have one column whatever the number of CPUs.
        return Row(label, None, counts, text=text) if counts else None
    if len(counts) != columns:
        return None
    return _numbered(label, irq, counts, text)


def _counts(text: bytes, columns: int) -> tuple[tuple[int, ...], bytes]:
    """The counts and what follows them."""
    fields = text.split(None, columns)
    if (
        len(fields) >= columns
        and b"".join(fields[:columns]).isdigit()
        and max(map(len, fields[:columns])) <= _WIDEST
    ):
        return tuple(map(int, fields[:columns])), fields[columns] if len(fields) > columns else b""
    return _odd_counts(text, columns)


def _odd_counts(text: bytes, columns: int) -> tuple[tuple[int, ...], bytes]:
    """The same for rows in which columns are missing or not separate: digits right before a letter
    are a count too, since the chip may follow without a blank. If its name begins with digits
    (`1e780000.gpio`), the columns' width alone says where the count ends.
    """
    end = _CELL_WIDTH * columns
    cells = [text[at : at + _CELL_WIDTH] for at in range(0, end, _CELL_WIDTH)]
    if len(text) >= end and all(map(_CELL.fullmatch, cells)):
        return tuple(map(int, cells)), text[end:]
    counts: list[int] = []
    at = 0
    while (
        len(counts) < columns
        and (found := _COUNT.match(text, at)) is not None
        and len(found[1]) <= _WIDEST
    ):
        counts.append(int(found[1]))
        at = found.end()
    return tuple(counts), text[at:]


def _numbered(label: str, irq: int, counts: tuple[int, ...], rest: str) -> Row:
    """A row with a number; `rest` is what follows the counts."""
    found = _NUMBERED.fullmatch(rest)
    if found is not None:
        hwirq = found["hwirq"]
        return Row(
            label,
            irq,
            counts,
            chip=found["chip"],
            # Longer numbers are no hwirq that fits into 64 bits.
            hwirq=None if hwirq is None else int(hwirq[:18]),
            trigger=(found["level"] or found["flow"] or "").lower(),
            action=_joined(found["action"]),
            text=rest,
        )
    return Row(label, irq, counts, action=_joined(rest), text=rest)


def _joined(action: str | None) -> str:
    """The names of actions, joined as sysfs does: with a comma and no blank."""
    return "" if action is None else ",".join(part.strip() for part in action.strip().split(", "))
