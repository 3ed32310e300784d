"""Tables and trees for people, over wire types. Coloured on a terminal; plain, and never cut off,
when piped.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from irqbal.findings.verify import Finding
from irqbal.model.plan import Outcome, Plan, Record, Step
from irqbal.model.view import Irq, Snapshot


def console() -> Console:
    """Where to print: as wide as the terminal; wide enough for any line when piped."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    # rich keeps bold text and lines under NO_COLOR; whoever set it wants no escape sequences at
    # all.
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return _Console(
        width=width,
        highlight=False,
        soft_wrap=not sys.stdout.isatty(),
        markup=False,
        emoji=False,
        color_system=colours,
    )


class _Console(Console):
    """Names such as `i915[0]` or `0000:100:00.0` are neither markup nor emoji."""

    def on_broken_pipe(self) -> None:
        """Whoever read our output left: the command's end, and its own exit status."""
        raise BrokenPipeError


class Column(msgspec.Struct, frozen=True):
    """A table's column. On a narrow terminal those with the highest `drop` go first, and those that
    `wrap` become narrow.

    `style`: as rich names them, for every cell.
    """

    head: str
    right: bool = False
    wrap: bool = False
    drop: int = 0
    style: str = ""


Cell = TypeVar("Cell", bound=str | Text)
GAP = 2
NARROW = 16
"""Columns of text that wrap are given at least so much."""
WORD = 24
"""A word that is longer than this is broken before others are crowded."""


