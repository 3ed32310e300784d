"""What one-shot tools make of a host: each NIC's IRQs are spread once, whatever their load is.

`systemd`: `IRQAffinityPolicy=spread` of a `.link` file (systemd 261, src/udev/net/link-config.c):
the device's IRQs in the order of their names, round-robin over the L3 domains, first threads of
cores only, CPUs and domains in an order in which neighbours are far apart. `perftune`: Seastar's
perftune.py in mode mq, which writes what `hwloc-distrib N --single` prints; that program itself is
asked (Debian: hwloc-nox).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.model.view import Cpu
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.tree import write_tree
from run_result import BalancerRun
from tree_kernel import KernelInterval

Spread = Callable[[SimulatedHost, int], list[CpuSet]]
"""The masks for so many IRQs of one device."""


def far_apart(items: list[int]) -> list[int]:
    """An order in which neighbours are far apart: both halves so ordered, and interleaved."""
    if len(items) <= 1:
        return items
    middle = (len(items) + 1) // 2
    left, right = far_apart(items[:middle]), far_apart(items[middle:])
    found = [0] * len(items)
    found[::2], found[1::2] = left, right
    return found


def by_systemd(host: SimulatedHost, count: int) -> list[CpuSet]:
    """See the module's docstring."""
    domains: dict[int, list[int]] = {}
    for cpu in sorted(host.state.machine.cpus, key=_order):
        if cpu.siblings.first == cpu.number:
            domains.setdefault(cpu.l3, []).append(cpu.number)
    orders = [far_apart(domains[key]) for key in far_apart(list(domains))]
    picked = [
        order[turn]
        for turn in range(max(map(len, orders)))
        for order in orders
        if turn < len(order)
    ]
    return [CpuSet.of(picked[at % len(picked)]) for at in range(count)]


def _order(cpu: Cpu) -> tuple[int, int, int, int]:
    return (cpu.package, cpu.l3, cpu.core, cpu.number)


def by_perftune(host: SimulatedHost, count: int) -> list[CpuSet]:
    """See the module's docstring. Raises SystemExit without hwloc-distrib."""
    with tempfile.TemporaryDirectory(prefix="irqbal-bench-") as folder:
        write_tree(host, Path(folder) / "tree")
        command = [
            "hwloc-distrib",
            str(count),
            "--single",
            "--if",
            "fsroot",
            "-i",
            f"{folder}/tree",
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        except FileNotFoundError:
            raise SystemExit("hwloc-distrib is missing: apt-get install hwloc-nox") from None
    return [_hwloc_mask(line) for line in done.stdout.splitlines() if line]


def _hwloc_mask(text: str) -> CpuSet:
    """A mask as hwloc prints it: words of 32 bits, of which those without a bit may be empty."""
    bits = 0
    for word in text.split(","):
        bits = bits << 32 | int(word or "0", 16)
    return CpuSet.from_bits(bits)


SPREADS: dict[str, Spread] = {"systemd spread": by_systemd, "perftune mq": by_perftune}


def run(spread: Spread, spec: str, beat: float, cycles: int) -> BalancerRun:
    """The host's intervals after its NICs' IRQs were spread once."""
    host = SimulatedHost(parse_spec(spec), beat=beat)
    known: dict[int, list[CpuSet]] = {}
    for numbers in _nics(host):
        if len(numbers) not in known:
            known[len(numbers)] = spread(host, len(numbers))
        # As strv_sort does: the names are compared as texts.
        for number, cpus in zip(sorted(numbers, key=str), known[len(numbers)], strict=False):
            host.state.set_mask(number, cpus)
    intervals = []
    for _ in range(cycles):
        host.advance(beat)
        truth = host.truth()
        intervals.append(KernelInterval(truth.ratio, truth.locality, 0))
    return BalancerRun(intervals=intervals, spent=[], irqs=len(host.state.lines))


def _nics(host: SimulatedHost) -> Iterator[list[int]]:
    """The IRQs of each NIC."""
    for card in host.state.machine.cards:
        if card.device.interfaces:
            yield [
                number
                for number in card.device.irqs
                if number in host.state.lines and not host.state.lines[number].managed
            ]
