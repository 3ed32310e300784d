"""The interface of a host: what a balancer reads from and writes to a kernel, a captured tree or a
simulated machine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from irqbal.cpuset import CpuSet
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove
from irqbal.model.readings import Census, Counts, Original, Pulse, Scheduling, Topology


class Host(Protocol):
    """A machine whose interrupts can be read and placed. Every method may block. Only one thread at
    a time may call them.
    """

    @property
    def boot_id(self) -> str:
        """Changes with every boot: masks that were stored under another boot ID mean nothing."""

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """The cheap reading, with the effective affinity of those of the IRQs `looked` that fired
        (None: of all that fired). Raises HostError.
        """

    def census(self) -> Census:
        """The full reading. Raises HostError."""

    def counts(self, whole: bool = True, pulse: Pulse | None = None) -> Counts:
        """Every counter, by CPU; without those of `/proc/interrupts` unless `whole`. With a `pulse`
        that was just read, time and CPU times are those of the pulse. An IRQ's row may be the same
        object as in the last reading if its counts did not change; do not modify it. Raises
        HostError.
        """

    def counts_of(self, numbers: Iterable[int]) -> dict[int, dict[int, int]]:
        """The counts of these IRQs by CPU, without zeros; an IRQ whose counts cannot be read alone
        is left out.
        """

    def scheduling(self) -> Scheduling:
        """What the scheduler has counted; fields that this kernel lacks are None."""

    def topology(self) -> Topology:
        """CPUs, devices, interfaces and interrupt threads, read now. Raises HostError."""

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """Write these changes. Returns one outcome for each. A dry run makes the same checks and
        writes nothing.
        """

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The present mask of these IRQs, and the inode of their folder in `/proc/irq`, by number.
        IRQs that no longer exist are omitted.
        """

    def population(self) -> int:
        """A cheap number that changes when IRQs come or go."""

    def isolation(self) -> dict[str, CpuSet]:
        """Isolated CPUs by source, read now: the kernel does not announce changes of cgroup
        partitions.
        """

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Write these originals back, each with its IRQ's present number (None for a setting).
        Returns one outcome for each.
        """

    def writers(self) -> tuple[str, ...]:
        """Other programs that write the same masks, one sentence each."""

    def close(self) -> None:
        """Close all open files."""
