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
from irqbal.load.irq_rates import WRAP
from irqbal.simulated.host import SimulatedHost
from irqbal.simulated.machine import SimulatedIrq
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.tree import write_tree

STEPS = 5
"""Steps of an interval in real time."""
_REMEMBERED = 100
"""Steps after a move in which an IRQ's own counts by CPU are written."""
_TICK = 20_000_000
"""Nanoseconds, more than two times of files that differ are apart: a kernel's clock for them ticks
every 1 to 10 ms.
"""
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
        self.folder, self._light, self._steps = folder, light, 0
        self._changed: dict[int, tuple[int, int]] = {}
        self._interrupts = _InterruptsFile(self.host)
        self._placed: dict[int, int] = {}
        """The IRQs that were moved not long ago, and the step in which they were."""
        write_tree(self.host, folder)
        self.step(beat)

    def step(self, seconds: float) -> None:
        """Apply the masks, let so much time pass, write the counters."""
        if not self._light or self._steps % 10 == 0:
            self._apply_masks()
        self._steps += 1
        self.host.advance(seconds)
        pulse = self.host.pulse()
        idle = round(pulse.time * 100)
        rows = ["cpu  0 0 0 0 0 0 0 0 0 0"]
        rows += [
            f"cpu{cpu} 0 0 0 {idle:>12} 0 {round(time.irq * 1e6) // 10_000:>10} "
            f"{round(time.softirq * 1e6) // 10_000:>10} 0 0 0"
            for cpu, time in pulse.cpu_times.items()
        ]
        lines = list(self.host.state.lines.values())
        totals = [0] * (max(line.number for line in lines) + 1)
        for line in lines:
            totals[line.number] = sum(line.counts.values()) % WRAP
        rows.append(f"intr {sum(totals):>14} {' '.join(f'{total:>10}' for total in totals)}")
        self._write("proc/stat", ("\n".join(rows) + "\n").encode())
        if not self._light:
            self._write("proc/interrupts", self._interrupts.image(pulse.time))
            self._count_alone()

    def _count_alone(self) -> None:
        """The counts by CPU of the IRQs that moved not long ago: nobody reads those of the others,
        and there are as many numbers as IRQs times CPUs.
        """
        possible = list(self.host.state.possible)
        for number, step in list(self._placed.items()):
            if self._steps - step > _REMEMBERED:
                del self._placed[number]
                continue
            counts = self.host.state.lines[number].counts
            cells = ["0"] * len(possible)
            for cpu, count in counts.items():
                cells[cpu] = str(count % WRAP)
            self._write(f"sys/kernel/irq/{number}/per_cpu_count", (",".join(cells) + "\n").encode())

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

    def _write(self, path: str, data: bytes | bytearray) -> None:
        fd = os.open(self.folder / path, os.O_WRONLY)
        try:
            os.pwrite(fd, data, 0)
            if os.fstat(fd).st_size > len(data):
                # Only once: what write_tree wrote may be longer.
                os.ftruncate(fd, len(data))
        finally:
            os.close(fd)

    def _apply_masks(self) -> None:
        """Take over the masks that a balancer wrote. Files whose change the kernel would refuse get
        their old content back.
        """
        for line in self.host.state.lines.values():
            base = f"{self.folder}/proc/irq/{line.number}"
            listed, hexed = f"{base}/smp_affinity_list", f"{base}/smp_affinity"
            # Files that were not written since they were read last need not be read.
            changed = (os.stat(listed).st_mtime_ns, os.stat(hexed).st_mtime_ns)  # noqa: PTH116
            if self._changed.get(line.number) == changed:
                continue
            wanted = self._written(line, Path(listed), Path(hexed))
            if wanted is None:
                if time.time_ns() - max(changed) > _TICK:
                    self._changed[line.number] = changed
                continue
            try:
                self.host.state.set_mask(line.number, wanted)
                self._moved += 1
                self._placed[line.number] = self._steps
            except OSError:
                self._refused += 1
            Path(hexed).write_text(line.mask.mask() + "\n")
            Path(listed).write_text(f"{line.mask}\n")
            Path(base, "effective_affinity_list").write_text(f"{line.effective}\n")

    @staticmethod
    def _written(line: SimulatedIrq, listed: Path, hexed: Path) -> CpuSet | None:
        """The mask that was written to either of the IRQ's two files; None if there is no new one.
        A file that is being written right now is read in the next step: its time is then new.
        """
        try:
            by_list, by_mask = CpuSet.parse(listed.read_text()), CpuSet.from_mask(hexed.read_text())
        except ValueError:
            return None
        wanted = by_list if by_list != line.mask else by_mask
        return wanted if wanted and wanted != line.mask else None


NAMED_ROWS = (
    ("NMI", "Non-maskable interrupts", 0.02),
    ("LOC", "Local timer interrupts", 100.0),
    ("IWI", "IRQ work interrupts", 0.1),
    ("RES", "Rescheduling interrupts", 20.0),
    ("CAL", "Function call interrupts", 5.0),
    ("TLB", "TLB shootdowns", 2.0),
)
"""The rows by name that fire on each CPU: name, text (as x86 prints it), interrupts a second."""


class _InterruptsFile:
    """The text of /proc/interrupts. Cells have a fixed width, and only those that changed are
    written anew: a large host has a million.
    """

    _WIDTH = 11

    def __init__(self, host: SimulatedHost) -> None:
        self._host = host
        self._online: CpuSet | None = None
        self._image = bytearray()
        self._at: dict[int, int] = {}
        self._columns: dict[int, int] = {}
        self._written: dict[tuple[int, int], int] = {}
        self._named: list[tuple[int, float]] = []

    def image(self, now: float) -> bytearray:
        """The file's content at this time, in seconds."""
        state = self._host.state
        if self._online != state.online or self._at.keys() != state.lines.keys():
            self._begin()
        image, width, written = self._image, self._WIDTH, self._written
        for line in state.lines.values():
            begin = self._at[line.number]
            for cpu, total in line.counts.items():
                column = self._columns.get(cpu)
                if column is not None and written.get((line.number, cpu)) != total:
                    written[line.number, cpu] = total
                    at = begin + width * column
                    image[at : at + width] = b"%11d" % (total % WRAP)
        for begin, rate in self._named:
            if rate:
                cells = b"".join(
                    b"%11d" % (int(now * rate * (1 + cpu % 7 / 10)) % WRAP) for cpu in self._columns
                )
                image[begin : begin + len(cells)] = cells
        return image

    def _begin(self) -> None:
        """Every row anew, with nothing counted."""
        state = self._host.state
        self._online = state.online
        self._columns = {cpu: at for at, cpu in enumerate(state.online)}
        self._at, self._written, self._named = {}, {}, []
        zeros = b"%11d" % 0 * len(self._columns)
        image = bytearray(b"           ")
        image += b"".join(b"CPU%-8d" % cpu for cpu in self._columns) + b"\n"
        for line in state.lines.values():
            image += b"%4d:" % line.number
            self._at[line.number] = len(image)
            image += zeros
            image += f"  {line.chip} {line.vector}-edge  {line.action}\n".encode()
        for name, text, rate in NAMED_ROWS:
            image += f"{name:>4}:".encode()
            self._named.append((len(image), rate))
            image += zeros + f"   {text}\n".encode()
        image += b" ERR:%11d\n MIS:%11d\n" % (0, 0)
        self._image = image


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
