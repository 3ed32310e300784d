"""irqbal beside irqbalance on the same simulated hosts, under traffic that is never at rest.

`make bench-balance` prints the tables for RESULTS.md. Each host is a tree of plain files whose
kernel is played: the whole daemon runs on it in compressed time, with API and history
(`virtual_daemon`), and so does the real irqbalance (`lockstep_irqbalance`), in the same run and on
the other CPU. Runs that are complete are kept in a folder, so that a bench that was ended goes on
where it was. `python balance.py [--folder F] [--only TEXT] [--irqbalance PROGRAM …]`; by default
the installed irqbalance and Debian 13's.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

import static_spread
import trixie_irqbalance
from irqbal.version import __version__
from run_result import BalancerRun

HOSTS = {
    16: "2x8,nodes=2,nic=8x2,nvme=8x1",
    64: "2x16x2,nodes=2,nic=63x2,nvme=64x3",
    128: "2x32x2,nodes=2,nic=63x2,nvme=64x4",
    512: "2x128x2,nodes=8,l3=8,nic=127x16,nvme=1",
}
"""Hosts by their number of CPUs."""
TRAFFIC = ("steady", "noisy", "toggling", "hopping", "churning", "diurnal")
SEEDS = (7, 8, 9)
"""All of them where both the host and the traffic vary most; else the first."""
MANY_HOSTS, MANY_TRAFFIC = (64, 512), ("noisy", "hopping", "churning")
BEAT = 10.0
"""Seconds a cycle."""
LEARNING, MEASURED = 60, 180
"""Cycles before, and while, a balancer is measured."""
HOUR = 360
"""Beats of `diurnal` traffic's day, which is measured whole."""
HERE = Path(__file__).parent


class BenchCase(msgspec.Struct, frozen=True):
    """One run: a host by its number of CPUs, its traffic, and the seed of both."""

    cpus: int
    traffic: str
    seed: int

    @property
    def spec(self) -> str:
        """As of `irqbal --simulate`."""
        return f"{HOSTS[self.cpus]},traffic={self.traffic},seed={self.seed}"

    @property
    def cycles(self) -> int:
        """Cycles of the run."""
        return LEARNING + (HOUR if self.traffic == "diurnal" else MEASURED)

    def __str__(self) -> str:
        return f"{self.cpus}-{self.traffic}-{self.seed}"


def cases() -> Iterator[BenchCase]:
    """All runs, the small hosts first."""
    for cpus in HOSTS:
        for traffic in TRAFFIC:
            many = cpus in MANY_HOSTS and traffic in MANY_TRAFFIC
            for seed in SEEDS if many else SEEDS[:1]:
                yield BenchCase(cpus, traffic, seed)


class BalancerFigures(msgspec.Struct, frozen=True):
    """What one run showed after learning: milliseconds of CPU a cycle, the busiest CPU's true load
    over the bound that no placement can beat (median and 90 % of the intervals), moves an hour;
    and CPU seconds of the first two minutes.
    """

    cpu: float
    median: float
    high: float
    moves: float
    first: float

    @classmethod
    def of(cls, run: BalancerRun) -> BalancerFigures:
        """Sum up a run."""
        later = run.intervals[LEARNING:]
        ratios = sorted(interval.ratio for interval in later)
        spent = [own + others for own, others in run.spent]
        return cls(
            (spent[-1] - spent[LEARNING]) / (len(spent) - 1 - LEARNING) * 1000 if spent else 0.0,
            statistics.median(ratios),
            ratios[int(0.9 * len(ratios))],
            sum(interval.moved for interval in later) / len(later) * 3600 / BEAT,
            spent[round(120 / BEAT)] if spent else 0.0,
        )

    @classmethod
    def typical(cls, all_seeds: Iterable[BalancerFigures]) -> BalancerFigures:
        """The median of each figure."""
        rows = list(map(msgspec.structs.astuple, all_seeds))
        return cls(*map(statistics.median, zip(*rows, strict=True)))


