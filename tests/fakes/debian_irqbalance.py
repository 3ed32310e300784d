"""Debian's irqbalance on a tree of plain files, and what its debug output says of that tree.

The tree is bound over /proc and /sys in a mount namespace of its own; nothing outside of it
changes. irqbalance's sources name what it reads: classify.c (`/sys/bus/pci/devices`, their IDs,
class, node and `msi_irqs`), cputree.c (CPUs, caches, packages), numa.c (nodes), procinterrupts.c
(`/proc/interrupts`, `/proc/stat`), activate.c (`/proc/irq/N/smp_affinity`).
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec

BOUND = (
    "proc/irq",
    "proc/interrupts",
    "proc/stat",
    "proc/softirqs",
    "sys/devices",
    "sys/bus/pci",
    "sys/kernel/irq",
    "sys/class/net",
)
"""Parts of the tree that are bound over the machine's own. `sys/bus/pci/devices` holds links into
`sys/devices`, so both are needed.
"""
_CYCLE = "-" * 77
_ADDED = re.compile(r"^Adding IRQ (\d+) to database$", re.MULTILINE)
_SELECTED = re.compile(r"^Selecting irq (\d+) for rebalancing$", re.MULTILINE)
_PLACED = re.compile(r"^ +Interrupt (\d+) node_num is (-?\d+) \(([\w-]+)/", re.MULTILINE)

_LOAD = re.compile(r"^ +CPU number (\d+)  numa_node is [-\d ]+\(load (\d+)\)", re.MULTILINE)


def start(
    folder: Path, log: Path, interval: float, debug: bool = False, program: str = "irqbalance"
) -> subprocess.Popen[bytes]:
    """Run irqbalance on this tree; its output goes to `log`. End it by its process id.

    It runs without CAP_DAC_OVERRIDE: mask files of mode 0444 (managed IRQs) then refuse root's
    writes, as a kernel's do.
    """
    binds = " && ".join(f"mount --bind {folder}/{path} /{path}" for path in BOUND)
    options = f"--foreground --interval={max(1, round(interval))}{' --debug' if debug else ''}"
    # Its socket lies there; without the folder it ends where an abstract one is taken.
    folders = "mount -t tmpfs irqbalance /run && mkdir /run/irqbalance"
    command = (
        f"{binds} && {folders} && exec setpriv --bounding-set=-dac_override {program} {options}"
    )
    with log.open("wb") as out:
        return subprocess.Popen(["unshare", "-m", "sh", "-c", command], stdout=out, stderr=out)


class DebugCycle(msgspec.Struct, frozen=True):
    """One cycle of the debug output. `nodes` and `classes` are by IRQ number and hold every IRQ
    that has a place; `selected` are the IRQs that are moved because of load. `loads` are
    nanoseconds of interrupt time by CPU since the cycle before.
    """

    nodes: dict[int, int]
    classes: dict[int, str]
    selected: tuple[int, ...]
    loads: dict[int, int]


class DebugOutput(msgspec.Struct, frozen=True):
    """What `irqbalance --debug` printed: the IRQs that it found at its start, and its cycles."""

    added: frozenset[int]
    cycles: tuple[DebugCycle, ...]


def read_debug(log: Path) -> DebugOutput:
    """Parse the output so far; the last cycle may be incomplete."""
    begin, *cycles = log.read_text(errors="replace").split(_CYCLE)
    return DebugOutput(frozenset(map(int, _ADDED.findall(begin))), tuple(map(_cycle, cycles)))


def _cycle(text: str) -> DebugCycle:
    placed = _PLACED.findall(text)
    return DebugCycle(
        {int(number): int(node) for number, node, _ in placed},
        {int(number): kind for number, _, kind in placed},
        tuple(map(int, _SELECTED.findall(text))),
        {int(cpu): int(load) for cpu, load in _LOAD.findall(text)},
    )
