"""What a plan would do to the load of each CPU, before it is carried out. Pure.

The kernel delivers an IRQ to one CPU of its mask, and chooses which. On x86 it leaves an IRQ where
it is if that CPU is in the new mask, and otherwise takes the CPU of the mask with the fewest
vectors (arch/x86/kernel/apic/vector.c, `assign_vector_locked` and `irq_matrix_alloc`); GICs take
the first one or spread. So a forecast has the likely choice, and the range around it.
"""

from __future__ import annotations

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Plan, imbalance
from irqbal.model.unmovable import MANAGED
from irqbal.model.view import Snapshot

CLEARLY = 0.01
"""Seconds a second by which the busiest CPU must differ to be called better or worse: loads are not
known more exactly."""


class CpuForecast(msgspec.Struct, frozen=True, kw_only=True):
    """Loads of one CPU in seconds a second: today's, the likely one with the plan, and the least
    and the most that the kernel's choices allow.
    """

    number: int
    now: float
    likely: float
    least: float
    most: float


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan would do, if each IRQ keeps its load.

    `busiest_…` are loads of the busiest CPU in seconds a second, `imbalance_…` that load over its
    lower bound. `busiest_most` is the busiest CPU if the kernel chooses worst. `open_irqs` counts
    the IRQs with load whose CPU the kernel would choose.
    """

    busiest_now: float
    busiest_likely: float
    busiest_most: float
    imbalance_now: float
    imbalance_likely: float
    open_irqs: int
    cpus: tuple[CpuForecast, ...]

    @property
    def change(self) -> int:
        """Whether the busiest CPU gets clearly lighter (-1), heavier (1), or neither (0)."""
        difference = self.busiest_likely - self.busiest_now
        return 0 if abs(difference) < CLEARLY else 1 if difference > 0 else -1


def forecast(snapshot: Snapshot, plan: Plan) -> Forecast:
    """The forecast of a plan that was made from this snapshot."""
    now = {cpu.number: cpu.load for cpu in snapshot.cpus}
    certain = dict(now)
    likely_extra: dict[int, float] = dict.fromkeys(now, 0.0)
    open_extra: dict[int, float] = dict.fromkeys(now, 0.0)
    vectors = _vectors(snapshot)
    open_irqs = 0
    # One after the other, as they are written: each has its vector until then.
    for move in plan.moves:
        irq = snapshot.irq_by_number.get(move.irq)
        target = move.after & snapshot.online
        if irq is None or not target:
            continue
        likely = _likely(target, irq.effective, vectors)
        if irq.load <= 0:
            continue
        for cpu in irq.effective:
            # What others took of it meanwhile stays below what was measured.
            certain[cpu] = max(0.0, certain.get(cpu, 0.0) - irq.load / len(irq.effective))
        if len(target) == 1:
            certain[target.first] += irq.load
            continue
        open_irqs += 1
        likely_extra[likely] += irq.load
        for cpu in target:
            open_extra[cpu] += irq.load
    cpus = tuple(
        CpuForecast(
            number=number,
            now=load,
            likely=certain[number] + likely_extra[number],
            least=certain[number],
            most=certain[number] + open_extra[number],
        )
        for number, load in now.items()
    )
    over, busiest = imbalance(snapshot)
    bound = busiest / over if over > 0 else 0.0
    after = max((cpu.likely for cpu in cpus), default=0.0)
    return Forecast(
        busiest_now=busiest,
        busiest_likely=after,
        busiest_most=max((cpu.most for cpu in cpus), default=0.0),
        imbalance_now=over,
        imbalance_likely=after / bound if bound > 0 else 0.0,
        open_irqs=open_irqs,
        cpus=cpus,
    )


def _vectors(snapshot: Snapshot) -> dict[int, int]:
    """How many vectors each CPU has in use. A managed IRQ reserves one on every CPU of its mask
    (kernel/irq/matrix.c, `irq_matrix_reserve_managed`).
    """
    counts = {cpu.number: 0 for cpu in snapshot.cpus}
    for irq in snapshot.irqs:
        where = irq.affinity if irq.unmovable == MANAGED else irq.effective
        if irq.unmovable == MANAGED or len(where) == 1:
            for cpu in where:
                counts[cpu] = counts.get(cpu, 0) + 1
    return counts


def _likely(target: CpuSet, effective: CpuSet, vectors: dict[int, int]) -> int:
    """The CPU that the kernel likely chooses; the IRQ's vector moves there."""
    stays = effective & target
    if stays:
        return stays.first
    chosen = min(target, key=lambda cpu: (vectors.get(cpu, 0), cpu))
    vectors[chosen] = vectors.get(chosen, 0) + 1
    if len(effective) == 1:
        vectors[effective.first] = vectors.get(effective.first, 1) - 1
    return chosen
