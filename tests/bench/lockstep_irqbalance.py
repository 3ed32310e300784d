"""The real irqbalance in compressed time, in step with its tree's kernel.

`python lockstep_irqbalance.py FOLDER SPEC CYCLES RESULT [PROGRAM]` writes the tree of a simulated
host and runs irqbalance on it. libfaketime lets its waiting pass a hundred times as fast; nothing
else in it depends on time (its loads are differences of /proc/stat). It is stopped while the tree's
kernel writes, and goes on for exactly one cycle. RESULT becomes JSON: a `BalancerRun`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from debian_irqbalance import start
from run_result import BalancerRun
from tree_kernel import KernelInterval, TreeKernel

BEAT = 10.0
"""Seconds a cycle."""
SPEED = 100
"""Seconds of irqbalance in one second."""
LOOK, QUIET = 0.003, 3
"""Seconds between two looks at it, and looks in a row in which it sleeps and used no CPU."""


def library() -> str:
    """libfaketime's path. Raises SystemExit."""
    for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1"):
        return str(path)
    raise SystemExit("libfaketime is not installed: apt-get install faketime")


class SteppedProcess:
    """irqbalance, let go for one cycle at a time. `interrupts` is the file that it reads whole in
    each cycle: that tells a cycle from waking up and waiting again, which may take as much CPU.
    """

    def __init__(self, process: subprocess.Popen[bytes], interrupts: Path) -> None:
        self._process, self._interrupts = process, interrupts
        self._stopped_at = 0
        """Bytes read until it was stopped last."""

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        text = Path(f"/proc/{self._process.pid}/schedstat").read_text()
        return int(text.split()[0]) / 1e9

    def _sleeps(self) -> bool:
        text = Path(f"/proc/{self._process.pid}/stat").read_text()
        return text.rpartition(")")[2].split()[0] == "S"

    def _bytes_read(self) -> int:
        """By read(2) and its like (proc(5), /proc/PID/io: rchar)."""
        return int(Path(f"/proc/{self._process.pid}/io").read_text().split()[1])

    def one_cycle(self) -> float:
        """Wait until it has made a cycle and sleeps, stop it, and return the seconds of CPU that it
        has used so far. Raises SystemExit if it ended.
        """
        enough = self._stopped_at + self._interrupts.stat().st_size
        seen, quiet = -1.0, 0
        while quiet < QUIET:
            if self._process.poll() is not None:
                raise SystemExit(f"irqbalance ended with status {self._process.returncode}")
            now = self.cpu()
            still = now == seen and self._sleeps() and self._bytes_read() >= enough
            quiet = quiet + 1 if still else 0
            seen = now
            time.sleep(LOOK)
        self._process.send_signal(signal.SIGSTOP)
        self._stopped_at = self._bytes_read()
        return self.cpu()

    def go_on(self) -> None:
        """Let it begin its next cycle."""
        self._process.send_signal(signal.SIGCONT)


def run(
    base: Path, spec: str, cycles: int, program: str = "irqbalance", debug: bool = False
) -> BalancerRun:
    """Run irqbalance for so many cycles on the tree of this host, below an empty folder.

    This process goes before all others from now on: where it waits for a CPU while irqbalance has
    one, irqbalance begins its next cycle, a tenth of a second later, before it is stopped.
    """
    first = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    # Control groups with a real-time budget of 0 refuse it; the machine must be idle then.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, first, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
    kernel = TreeKernel(base / "tree", spec, BEAT)
    os.environ |= {"LD_PRELOAD": library(), "FAKETIME": f"+0 x{SPEED}", "FAKETIME_DONT_RESET": "1"}
    try:
        process = start(base / "tree", base / "log", BEAT, debug=debug, program=program)
    finally:
        del os.environ["LD_PRELOAD"]
    intervals: list[KernelInterval] = []
    spent: list[tuple[float, float]] = []
    stepped = SteppedProcess(process, base / "tree/proc/interrupts")
    try:
        # Until it is irqbalance that runs, what is measured is the shell.
        while "irqbalance" not in Path(f"/proc/{process.pid}/comm").read_text():
            time.sleep(0.01)
        stepped.one_cycle()
        for _ in range(cycles):
            kernel.step(BEAT)
            intervals.append(kernel.interval())
            stepped.go_on()
            spent.append((stepped.one_cycle(), 0.0))
    finally:
        stepped.go_on()
        process.terminate()
        process.wait()
        # libfaketime leaves these to whoever starts the program.
        for name in (f"faketime_shm_{process.pid}", f"sem.faketime_sem_{process.pid}"):
            (Path("/dev/shm") / name).unlink(missing_ok=True)
    return BalancerRun(intervals=intervals, spent=spent, irqs=len(kernel.host.state.lines))


def main() -> None:
    """See the module's docstring."""
    folder, spec, cycles, result, *program = sys.argv[1:]
    run(Path(folder), spec, int(cycles), (program or ["irqbalance"])[0]).write(Path(result))


if __name__ == "__main__":
    main()
