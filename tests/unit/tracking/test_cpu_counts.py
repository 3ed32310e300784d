"""Counts by IRQ and CPU that were put together from totals are those of the whole file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from irqbal.cpuset import CpuSet
from irqbal.history.recorder import Recorder
from irqbal.kernel.host import KernelHost
from irqbal.model.plan import Move
from irqbal.model.readings import Counts, Pulse
from irqbal.model.view import Irq
from irqbal.planner.ledger import Ledger
from irqbal.tracking.cpu_counts import WHOLE_EVERY
from irqbal.tracking.mask_scan import SWEEP_SECONDS
from irqbal.tracking.tracker import HostTracker
from tree_kernel import TreeKernel

INTERVAL = 10.0
SPEC = "2x16x2,nodes=2,nic=48x2,nvme=8x2,traffic=noisy,seed=3"


class CountedTree:
    """A tree whose kernel counts, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kernel = TreeKernel(folder, SPEC, INTERVAL)
        self.now = 1000.0
        self.host = KernelHost(folder, lambda originals: None, lambda: self.now)
        self.tracker = HostTracker(self.host, INTERVAL)
        self.tracker.sample()
        self.whole_reads = 0
        counts = self.host.counts

        def counted(whole: bool = True, pulse: Pulse | None = None) -> Counts:
            self.whole_reads += whole
            return counts(whole, pulse)

        self.host.counts = counted  # type: ignore[method-assign]

    def pass_by(self, intervals: int = 1) -> None:
        for _ in range(intervals):
            self.now += INTERVAL
            self.kernel.step(INTERVAL)
            self.tracker.sample()

    def counts(self) -> Counts:
        return self.tracker.counts()

    def whole(self) -> dict[int, dict[int, int]]:
        return KernelHost(self._folder).counts().irqs

    def totals(self) -> dict[int, int]:
        """How often each IRQ fired, as the kernel knows."""
        return {
            number: sum(line.counts.values())
            for number, line in self.kernel.host.state.lines.items()
        }

    def move(self, number: int, cpu: int) -> None:
        """Another program, or irqbal, writes this mask."""
        (self._folder / f"proc/irq/{number}/smp_affinity_list").write_text(f"{cpu}\n")

    def movable(self) -> list[int]:
        lines = self.kernel.host.state.lines.values()
        return [line.number for line in lines if line.address and not line.managed]


@pytest.fixture
def tree(tmp_path: Path) -> CountedTree:
    return CountedTree(tmp_path / "tree")


def test_at_rest_one_reading_in_five_reads_the_whole_file_and_all_are_the_same(
    tree: CountedTree,
) -> None:
    for _ in range(2 * WHOLE_EVERY):
        tree.pass_by(6)
        assert tree.counts().irqs == tree.whole()
    assert tree.whole_reads == 2


def test_named_rows_come_with_the_whole_file(tree: CountedTree) -> None:
    found = []
    for _ in range(2 * WHOLE_EVERY):
        tree.pass_by()
        found.append("LOC" in tree.counts().rows)
    assert [at for at, has in enumerate(found) if has] == [0, WHOLE_EVERY]


def test_under_moves_the_counts_are_those_of_the_whole_file(tree: CountedTree) -> None:
    """Another program moves IRQs; irqbal sees it within one sweep, so two samples later at most the
    counts are whole again, and mostly they always are.
    """
    drawn = random.Random(7)
    sweep = round(SWEEP_SECONDS / INTERVAL)
    tree.pass_by()
    tree.counts()
    for _ in range(8):
        for number in drawn.sample(tree.movable(), 3):
            tree.move(number, drawn.randrange(64))
        tree.pass_by(sweep + 1)
        tree.counts()
        tree.pass_by(sweep)
        assert tree.counts().irqs == tree.whole()
    assert tree.whole_reads < 8, "few IRQs are read alone"


def test_irqbals_own_moves_are_known_at_once(tree: CountedTree) -> None:
    drawn = random.Random(7)
    tree.pass_by()
    tree.counts()
    for _ in range(8):
        snapshot = tree.tracker.snapshot(Ledger(), ())
        outcomes = tree.host.apply(
            [
                _move_to(snapshot.irq_by_number[number], drawn.randrange(64))
                for number in drawn.sample(tree.movable(), 3)
            ],
            (),
            None,
            False,
        )
        tree.tracker.restart_interval(outcomes)
        tree.pass_by(drawn.randrange(1, 4))
        assert tree.counts().irqs == tree.whole()
    assert tree.whole_reads < 8


def test_with_many_that_moved_the_whole_file_is_read(tree: CountedTree) -> None:
    tree.pass_by()
    tree.counts()
    for number in tree.movable():
        tree.move(number, 5)
    tree.pass_by(round(SWEEP_SECONDS / INTERVAL) + 1)
    before = tree.whole_reads
    assert tree.counts().irqs == tree.whole()
    assert tree.whole_reads == before + 1


def test_without_counts_of_single_irqs_the_whole_file_is_read(tree: CountedTree) -> None:
    """Not every tree has them, and a kernel may lack them."""
    tree.pass_by()
    tree.counts()
    number = tree.movable()[0]
    tree.move(number, 5)
    tree.pass_by(round(SWEEP_SECONDS / INTERVAL) + 1)
    (tree.kernel.folder / f"sys/kernel/irq/{number}/per_cpu_count").unlink()
    before = tree.whole_reads
    assert tree.counts().irqs == tree.whole()
    assert tree.whole_reads == before + 1


@pytest.mark.parametrize("every", [1, 2, 6])
def test_what_another_program_moved_is_counted_once_in_the_history(
    tree: CountedTree, every: int
) -> None:
    """Until irqbal sees the move, the interrupts are taken to be where the IRQ was. What is put
    right then is neither a reset nor counted again. A sample is taken in every so many intervals.
    """
    recorder = Recorder()
    drawn = random.Random(7)
    snapshot = tree.tracker.snapshot(Ledger(), ())
    names = {irq.number: irq.identity for irq in snapshot.irqs}
    tree.pass_by()
    recorder.take(tree.counts(), snapshot, 0.0)
    before = tree.totals()
    counted = dict.fromkeys(names.values(), 0)
    for sample in range(1, 31):
        for number in drawn.sample(tree.movable(), 2):
            tree.move(number, drawn.randrange(64))
        tree.pass_by(every)
        found = recorder.take(tree.counts(), snapshot, sample * every * INTERVAL)
        assert found is not None
        for (kind, name, _), count in found.values.items():
            if kind == "irq":
                counted[name] += count
    for number, total in tree.totals().items():
        assert counted[names[number]] == pytest.approx(total - before[number], abs=1), number


def _move_to(irq: Irq, cpu: int) -> Move:
    return Move(
        irq.number,
        irq.identity,
        irq.generation,
        irq.affinity,
        CpuSet.of(cpu),
        "test",
        "",
        "place",
    )