class BalanceBench:
    """Runs what is not in its folder yet."""

    def __init__(self, folder: Path, programs: list[str]) -> None:
        self._folder, self.programs = folder, programs
        folder.mkdir(parents=True, exist_ok=True)

    def fill(self, case: BenchCase) -> None:
        """Make every run of this case: irqbal and the irqbalances side by side."""
        with ThreadPoolExecutor(2) as pool:
            work = [pool.submit(self._script, "virtual_daemon.py", "irqbal", case, [])]
            for at, program in enumerate(self.programs):
                words = [program]
                work.append(
                    pool.submit(
                        self._script, "lockstep_irqbalance.py", f"irqbalance{at}", case, words
                    )
                )
            for each in work:
                each.result()
        if case.seed == SEEDS[0]:
            for name, spread in static_spread.SPREADS.items():
                path = self.path(name, case)
                if not path.exists():
                    static_spread.run(spread, case.spec, BEAT, case.cycles).write(path)

    def path(self, balancer: str, case: BenchCase) -> Path:
        """The file of one run."""
        return self._folder / f"{balancer.replace(' ', '-')}-{case}.json"

    def figures(self, balancer: str, wanted: Iterable[BenchCase]) -> BalancerFigures | None:
        """The typical figures of these runs, as far as they were made."""
        paths = [self.path(balancer, case) for case in wanted]
        found = [BalancerFigures.of(BalancerRun.read(path)) for path in paths if path.exists()]
        return BalancerFigures.typical(found) if found else None

    def _script(self, script: str, balancer: str, case: BenchCase, words: list[str]) -> None:
        path = self.path(balancer, case)
        if path.exists():
            return
        base = Path(tempfile.mkdtemp(prefix="irqbal-bench-", dir=_memory()))
        try:
            with path.with_suffix(".log").open("wb") as log:
                done = subprocess.run(
                    [
                        sys.executable,
                        HERE / script,
                        base,
                        case.spec,
                        str(case.cycles),
                        path,
                        *words,
                    ],
                    stdout=log,
                    stderr=log,
                    check=False,
                )
            if done.returncode or not path.exists():
                raise SystemExit(f"{case}: {path.with_suffix('.log').read_text()[-2000:]}")
        finally:
            shutil.rmtree(base)


def _memory() -> str | None:
    """A folder in memory, so that no disk is measured."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def table(bench: BalanceBench) -> Iterator[str]:
    """Rows of markdown: a host and a traffic each."""
    yield (
        "| CPUs × IRQs, traffic | irqbal: ms a cycle | irqbalance | ÷ | busiest ÷ bound, median / "
        "90 % | irqbalance | moves an hour | irqbalance | ÷ | first 2 min, s |"
    )
    yield "| --- " * 10 + "|"
    for cpus in HOSTS:
        for traffic in TRAFFIC:
            rows = [case for case in cases() if (case.cpus, case.traffic) == (cpus, traffic)]
            ours, theirs = bench.figures("irqbal", rows), bench.figures("irqbalance0", rows)
            if ours is None or theirs is None:
                continue
            irqs = BalancerRun.read(bench.path("irqbal", rows[0])).irqs
            yield (
                f"| {cpus} × {irqs}, {traffic} | {ours.cpu:.1f} | {theirs.cpu:.1f} | "
                f"{ours.cpu / theirs.cpu:.2f} | {ours.median:.2f} / {ours.high:.2f} | "
                f"{theirs.median:.2f} / {theirs.high:.2f} | {ours.moves:.0f} | "
                f"{theirs.moves:.0f} | {ours.moves / max(1.0, theirs.moves):.3f} | "
                f"{ours.first:.1f} |"
            )


def others(bench: BalanceBench) -> Iterator[str]:
    """The same rows of the balancers that are compared besides."""
    programs = [f"irqbalance{at}" for at in range(1, len(bench.programs))]
    names = [*programs, *static_spread.SPREADS]
    heads = [f"{version(program)}: ms, ratio, moves an hour" for program in bench.programs[1:]]
    yield (
        "| CPUs, traffic: busiest ÷ bound, median / 90 % | "
        f"{' | '.join([*heads, *static_spread.SPREADS])} |"
    )
    yield "| --- " * (1 + len(names)) + "|"
    for cpus in HOSTS:
        for traffic in TRAFFIC:
            rows = [case for case in cases() if (case.cpus, case.traffic) == (cpus, traffic)]
            found = [bench.figures(name, rows) for name in names]
            if any(found):
                cells = map(_cell, found, [name in programs for name in names])
                yield f"| {cpus}, {traffic} | {' | '.join(cells)} |"


def _cell(figures: BalancerFigures | None, balances: bool) -> str:
    """A balancer that goes on costs CPU and moves; a spread is made once."""
    if figures is None:
        return "-"
    ratio = f"{figures.median:.2f} / {figures.high:.2f}"
    return f"{figures.cpu:.1f}, {ratio}, {figures.moves:.0f}" if balances else ratio


def version(program: str) -> str:
    """What a balancer says of itself."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return (told.stdout + told.stderr).strip()


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/bench-balance"))
    parser.add_argument("--only", default="", help="a part of the names of the cases to run")
    parser.add_argument("--irqbalance", nargs="*", default=None)
    options = parser.parse_args()
    if options.irqbalance is None:
        options.irqbalance = ["irqbalance", trixie_irqbalance.prepare()]
    bench = BalanceBench(options.folder, options.irqbalance)
    for case in cases():
        if options.only in str(case):
            print(case, file=sys.stderr, flush=True)
            bench.fill(case)
    print(f"irqbal {__version__}, Linux {platform.release()}, {os.cpu_count()} CPUs")
    for program in options.irqbalance:
        print(version(program))
    for rows in (table, others):
        print()
        for row in rows(bench):
            print(row)


if __name__ == "__main__":
    main()
