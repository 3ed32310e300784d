"""irqbal beside irqbalance on the same simulated hosts: `make bench` prints the table for
RESULTS.md.

The hosts are trees of plain files, each with a process that plays its kernel (`tree_kernel`).
irqbal reads its tree by --root, irqbalance finds it bound over /proc and /sys in a mount namespace
of its own (`debian_irqbalance`). Both get the same intervals and the same traffic.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

import debian_irqbalance
from irqbal.config.reader import parse
from irqbal.kernel.host import KernelHost
from irqbal.service.assembly import bind, settings
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.version import __version__
from tree_kernel import KernelInterval, KernelProcess, TreeKernel

HOSTS = {
    "16 CPUs, 2 nodes": "2x8,nodes=2,nic=8x2,nvme=8x1",
    "64 CPUs": "1x32x2,nic=32x2,nvme=32x4",
    "64 CPUs, 4 L3": "2x16x2,nodes=2,l3=8,nic=32x4:mlx5_core,nvme=32x4",
    "128 CPUs": "2x32x2,nodes=2,nic=63x2,nvme=64x4",
    "512 CPUs": "8x32x2,nodes=8,nic=63x8:mlx5_core,nvme=64x23,vectors=400",
}
CYCLES = 40
"""Cycles of irqbalance."""
BEAT = 10.0
"""Seconds a cycle of irqbal."""
LEARNING, STEADY = 60, 180
"""Cycles of irqbal before, and while, it is measured: half an hour, in which even the largest host
has only one periodic census.
"""
SEED = int(os.environ.get("IRQBAL_BENCH_SEED", "7"))
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pids: list[int]) -> float:
    """Seconds of user and system time of these processes so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


class BalancerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. Ratios are the busiest CPU's true load over the bound that no placement
    can beat: `early` after the third cycle that follows the first moves, `ratio` the median since.
    `over` is the share of cycles since above 1.2, `last` counts moves in the last forty cycles.
    """

    cpu_ms: float
    rest_ms: float | None
    early: float
    ratio: float
    over: float
    locality: float
    moves: int
    last: int


class Clock:
    """Seconds of the simulated host."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def by_irqbal(spec: str) -> BalancerFigures:
    """The balancer and its policy host on the tree, ten seconds a cycle without waiting; the CPU
    time of both.
    """
    base = Path(tempfile.mkdtemp(prefix="irqbal-bench-"))
    folder, clock = base / "tree", Clock()
    kernel = TreeKernel(folder, spec, BEAT)
    config = parse("", "(defaults)")
    policies = bind(config, "(defaults)")
    host = KernelHost(folder, lambda originals: None, clock)
    balancer = Balancer(host, policies, settings(config, COOLDOWN_INTERVALS), BEAT, dry_run=False)
    balancer.first_look()
    intervals, spent = [], []
    child = float("nan")
    try:
        for cycle in range(LEARNING + STEADY):
            clock.now += BEAT
            kernel.step(BEAT)
            intervals.append(kernel.interval())
            if cycle == LEARNING:
                child = cpu_of([policies.pid or 0])
            begun = time.process_time()
            balancer.run_cycle("tick")
            spent.append(time.process_time() - begun)
        steady = sum(spent[LEARNING:]) + cpu_of([policies.pid or 0]) - child
    finally:
        policies.close()
        host.close()
        shutil.rmtree(base)
    resting = statistics.median(spent[LEARNING:])
    return figures(intervals, steady / STEADY * 1000, resting * 1000)


def by_irqbalance(spec: str, interval: float) -> BalancerFigures:
    """The real program in real time; its CPU time in the second half."""
    base = Path(tempfile.mkdtemp(prefix="irqbal-bench-"))
    kernel = KernelProcess(base, spec, interval, foreground=True)
    try:
        process = debian_irqbalance.start(kernel.tree, base / "log", interval)
        try:
            time.sleep(interval * CYCLES / 2)
            before, at = cpu_of([process.pid]), time.monotonic()
            time.sleep(interval * CYCLES / 2)
            seconds, passed = cpu_of([process.pid]) - before, time.monotonic() - at
            if process.poll() is not None:
                raise SystemExit(f"irqbalance ended: {(base / 'log').read_text()[-500:]}")
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return figures(kernel.intervals(), seconds / (passed / interval) * 1000)
    finally:
        kernel.stop()
        shutil.rmtree(base)


def figures(
    intervals: list[KernelInterval], cpu_ms: float, rest_ms: float | None = None
) -> BalancerFigures:
    """Sum up what a balancer did."""
    begun = next((at for at, interval in enumerate(intervals) if interval.moved), 0)
    later = intervals[begun + 3 :]
    return BalancerFigures(
        cpu_ms=cpu_ms,
        rest_ms=rest_ms,
        early=later[0].ratio,
        ratio=statistics.median(interval.ratio for interval in later),
        over=statistics.mean(interval.ratio > 1.2 for interval in later),
        locality=statistics.mean(interval.locality for interval in later),
        moves=sum(interval.moved for interval in intervals),
        last=sum(interval.moved for interval in intervals[-40:]),
    )


def table(traffic: str) -> Iterator[str]:
    """A row for each host and balancer."""
    heads = (
        "| host | balancer | CPU a cycle, ms | busiest CPU ÷ bound after 3 cycles | median since |"
    )
    yield f"{heads} cycles above 1.2 | own node | moves | in the last 40 |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    wanted = os.environ.get("IRQBAL_BENCH_HOSTS", "")
    for name, shape in (
        (name, shape) for name, shape in HOSTS.items() if not wanted or name in wanted.split(";")
    ):
        spec = f"{shape},traffic={traffic},seed={SEED}"
        irqs = len(SimulatedHost(parse_spec(spec)).state.lines)
        # A large tree's kernel needs seconds to write its counters.
        theirs = by_irqbalance(spec, 1.0 if irqs < 450 else BEAT)
        ours = by_irqbal(spec)
        for who, got in (("irqbalance", theirs), ("irqbal", ours)):
            resting = "" if got.rest_ms is None else f" ({got.rest_ms:.1f} at rest)"
            yield (
                f"| {name} × {irqs} IRQs | {who} | {got.cpu_ms:.1f}{resting} | "
                f"{got.early:.2f} | {got.ratio:.2f} | {got.over * 100:.0f} % | "
                f"{got.locality:.2f} | {got.moves} | {got.last} |"
            )
        # Less than a tick of the clock is not a figure.
        ratio = f"{ours.cpu_ms / theirs.cpu_ms:.2f}" if theirs.cpu_ms >= 0.5 else "-"
        yield f"| | irqbal ÷ irqbalance | {ratio} | | | | | | |"


def main() -> None:
    """Print a table for each kind of traffic named as an argument."""
    version = subprocess.run(
        ["irqbalance", "--version"], capture_output=True, text=True, check=False
    )
    print(
        f"irqbal {__version__}, {(version.stdout + version.stderr).strip()}, Linux "
        f"{platform.release()}, {os.cpu_count()} CPUs"
    )
    for traffic in sys.argv[1:] or ("skewed", "steady", "hopping"):
        print(f"\n{traffic}:")
        for row in table(traffic):
            print(row, flush=True)


if __name__ == "__main__":
    main()
