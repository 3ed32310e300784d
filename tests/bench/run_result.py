"""What one run of a balancer in compressed time showed."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import msgspec

from tree_kernel import KernelInterval


class EachCycle(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle: seconds of CPU of the kernel thread, whether a plan was made and why, and what it
    changed.
    """

    seconds: float
    planned: bool
    trigger: str = ""
    moves: int = 0
    steering: int = 0


class BalancerRun(msgspec.Struct, frozen=True, kw_only=True):
    """`spent` are (CPU seconds of the daemon, of its children) from the start to each beat; another
    balancer has one process, and no `cycles` are known of it.
    """

    irqs: int
    intervals: list[KernelInterval]
    spent: list[tuple[float, float]]
    cycles: list[EachCycle] = []

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        return msgspec.json.decode(path.read_bytes(), type=cls)
