"""CPUs as bars: the busiest one by one; on hosts with many CPUs also a line for each L3 or node.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from irqbal.api.contract import responses
from irqbal.render.sparkline import BLOCKS

Cpu = responses.CpuView
CELL = 26
"""Columns of one CPU: number, bar, percentage and a gap."""
GROUP = 40
"""Columns of one group where several share a line."""
HOT, WARM = 0.8, 0.5
"""Loads, as shares of a CPU, from which a bar is red, or yellow."""


def style_of(load: float) -> str:
    """The colour of a load."""
    return "red" if load >= HOT else "yellow" if load >= WARM else "green"


def bar(load: float, width: int) -> Text:
    """A bar of `width` characters for a load from 0 to 1."""
    full = round(min(max(load, 0.0), 1.0) * width)
    return Text("━" * full, style_of(load)) + Text("─" * (width - full), "bright_black")


def busiest(cpus: Sequence[Cpu]) -> list[Cpu]:
    """Online CPUs, the busiest first."""
    return sorted((cpu for cpu in cpus if cpu.online), key=lambda cpu: (-cpu.load, cpu.number))


def groups_of(cpus: Sequence[Cpu], most: int) -> list[tuple[str, list[Cpu]]]:
    """Online CPUs by L3 if that makes at most `most` groups, else by node, ordered by number."""
    online = [cpu for cpu in cpus if cpu.online]
    caches: dict[int, list[Cpu]] = {}
    nodes: dict[int, list[Cpu]] = {}
    for cpu in sorted(online, key=lambda cpu: cpu.number):
        caches.setdefault(cpu.l3, []).append(cpu)
        nodes.setdefault(cpu.node, []).append(cpu)
    if len(nodes) < len(caches) <= most:
        return [(f"node {inside[0].node} L3 {l3}", inside) for l3, inside in sorted(caches.items())]
    return [(f"node {node}", inside) for node, inside in sorted(nodes.items())]


def panel(cpus: Sequence[Cpu], width: int, height: int) -> Text:
    """At most `height` lines of `width` columns."""
    across = max(1, width // CELL)
    ranked = busiest(cpus)
    if len(ranked) <= across * height:
        return Text("\n").join(_grid(ranked, across, width))
    room = max(1, height // 2)
    groups = groups_of(cpus, room)
    beside = 1 if len(groups) <= room else max(1, width // GROUP)
    folded = _folded(groups, room, beside, width)
    lines = _grid(ranked[: across * max(1, height - len(folded))], across, width)
    return Text("\n").join([*lines, *folded][:height])


def _folded(
    groups: Sequence[tuple[str, list[Cpu]]], room: int, beside: int, width: int
) -> list[Text]:
    """Groups on at most `room` lines, `beside` on each. If there are more groups, only the busiest,
    and the number of the others.
    """
    most = room * beside
    left = len(groups) - most + 1 if len(groups) > most else 0
    ranked = sorted(
        range(len(groups)), key=lambda index: -max(cpu.load for cpu in groups[index][1])
    )
    shown = sorted(ranked[: len(groups) - left])
    size = width // beside
    cells = [_group(*groups[index], size, beside == 1) for index in shown]
    if left:
        cells.append(Text(f"and {left} more, less busy", "dim"))
    lines = []
    for start in range(0, len(cells), beside):
        line = Text(no_wrap=True)
        for one in cells[start : start + beside]:
            one.pad_right(max(0, size - one.cell_len))
            line.append_text(one)
        lines.append(line)
    return lines


def _grid(ranked: Sequence[Cpu], across: int, width: int) -> list[Text]:
    """The ranking, filled column by column."""
    down = -(-len(ranked) // across)
    size = width // across
    lines = []
    for row in range(down):
        line = Text(no_wrap=True)
        for cpu in ranked[row::down]:
            line.append_text(_one(cpu, size))
        lines.append(line)
    return lines


def _one(cpu: Cpu, size: int) -> Text:
    mark = "!" if cpu.isolated else " "
    return Text.assemble(
        (f"{cpu.number:>4}{mark}", "bold"),
        bar(cpu.load, max(1, size - 14)),
        f"{cpu.load * 100:6.1f} %",
        " ",
    )


def _group(name: str, inside: Sequence[Cpu], width: int, count: bool) -> Text:
    """A group's mean and maximum, and a block for each CPU by number; for several CPUs where the
    line is too short.
    """
    mean = sum(cpu.load for cpu in inside) / len(inside)
    most = max(cpu.load for cpu in inside)
    cpus = f" {len(inside)} CPUs" if count else ""
    text = Text.assemble(
        (f"{name:<7}", "bold"),
        f"{cpus} {mean * 100:5.1f} %, most {most * 100:5.1f} % ",
        no_wrap=True,
    )
    room = max(1, width - text.cell_len - 1)
    each = -(-len(inside) // room)
    for start in range(0, len(inside), each):
        load = max(cpu.load for cpu in inside[start : start + each])
        text.append(BLOCKS[min(len(BLOCKS) - 1, max(0, int(load * len(BLOCKS))))], style_of(load))
    return text
