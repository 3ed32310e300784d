"""The whole daemon in compressed time: nothing of it is replaced but its clock and its waiting.

`python virtual_daemon.py FOLDER SPEC CYCLES RESULT` writes the tree of a simulated host, runs the
daemon on it with API and history, and plays the tree's kernel in between. Whenever the loop has
nothing to do but wait, and no thread works for it, the clock goes on at once. RESULT becomes JSON:
a `BalancerRun`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

BEAT = 10.0
"""Seconds a cycle."""
BEFORE = 0.1
"""Seconds of a beat that the kernel's counters change before the daemon's cycle."""


class VirtualClock:
    """The seconds of the host. They pass only when `advance` says so; the present moment is that of
    the machine at the start, so that files' times make sense.
    """

    def __init__(self) -> None:
        self.passed = 0.0
        self._monotonic, self._wall = time.monotonic(), time.time()

    def install(self) -> None:
        """Be the clock of this process: of everything that is imported from now on."""
        read = time.clock_gettime
        time.monotonic, time.time = self.monotonic, self.wall
        time.clock_gettime = lambda which: read(which) + self.passed

    def monotonic(self) -> float:
        """As time.monotonic."""
        return self._monotonic + self.passed

    def wall(self) -> float:
        """As time.time."""
        return self._wall + self.passed


class VirtualSelector(selectors.DefaultSelector):
    """Waits for files in real time while a thread works, and else not at all: the clock goes on."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance
        self.pending = 0
        """Pieces of work that threads do, or whose results the loop has not taken yet."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As of any selector; `timeout` is in seconds of the host."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.pending:
            return super().select(0.02)
        if timeout is None:
            return super().select(0.05)
        self._advance(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on a virtual clock."""

    def __init__(self, selector: VirtualSelector) -> None:
        super().__init__(selector)
        self._virtual = selector

    def run_in_executor(  # type: ignore[override]
        self, executor: ThreadPoolExecutor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As of any loop. The work is over when the loop has its result, not when the thread has:
        the clock must not go on in between.
        """
        future = super().run_in_executor(executor, func, *args)
        self._virtual.pending += 1
        future.add_done_callback(self._over)
        return future

    def _over(self, _: object) -> None:
        self._virtual.pending -= 1


def cpu_of(pid: int) -> float:
    """Seconds of user and system time of this process so far."""
    with open(f"/proc/{pid}/schedstat", "rb") as file:  # noqa: PTH123
        return int(file.read().split()[0]) / 1e9


def children(pid: int) -> list[int]:
    """The processes that this one started, and theirs."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *children(child)]
    return found


def main() -> None:
    """See the module's docstring."""
    folder, spec, cycles, result = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    from tree_kernel import KernelInterval, TreeKernel

    kernel = TreeKernel(folder / "tree", spec, BEAT)
    clock = VirtualClock()
    clock.install()

    from irqbal.config.reader import parse
    from irqbal.history import clock as history_clock
    from irqbal.service import cycle as cycle_module
    from irqbal.service import lifetime
    from irqbal.service.run_mode import RunMode
    from run_result import BalancerRun, EachCycle

    booted = float(Path("/proc/uptime").read_text().split()[0])
    uptime = folder / "uptime"
    uptime.write_text(f"{booted:.2f} 0.00\n")
    history_clock._UPTIME = uptime
    intervals: list[KernelInterval] = []
    spent: list[tuple[float, float]] = []
    kernels = 0.0
    begun = time.process_time()
    due = BEFORE
    end = BEFORE + cycles * BEAT

    def advance(seconds: float) -> None:
        nonlocal due, kernels
        until = clock.passed + seconds
        while due <= until:
            clock.passed = due
            at = time.thread_time()
            if intervals or due > BEFORE:
                intervals.append(kernel.interval())
            kernel.step(BEAT if due > BEFORE else 2 * BEFORE)
            uptime.write_text(f"{booted + clock.passed:.2f} 0.00\n")
            others = sum(map(cpu_of, children(os.getpid())))
            kernels += time.thread_time() - at
            spent.append((time.process_time() - begun - kernels, others))
            due += BEAT
            if due > end:
                stop()
                break
        clock.passed = max(clock.passed, until)

    def stop() -> None:
        os.kill(os.getpid(), 15)

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return VirtualLoop(VirtualSelector(advance))

    asyncio.set_event_loop_policy(Policy())
    plans: list[EachCycle] = []
    run_cycle = cycle_module.Balancer.run_cycle

    def noted(balancer: Any, cause: str, full: bool = False) -> Any:
        at = time.thread_time()
        found = run_cycle(balancer, cause, full)
        record = found.record
        plans.append(
            EachCycle(
                seconds=time.thread_time() - at,
                planned=found.fresh,
                trigger=found.trigger if found.fresh else "",
                moves=len(record.plan.moves) if found.fresh else 0,
                steering=len(record.plan.steering) if found.fresh else 0,
            )
        )
        return found

    cycle_module.Balancer.run_cycle = noted  # type: ignore[method-assign,assignment]
    text = (
        f"interval: {BEAT:g}s\nstate_dir: {folder}/state\n"
        f"api: {{listen: ['unix:{folder}/socket']}}\n{os.environ.get('IRQBAL_BENCH_YAML', '')}"
    )
    path = folder / "irqbal.yaml"
    path.write_text(text)
    lifetime.run(parse(text, str(path)), RunMode(path=path, root=folder / "tree"))
    if len(spent) < cycles:
        raise SystemExit("ended before all cycles were over: nothing is kept of this run")
    BalancerRun(
        cycles=plans, intervals=intervals, spent=spent, irqs=len(kernel.host.state.lines)
    ).write(Path(result))


if __name__ == "__main__":
    main()