def print_rows(out: Console, columns: Sequence[Column], rows: Iterable[Sequence[Cell]]) -> None:
    """A table that fits: on a terminal, columns that matter less are left out until the others have
    room. A cell may be a `Text` with a style of its own.
    """
    cells = [
        [cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row] for row in rows
    ]
    widest = [
        max(cell_len(column.head), max((row[index].cell_len for row in cells), default=0))
        for index, column in enumerate(columns)
    ]
    whole = [
        max(
            (cell_len(word) for row in cells for word in _SPACES.split(row[index].plain)), default=0
        )
        for index in range(len(columns))
    ]
    widths = _fitting(columns, widest, whole, out.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index, width in widths.items():
        column = columns[index]
        table.add_column(
            column.head,
            justify="right" if column.right else "left",
            overflow="fold",
            no_wrap=not column.wrap,
            style=column.style,
            width=width if column.wrap else None,
        )
    for row in cells:
        table.add_row(*(_at_commas(row[index], width) for index, width in widths.items()))
    out.print(table)


_SPACES = re.compile(r"[ ,]")


def _fitting(
    columns: Sequence[Column], widest: Sequence[int], whole: Sequence[int], width: int
) -> dict[int, int]:
    """The columns that are shown, each with its width. `whole`: from that width on a column need
    not break within a word.
    """
    found = {
        index: min(NARROW, size) if columns[index].wrap else size
        for index, size in enumerate(widest)
    }
    while sum(found.values()) + GAP * (len(found) - 1) > width:
        least = max(found, key=lambda index: columns[index].drop)
        if columns[least].drop == 0:
            break
        del found[least]
    # What is left over goes to those that would break a word, then to those that lack most.
    for _ in range(width - sum(found.values()) - GAP * (len(found) - 1)):
        lacks = max(
            found,
            key=lambda index: (
                found[index] < min(whole[index], WORD),
                widest[index] / max(1, found[index]),
            ),
        )
        if found[lacks] >= widest[lacks]:
            break
        found[lacks] += 1
    return found


_CPUS = re.compile(r"[0-9,-]+")


def _at_commas(cell: Text, width: int) -> Text:
    """A long CPU set on several lines, none of which ends within a number."""
    if cell.cell_len <= width or not _CPUS.fullmatch(cell.plain):
        return cell
    lines = [""]
    for part in cell.plain.replace(",", ",\n").split("\n"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return Text("\n".join(lines), cell.style)


_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that turn the direction of what follows: a name with one could make a line read as
another.
"""
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), *_BIDI), "�") | {
    ord("\n"): " ",
    ord("\t"): " ",
}


def plain(text: str) -> str:
    """Text that other people chose, without what would command a terminal."""
    return text.translate(_CONTROLS)


BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, top: float | None = None) -> str:
    """Values as blocks, at most `width` of them, each the mean of its share; None (nothing known)
    is a gap.

    `top` is what a full block means: the largest value, unless given.
    """
    count = max(1, -(-len(values) // max(1, width)))
    means: list[float | None] = []
    for start in range(0, len(values), count):
        known = [value for value in values[start : start + count] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    most = (
        top if top is not None else max((mean for mean in means if mean is not None), default=0.0)
    )
    return "".join(" " if mean is None else BLOCKS[_level(mean, most)] for mean in means)


def _level(value: float, most: float) -> int:
    """What is more than nothing is seen: the lowest block is for zero alone."""
    if value <= 0 or most <= 0:
        return 0
    return min(len(BLOCKS) - 1, max(1, round(value / most * (len(BLOCKS) - 1))))


def _irq_name(irq: Irq | None) -> str:
    if irq is None:
        return ""
    return irq.action if irq.queue is None else f"{irq.action} ({irq.queue})"


_IRQ = Column("IRQ", right=True, style="bold")
_NAME = Column("NAME", wrap=True)
_FROM = Column("FROM", wrap=True, style="dim")
_TO = Column("TO", wrap=True, style="green")
_POLICY = Column("POLICY", style="cyan")
_REASON = Column("REASON", wrap=True)
_RESULT = Column("RESULT", wrap=True, drop=1)
_RESULTS = {"written": "green", "unchanged": "green", "dry run": "dim"}
"""How a result looks; any other is bad news."""


def print_plan(out: Console, record: Record, snapshot: Snapshot) -> None:
    """Moves, steering, refusals and notes of one plan."""
    plan = record.plan
    results = _Results(record)
    if plan.moves:
        rows: list[list[str | Text]] = [
            [
                str(move.irq),
                _irq_name(snapshot.irq_by_number.get(move.irq)),
                str(move.before),
                str(move.after),
                move.policy,
                move.reason,
                *results.of(move.identity),
            ]
            for move in plan.moves
        ]
        print_rows(out, (_IRQ, _NAME, _FROM, _TO, _POLICY, _REASON, *results.columns), rows)
    else:
        out.print("No IRQ is to be moved.")
    _print_steering(out, plan, results)
    _print_rest(out, plan, snapshot)
    out.print(
        Text.assemble(
            (f"{len(plan.moves)} to move", "bold green" if plan.moves else "bold"),
            f", {len(plan.kept)} right already, ",
            (f"{len(plan.refused)} refused", "yellow" if plan.refused else ""),
            "." if results.columns else ". Nothing was written.",
        )
    )


class _Results:
    """What became of each setting. Where nothing was to be written, no column says so line by
    line.
    """

    def __init__(self, record: Record) -> None:
        self._outcomes: dict[str, Outcome] = {
            outcome.identity: outcome for outcome in record.outcomes
        }
        dry = all(outcome.result == "dry run" and not outcome.detail for outcome in record.outcomes)
        self.columns: tuple[Column, ...] = () if dry else (_RESULT,)

    def of(self, identity: str) -> tuple[Text, ...]:
        """The cells of those columns."""
        outcome = self._outcomes.get(identity)
        if outcome is None or not self.columns:
            return tuple(Text() for _ in self.columns)
        return (Text(plain(outcome.detail or outcome.result), _RESULTS.get(outcome.result, "red")),)


def _print_steering(out: Console, plan: Plan, results: _Results) -> None:
    if plan.default is not None:
        out.print(
            f"default_smp_affinity: {plan.default.before} -> {plan.default.after} "
            f"({plan.default.reason})"
        )
    if plan.steering:
        out.print()
        columns = (
            Column("SETTING"),
            Column("INTERFACE"),
            Column("QUEUE", right=True, style="bold"),
            _FROM,
            _TO,
            _REASON,
            *results.columns,
        )
        rows: list[list[str | Text]] = [
            [
                one.setting,
                one.interface,
                str(one.queue),
                one.before or "-",
                one.after or "-",
                one.reason,
                *results.of(one.identity),
            ]
            for one in plan.steering
        ]
        print_rows(out, columns, rows)


def _print_rest(out: Console, plan: Plan, snapshot: Snapshot) -> None:
    if plan.refused:
        out.print()
        # On a terminal each advice stands once, below, where the reasons would otherwise have no
        # room.
        advices = list(dict.fromkeys(refusal.advice for refusal in plan.refused if refusal.advice))
        noted = out.width < ROOMY
        rows = []
        for refusal in plan.refused:
            irq = None if refusal.irq is None else snapshot.irq_by_number.get(refusal.irq)
            number = "" if refusal.irq is None else str(refusal.irq)
            advice = (
                refusal.advice
                if not noted or not refusal.advice
                else f"({advices.index(refusal.advice) + 1})"
            )
            rows.append([number, _irq_name(irq), refusal.policy, refusal.reason, advice])
        because = Column("REFUSED BECAUSE", wrap=True, style="yellow")
        print_rows(out, (_IRQ, _NAME, _POLICY, because, Column("ADVICE", wrap=not noted)), rows)
        for index, advice in enumerate(advices if noted else ()):
            out.print(f"({index + 1}) {plain(advice)}")
        out.print()
    for failure in plan.failures:
        out.print(f"policy {failure.policy} failed: {failure.reason}", style="red")
    for policy, note in plan.notes:
        advice = f" ({note.advice})" if note.advice else ""
        out.print(f"{policy}: {note.text}{advice}")


ROOMY = 160
"""From this width on a refusal's advice stands beside it."""
_STEPS = {
    "move": "bold green",
    "keep": "green",
    "refuse": "red",
    "limit": "yellow",
    "evict": "yellow",
    "hold": "yellow",
    "override": "magenta",
}


def print_explanation(out: Console, irq: Irq, steps: Iterable[Step]) -> None:
    """Why one IRQ is where it is: limits, claims and refusals in order."""
    out.print(f"IRQ {irq.number}: {plain(_irq_name(irq))}", style="bold")
    _fact(out, "identity", f"{plain(irq.identity)}, generation {irq.generation}")
    _fact(out, "affinity", f"{irq.affinity}, effective {irq.effective or '-'}")
    _fact(out, "rate", f"{irq.rate:.1f} interrupts/s, load {irq.load * 100:.2f} % of a CPU")
    _fact(
        out,
        "movable",
        "yes" if irq.movable else f"no: {irq.unmovable}",
        "" if irq.movable else "yellow",
    )
    if irq.placed is not None:
        _fact(
            out,
            "placed",
            f"on {irq.placed.cpus} by {irq.placed.policy}, {irq.placed.age:.0f} s ago",
        )
    rows: list[list[str | Text]] = [
        [
            step.policy,
            Text(step.what, _STEPS.get(step.what, "")),
            "-" if step.cpus is None else str(step.cpus),
            step.reason,
        ]
        for step in steps
    ]
    if rows:
        print_rows(out, (_POLICY, Column("STEP"), Column("CPUS", wrap=True), _REASON), rows)
    else:
        out.print("  No limit binds it and no policy claims it: irqbal leaves it as it is.")


def _fact(out: Console, name: str, text: str, style: str = "") -> None:
    """A name and what it is; what does not fit goes on below the text."""
    if out.soft_wrap:
        out.print(f"  {name:<10} {text}")
        return
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=12, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(f"  {name}", Text(text, style))
    out.print(grid)


def print_findings(out: Console, findings: Iterable[Finding]) -> None:
    """What `verify` found."""
    for finding in findings:
        out.print(f"{finding.code}: {finding.text}; {finding.advice}", markup=False)
