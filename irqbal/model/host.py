"""The face of a host: what a balancer asks of a kernel, a captured tree or a made-up machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from irqbal.cpuset import CpuSet
from irqbal.model.plan import DefaultMove, Move, Outcome, SteeringMove
from irqbal.model.readings import Census, Counts, Original, Pulse, Topology


class Host(Protocol):
    """A machine whose interrupts can be read and placed. All methods may block; none is called from
    two threads at once.
    """

    @property
    def boot_id(self) -> str:
        """Changes with every boot: masks from before it mean nothing."""

    def pulse(self, looked: Collection[int] | None = None) -> Pulse:
        """The cheap reading, with the effective affinity of these IRQs as far as they fired; None:
        of all. Raises HostError.
        """

    def census(self) -> Census:
        """The full reading. Raises HostError."""

    def counts(self) -> Counts:
        """Everything that is counted, by CPU; an IRQ's row may be the very object of the last
        reading if nothing was counted since, and is never changed. Raises HostError.
        """

    def topology(self) -> Topology:
        """CPUs, devices and interfaces, read afresh. Raises HostError."""

    def apply(
        self,
        moves: Iterable[Move],
        steering: Iterable[SteeringMove],
        default: DefaultMove | None,
        dry_run: bool,
    ) -> tuple[Outcome, ...]:
        """Write what the plan says, one outcome each. A dry run differs only in that nothing is
        written.
        """

    def masks(self, numbers: Iterable[int]) -> dict[int, tuple[CpuSet, int]]:
        """The mask and the inode of these IRQs as they are now; those that are gone are left
        out.
        """

    def population(self) -> int:
        """A cheap number that changes when IRQs come or go."""

    def isolation(self) -> dict[str, CpuSet]:
        """Isolated CPUs by source, read afresh: cgroup partitions come and go unannounced."""

    def restore(self, originals: Iterable[tuple[Original, int | None]]) -> tuple[Outcome, ...]:
        """Put originals back; each comes with the IRQ's present number (None for settings)."""

    def writers(self) -> tuple[str, ...]:
        """Other programs at work on the same masks, one sentence each."""

    def close(self) -> None:
        """Give descriptors back."""
