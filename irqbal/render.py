"""Tables and trees for people, over wire types. Coloured on a terminal; plain, and never cut off, when piped."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from irqbal.model import Irq, Plan, Record, Snapshot, Step
from irqbal.verify import Finding


def console() -> Console:
    """Where to print: as wide as the terminal; wide enough for any line when piped."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    return _Console(width=width, highlight=False, soft_wrap=not sys.stdout.isatty(), markup=False, emoji=False)


class _Console(Console):
    """Names such as `i915[0]` or `0000:100:00.0` are neither markup nor emoji."""

    def on_broken_pipe(self) -> None:
        """Whoever read our output left: the command's end, and its own exit status."""
        raise BrokenPipeError


class Column(msgspec.Struct, frozen=True):
    """A table's column. On a narrow terminal those with the highest `drop` go first, and those that `wrap` become narrow."""

    head: str
    right: bool = False
    wrap: bool = False
    drop: int = 0


GAP = 2
NARROW = 16
"""Columns of text that wrap are given at least so much."""


def print_rows(out: Console, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """A table that fits: on a terminal, columns that matter less are left out until the others have room."""
    cells = [[plain(cell) for cell in row] for row in rows]
    shown = _fitting(columns, cells, out.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index in shown:
        column = columns[index]
        table.add_column(
            column.head, justify="right" if column.right else "left", overflow="fold", no_wrap=not column.wrap,
            min_width=min(NARROW, _widest(columns, cells, index)) if column.wrap else None,
        )  # fmt: skip
    for row in cells:
        table.add_row(*(row[index] for index in shown))
    out.print(table)


def _widest(columns: Sequence[Column], rows: Sequence[Sequence[str]], index: int) -> int:
    return max(cell_len(columns[index].head), max((cell_len(row[index]) for row in rows), default=0))


def _fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    needs = {
        index: min(NARROW, widest) if column.wrap else widest
        for index, column in enumerate(columns)
        for widest in [_widest(columns, rows, index)]
    }
    shown = list(range(len(columns)))
    while sum(needs[index] + GAP for index in shown) > width:
        least = max(shown, key=lambda index: columns[index].drop)
        if columns[least].drop == 0:
            break
        shown.remove(least)
    return shown


_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that turn the direction of what follows: a name with one could make a line read as another."""
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), *_BIDI), "�") | {ord("\n"): " ", ord("\t"): " "}


def plain(text: str) -> str:
    """Text that other people chose, without what would command a terminal."""
    return text.translate(_CONTROLS)


BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, top: float | None = None) -> str:
    """Values as blocks, at most `width` of them, each the mean of its share; None (nothing known) is a gap.

    `top` is what a full block means: the largest value, unless given.
    """
    count = max(1, -(-len(values) // max(1, width)))
    means: list[float | None] = []
    for start in range(0, len(values), count):
        known = [value for value in values[start : start + count] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    most = top if top is not None else max((mean for mean in means if mean is not None), default=0.0)
    return "".join(" " if mean is None else BLOCKS[_level(mean, most)] for mean in means)


def _level(value: float, most: float) -> int:
    """What is more than nothing is seen: the lowest block is for zero alone."""
    if value <= 0 or most <= 0:
        return 0
    return min(len(BLOCKS) - 1, max(1, round(value / most * (len(BLOCKS) - 1))))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if right else "left", overflow="fold")
    return table


def _irq_name(irq: Irq | None) -> str:
    if irq is None:
        return ""
    return irq.action if irq.queue is None else f"{irq.action} ({irq.queue})"


def print_plan(out: Console, record: Record, snapshot: Snapshot) -> None:
    """Moves, steering, refusals and notes of one plan."""
    plan = record.plan
    outcomes = {outcome.identity: outcome for outcome in record.outcomes}
    if plan.moves:
        table = _table(">IRQ", "NAME", "FROM", "TO", "POLICY", "REASON", "RESULT")
        for move in plan.moves:
            outcome = outcomes.get(move.identity)
            result = "" if outcome is None else outcome.detail or outcome.result
            name = _irq_name(snapshot.irq_by_number.get(move.irq))
            table.add_row(str(move.irq), name, str(move.before), str(move.after), move.policy, move.reason, result)
        out.print(table)
    else:
        out.print("No IRQ is to be moved.")
    _print_steering(out, plan, record)
    _print_rest(out, plan, snapshot)


def _print_steering(out: Console, plan: Plan, record: Record) -> None:
    outcomes = {outcome.identity: outcome for outcome in record.outcomes}
    if plan.default is not None:
        out.print(f"default_smp_affinity: {plan.default.before} -> {plan.default.after} ({plan.default.reason})")
    if plan.steering:
        table = _table("SETTING", "INTERFACE", ">QUEUE", "FROM", "TO", "REASON", "RESULT")
        for setting in plan.steering:
            outcome = outcomes.get(setting.identity)
            result = "" if outcome is None else outcome.detail or outcome.result
            table.add_row(
                setting.setting, setting.interface, str(setting.queue), setting.before or "-", setting.after or "-",
                setting.reason, result,
            )  # fmt: skip
        out.print(table)


def _print_rest(out: Console, plan: Plan, snapshot: Snapshot) -> None:
    if plan.refused:
        table = _table(">IRQ", "NAME", "POLICY", "REFUSED BECAUSE", "ADVICE")
        for refusal in plan.refused:
            irq = None if refusal.irq is None else snapshot.irq_by_number.get(refusal.irq)
            number = "" if refusal.irq is None else str(refusal.irq)
            table.add_row(number, _irq_name(irq), refusal.policy, refusal.reason, refusal.advice)
        out.print(table)
    for failure in plan.failures:
        out.print(f"policy {failure.policy} failed: {failure.reason}", style="red", markup=False)
    for policy, note in plan.notes:
        advice = f" ({note.advice})" if note.advice else ""
        out.print(f"{policy}: {note.text}{advice}", markup=False)
    out.print(f"{len(plan.moves)} to move, {len(plan.kept)} right already, {len(plan.refused)} refused.")


def print_explanation(out: Console, irq: Irq, steps: Iterable[Step]) -> None:
    """Why one IRQ is where it is: limits, claims and refusals in order."""
    out.print(f"IRQ {irq.number}: {_irq_name(irq)}", style="bold", markup=False)
    out.print(f"  identity   {irq.identity}, generation {irq.generation}", markup=False)
    out.print(f"  affinity   {irq.affinity}, effective {irq.effective or '-'}")
    out.print(f"  rate       {irq.rate:.1f} interrupts/s, load {irq.load * 100:.2f} % of a CPU")
    out.print(f"  movable    {'yes' if irq.movable else 'no: ' + irq.unmovable}", markup=False)
    if irq.placed is not None:
        out.print(f"  placed     on {irq.placed.cpus} by {irq.placed.policy}, {irq.placed.age:.0f} s ago", markup=False)
    table = _table("POLICY", "STEP", "CPUS", "REASON")
    empty = True
    for step in steps:
        empty = False
        table.add_row(step.policy, step.what, "-" if step.cpus is None else str(step.cpus), step.reason)
    if empty:
        out.print("  No limit binds it and no policy claims it: irqbal leaves it as it is.")
    else:
        out.print(table)


def print_findings(out: Console, findings: Iterable[Finding]) -> None:
    """What `verify` found."""
    for finding in findings:
        out.print(f"{finding.code}: {finding.text}; {finding.advice}", markup=False)


def print_topology(out: Console, snapshot: Snapshot) -> None:
    """CPUs by node, package, L3 and core; then devices with their interfaces, queues and IRQs."""
    tree = Tree("host")
    _cpu_tree(tree, snapshot)
    _device_tree(tree, snapshot)
    out.print(tree)


def _cpu_tree(tree: Tree, snapshot: Snapshot) -> None:
    nodes = sorted({cpu.node for cpu in snapshot.cpus})
    for node in nodes:
        cpus = [cpu for cpu in snapshot.cpus if cpu.node == node]
        branch = tree.add(f"node {node}")
        for package in sorted({cpu.package for cpu in cpus}):
            inside = [cpu for cpu in cpus if cpu.package == package]
            below = branch.add(f"package {package}")
            for l3 in sorted({cpu.l3 for cpu in inside}):
                cores = sorted({cpu.core for cpu in inside if cpu.l3 == l3})
                cache = below.add(f"L3 of CPU {l3}: {len(cores)} cores")
                for core in cores:
                    threads = [cpu for cpu in inside if cpu.core == core and cpu.l3 == l3]
                    cache.add(", ".join(_cpu_text(cpu.number, snapshot) for cpu in threads))


def _cpu_text(number: int, snapshot: Snapshot) -> str:
    cpu = snapshot.cpu_by_number[number]
    marks = [text for text in ("" if cpu.online else "offline", f"isolated by {cpu.isolated}" if cpu.isolated else "") if text]
    if cpu.capacity != 1024:
        marks.append(f"capacity {cpu.capacity}")
    return f"CPU {number}" + (f" ({', '.join(marks)})" if marks else "")


def _device_tree(tree: Tree, snapshot: Snapshot) -> None:
    shown: set[int] = set()
    for device in snapshot.devices:
        irqs = [irq for number in device.irqs if (irq := snapshot.irq_by_number.get(number)) and irq.device == device.address]
        if not irqs:
            continue
        names = ", ".join((*device.interfaces, *device.disks)) or "no interface or disk"
        node = "no node" if device.node < 0 else f"node {device.node}"
        branch = tree.add(f"{device.address} {device.driver or '(no driver)'}, {node}: {names}")
        for irq in irqs:
            shown.add(irq.number)
            branch.add(_irq_text(irq))
    rest = [irq for irq in snapshot.irqs if irq.number not in shown]
    if rest:
        branch = tree.add("other IRQs")
        for irq in rest:
            branch.add(_irq_text(irq))


def _irq_text(irq: Irq) -> str:
    queue = f" {irq.queue}{'' if irq.queue.active else ' (not active)'}" if irq.queue is not None else ""
    movable = "" if irq.movable else f", not movable: {irq.unmovable}"
    return f"IRQ {irq.number} {irq.action}{queue}: CPUs {irq.affinity}, effective {irq.effective or '-'}{movable}"
