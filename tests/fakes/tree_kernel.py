"""A kernel's part in a tree of plain files: interrupts fire, are counted, and go where the mask
files say.

`python tree_kernel.py FOLDER SPEC INTERVAL LOG CYCLES [light]` writes the tree of a simulated host
and runs it in real time. Each interval it appends one line of JSON to LOG: the busiest CPU's load
over the bound, the share of interrupts on their device's own node, the number of masks that were
changed, and the number of changes that a kernel would have refused.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.machine import SimulatedIrq
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.tree import write_tree

STEPS = 5
"""Steps of an interval in real time."""
_START = 180.0
"""Seconds that a tree of the largest host may take to be written, on a busy machine."""


class KernelInterval(msgspec.Struct, frozen=True, array_like=True):
    """What really happened in one interval; see the module's docstring."""

    ratio: float
    locality: float
    moved: int
    refused: int = 0


class TreeKernel:
    """Plays the kernel of one tree. Every file keeps its inode, and none gets shorter, so that
    programs that hold it open read whole numbers.

    `light` serves a program that reads /proc/stat alone ten times a second: masks are read in every
    tenth step only, and /proc/interrupts stays as it was.
    """

    def __init__(self, folder: Path, spec: str, beat: float, light: bool = False) -> None:
        """Rates stay constant for `beat` seconds of the simulated host's time."""
        self.host = SimulatedHost(parse_spec(spec), beat=beat)
        self._moved = self._refused = 0
        self._folder, self._light, self._steps = folder, light, 0
        write_tree(self.host, folder)
        self.step(beat)

    def step(self, seconds: float) -> None:
        """Apply the masks, let so much time pass, write the counters."""
        if not self._light or self._steps % 10 == 0:
            self._apply_masks()
        self._steps += 1
        self.host.advance(seconds)
        counts = self.host.counts()
        lines = list(self.host.state.lines.values())
        times = counts.times
        idle = round(self.host.pulse().time * 100)
        rows = ["cpu  0 0 0 0 0 0 0 0 0 0"]
        rows += [
            f"cpu{cpu} 0 0 0 {idle:>12} 0 {times['irq'][cpu] // 10_000:>10} "
            f"{times['softirq'][cpu] // 10_000:>10} 0 0 0"
            for cpu in times["irq"]
        ]
        totals = [0] * (max(line.number for line in lines) + 1)
        for line in lines:
            totals[line.number] = sum(line.counts.values()) % (1 << 32)
        rows.append(f"intr {sum(totals):>14} {' '.join(f'{total:>10}' for total in totals)}")
        self._write("proc/stat", "\n".join(rows))
        if self._light:
            return
        cells = ["           " + "".join(f"CPU{cpu:<8}" for cpu in times["irq"])]
        for line in lines:
            row = counts.irqs[line.number]
            counted = "".join([f" {row.get(cpu, 0):>10}" for cpu in times["irq"]])
            cells.append(
                f"{line.number:>4}:{counted}  {line.chip} {line.vector}-edge  {line.action}"
            )
        self._write("proc/interrupts", "\n".join(cells))

    def interval(self) -> KernelInterval:
        """The last step's loads, and the masks that changed since the last call."""
        truth = self.host.truth()
        found = KernelInterval(truth.ratio, truth.locality, self._moved, self._refused)
        self._moved = self._refused = 0
        return found

    def run(self, log: Path, interval: float, cycles: int) -> None:
        """In real time. Each interval has several steps, so that a balancer with an interval of the
        same length finds new counts in each of its own.
        """
        steps = 1 if self._light else STEPS
        due = time.monotonic()
        with log.open("wb") as out:
            for _ in range(cycles):
                for _ in range(steps):
                    self.step(interval / steps)
                    due = max(due + interval / steps, time.monotonic())
                    time.sleep(max(0.0, due - time.monotonic()))
                out.write(msgspec.json.encode(self.interval()) + b"\n")
                out.flush()

    def _write(self, path: str, text: str) -> None:
        fd = os.open(self._folder / path, os.O_WRONLY)
        try:
            data = f"{text}\n".encode()
            os.pwrite(fd, data, 0)
            if os.fstat(fd).st_size > len(data):
                # Only once: what write_tree wrote had more rows.
                os.ftruncate(fd, len(data))
        finally:
            os.close(fd)

    def _apply_masks(self) -> None:
        """Take over the masks that a balancer wrote. Files whose change the kernel would refuse get
        their old content back.
        """
        for line in self.host.state.lines.values():
            wanted = self._written(line)
            if wanted is None:
                continue
            try:
                self.host.state.set_mask(line.number, wanted)
                self._moved += 1
            except OSError:
                self._refused += 1
            base = self._folder / f"proc/irq/{line.number}"
            (base / "smp_affinity").write_text(line.mask.mask() + "\n")
            (base / "smp_affinity_list").write_text(f"{line.mask}\n")
            (base / "effective_affinity_list").write_text(f"{line.effective}\n")

    def _written(self, line: SimulatedIrq) -> CpuSet | None:
        """The mask that was written to either of the IRQ's two files; None if there is no new one.
        A file that is being written right now is read in the next step.
        """
        base = self._folder / f"proc/irq/{line.number}"
        try:
            listed = CpuSet.parse((base / "smp_affinity_list").read_text())
            hexed = CpuSet.from_mask((base / "smp_affinity").read_text())
        except ValueError:
            return None
        wanted = listed if listed != line.mask else hexed
        return wanted if wanted and wanted != line.mask else None


class KernelProcess:
    """A TreeKernel in a process of its own, with its tree below `base`. It runs until `stop`, or
    for so many cycles.

    It runs only in time that no other process wants: a real kernel does not compete with the
    processes that read it. `foreground` gives it its share of the CPUs all the same.
    """

    def __init__(
        self,
        base: Path,
        spec: str,
        interval: float,
        *,
        cycles: int = 1_000_000,
        light: bool = False,
        foreground: bool = False,
    ) -> None:
        """Returns when the tree is complete. Raises TimeoutError."""
        self.tree, self._log = base / "tree", base / "intervals"
        words = [str(self.tree), spec, str(interval), str(self._log), str(cycles)]
        priority = [] if foreground else ["chrt", "--idle", "0"]
        self._process = subprocess.Popen(
            [*priority, sys.executable, __file__, *words, *(["light"] if light else [])]
        )
        end = time.monotonic() + _START
        while not self._log.exists():
            if time.monotonic() > end or self._process.poll() is not None:
                self.stop()
                raise TimeoutError("the tree's kernel did not start")
            time.sleep(0.05)

    def intervals(self) -> list[KernelInterval]:
        """Those that are complete."""
        complete = self._log.read_bytes().rpartition(b"\n")[0]
        return [msgspec.json.decode(line, type=KernelInterval) for line in complete.splitlines()]

    def stop(self) -> None:
        """End the process by its id."""
        self._process.terminate()
        self._process.wait()


def main() -> None:
    """See the module's docstring."""
    folder, spec, interval, log, cycles, *light = sys.argv[1:]
    beat = float(interval)
    TreeKernel(Path(folder), spec, beat, bool(light)).run(Path(log), beat, int(cycles))


if __name__ == "__main__":
    main()
