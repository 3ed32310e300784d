"""The host as a tree: CPUs by node, package, L3 and core; then devices with their interfaces,
queues and IRQs.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from irqbal.cpuset import CpuSet
from irqbal.model.queues import queues_text
from irqbal.model.view import Cpu, Irq, Snapshot
from irqbal.render.console import plain

BRANCH = "bold"
"""rich's style of a node's or device's line."""
MAX_PADDED = 32
"""Characters: longer names and CPU sets do not widen the column of the others."""


def print_topology(out: Console, snapshot: Snapshot) -> None:
    """CPUs by node, package, L3 and core; then devices with their interfaces, queues and IRQs."""
    tree = Tree("host", guide_style="dim")
    _cpu_tree(tree, snapshot)
    if snapshot.boot_affinity:
        tree.add(f"new interrupts start on CPUs {snapshot.boot_affinity} (irqaffinity=)")
    _device_tree(tree, snapshot)
    out.print(tree)


def _cpu_tree(tree: Tree, snapshot: Snapshot) -> None:
    nodes = sorted({cpu.node for cpu in snapshot.cpus})
    for node in nodes:
        cpus = [cpu for cpu in snapshot.cpus if cpu.node == node]
        branch = tree.add(Text(f"node {node}", BRANCH))
        for package in sorted({cpu.package for cpu in cpus}):
            inside = [cpu for cpu in cpus if cpu.package == package]
            below = branch.add(f"package {package}")
            for l3 in sorted({cpu.l3 for cpu in inside}):
                _cache_tree(below, l3, [cpu for cpu in inside if cpu.l3 == l3])


def _cache_tree(below: Tree, l3: int, cpus: Sequence[Cpu]) -> None:
    cores: dict[int, list[Cpu]] = {}
    for cpu in cpus:
        cores.setdefault(cpu.core, []).append(cpu)
    cache = below.add(f"L3 of CPU {l3}: {len(cores)} core{'' if len(cores) == 1 else 's'}")
    alike: dict[str, list[list[Cpu]]] = {}
    for _, threads in sorted(cores.items()):
        marks = [_marks(cpu) for cpu in threads]
        if len(set(marks)) == 1:
            alike.setdefault(marks[0], []).append(threads)
        else:
            # Threads of one core that differ are listed one by one.
            cache.add(
                Text(", ").join(
                    _cpus([[cpu]], mark) for cpu, mark in zip(threads, marks, strict=True)
                )
            )
    for mark, threads_of_cores in alike.items():
        cache.add(_cpus(threads_of_cores, mark))


def _marks(cpu: Cpu) -> str:
    marks = [
        text
        for text in (
            "" if cpu.online else "offline",
            f"isolated by {cpu.isolated}" if cpu.isolated else "",
        )
        if text
    ]
    if cpu.capacity != 1024:
        marks.append(f"capacity {cpu.capacity}")
    return ", ".join(marks)


def _cpus(cores: Sequence[Sequence[Cpu]], mark: str) -> Text:
    """CPU numbers, those of one core joined by a comma: `CPU 0,32  1,33`."""
    text = Text.assemble(
        "CPU ", "  ".join(",".join(str(cpu.number) for cpu in threads) for threads in cores)
    )
    if mark:
        text.append(f" ({mark})", "magenta" if "isolated" in mark else "yellow")
    return text


def _device_tree(tree: Tree, snapshot: Snapshot) -> None:
    shown: set[int] = set()
    for device in snapshot.devices:
        irqs = [
            irq
            for number in device.irqs
            if (irq := snapshot.irq_by_number.get(number)) and irq.device == device.address
        ]
        if not irqs:
            continue
        shown.update(irq.number for irq in irqs)
        names = plain(", ".join((*device.interfaces, *device.disks)))
        node = "no node" if device.node < 0 else f"node {device.node}"
        driver = plain(device.driver) or "(no driver)"
        label = Text.assemble(
            (device.address, BRANCH),
            f" {driver}, {node}: ",
            (names or "no interface or disk", "cyan" if names else ""),
        )
        _irq_tree(tree.add(label), irqs)
    rest = [irq for irq in snapshot.irqs if irq.number not in shown]
    if rest:
        _irq_tree(tree.add(Text("other IRQs", BRANCH)), rest)


def _irq_tree(branch: Tree, irqs: Sequence[Irq]) -> None:
    """A line an IRQ, in columns; then each reason why some of them cannot be moved, once."""
    names = [
        (f"IRQ {irq.number}", plain(irq.action), _queue(irq), f"CPUs {irq.affinity},")
        for irq in irqs
    ]
    widths = [min(MAX_PADDED, max(cell_len(row[index]) for row in names)) for index in range(4)]
    for irq, cells in zip(irqs, names, strict=True):
        number, name, queue, cpus = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)
        )
        text = Text.assemble(
            (number, "bold"), f" {name} ", (f"{queue} " if widths[2] else "", "cyan"), f"{cpus} "
        )
        text.append(f"effective {irq.effective or '-'}")
        if irq.queues and not any(queue.active for queue in irq.queues):
            text.append(", not active", "yellow")
        if not irq.movable:
            text.append(", ").append("fixed", "yellow")
        branch.add(text)
    reasons: dict[str, list[int]] = {}
    for irq in irqs:
        if not irq.movable:
            reasons.setdefault(irq.unmovable, []).append(irq.number)
    for reason, numbers in reasons.items():
        whose = "" if len(reasons) == 1 else f" (IRQ {CpuSet(numbers)})"
        branch.add(Text(f"fixed, not movable{whose}: {plain(reason)}", "dim"))


def _queue(irq: Irq) -> str:
    """The queues that it serves, and how that is known."""
    return plain(f"{queues_text(irq.queues)} ({irq.evidence})") if irq.queues else ""
