"""A kernel's part in a tree of files with given rates and costs: a process that delivers interrupts
where the mask files say, and counts them in /proc/stat.

`python mover.py FOLDER SPEC.json` advances an existing tree ten times a second until it is
terminated. Files are written in place and never get shorter, so that programs that hold them open
read whole numbers.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

TICK = 0.1
"""Seconds between two writes."""


class Mover:
    """`rates` are interrupts a second and `costs` seconds an interrupt, by IRQ number; each tick's
    rate differs from it by up to `noise`, relative to the rate.
    """

    def __init__(
        self, folder: Path, spec: dict[str, dict[str, float]], cpus: int, noise: float, seed: int
    ) -> None:
        self._folder = folder
        self._rates = {int(number): rate for number, rate in spec["rates"].items()}
        self._costs = {int(number): cost for number, cost in spec["costs"].items()}
        self._noise, self._random = noise, random.Random(seed)
        self._cpus = cpus
        self._totals = dict.fromkeys(self._rates, 0.0)
        self._counts: dict[int, dict[int, float]] = {number: {} for number in self._rates}
        self._times = [0.0] * cpus
        self._files = {
            number: os.open(folder / f"proc/irq/{number}/smp_affinity_list", os.O_RDONLY)
            for number in self._rates
        }
        self._masks: dict[int, bytes] = {}
        self._where: dict[int, int] = {}
        self._stat = os.open(folder / "proc/stat", os.O_WRONLY)

    def tick(self, seconds: float) -> None:
        """Deliver the interrupts of so many seconds."""
        for number, rate in self._rates.items():
            cpu = self._deliver_to(number)
            came = rate * seconds * (1 + self._noise * self._random.uniform(-1, 1))
            self._totals[number] += came
            self._times[cpu] += came * self._costs[number]
        self._write_stat()

    def _deliver_to(self, number: int) -> int:
        """As the kernel does: the present CPU if the mask has it, else the CPU of the mask with the
        fewest vectors.
        """
        # A writer of a plain file writes the new line first, and then cuts off the rest of the old
        # one.
        mask, complete, _ = os.pread(self._files[number], 4096, 0).partition(b"\n")
        if complete and mask != self._masks.get(number):
            self._masks[number] = mask
            cpus = list(_cpus(mask.decode()))
            if self._where.get(number) not in cpus:
                vectors = [0] * self._cpus
                for cpu in self._where.values():
                    vectors[cpu] += 1
                self._where[number] = min(cpus, key=lambda cpu: (vectors[cpu], cpu))
                path = self._folder / f"proc/irq/{number}/effective_affinity_list"
                path.write_text(f"{self._where[number]}\n")
        return self._where[number]

    def _write_stat(self) -> None:
        lines = [
            f"cpu{cpu} 0 0 0 0 0 {0:12d} {int(self._times[cpu] * 100):12d} 0 0 0"
            for cpu in range(self._cpus)
        ]
        last = max(self._totals)
        totals = [int(self._totals.get(number, 0)) for number in range(last + 1)]
        lines.append(f"intr {sum(totals):15d} " + " ".join(f"{total:10d}" for total in totals))
        os.pwrite(self._stat, ("\n".join(lines) + "\nctxt 0\n").encode(), 0)


def _cpus(text: str) -> list[int]:
    found: list[int] = []
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        found += range(int(low), int(high or low) + 1)
    return found


def main() -> None:
    """Advance the tree until terminated."""
    folder, spec = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    mover = Mover(folder, spec, spec["cpus"], spec["noise"], spec["seed"])
    mover.tick(TICK)
    print("moving", flush=True)
    last = time.monotonic()
    while True:
        time.sleep(TICK)
        now = time.monotonic()
        mover.tick(now - last)
        last = now


if __name__ == "__main__":
    main()
