"""Joins the last readings and the estimates from them to one frozen snapshot. Pure.

A new field of the readings reaches policies from here, as a field of the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.load.estimator import LoadEstimator
from irqbal.model.readings import Census, IrqFacts, Pulse, Topology
from irqbal.model.unmovable import PER_CPU, REFUSED
from irqbal.model.view import Cpu, Irq, Override, Placed, Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.tracking.delivery import Delivery
from irqbal.tracking.irq_catalog import IrqCatalog
from irqbal.tracking.squeezes import SqueezeRates


class Readings(msgspec.Struct, frozen=True):
    """The last reading of each kind; their times may differ."""

    census: Census
    topology: Topology
    pulse: Pulse


class CycleState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the cycle that a snapshot is made for; fields as in `model.view.Snapshot`."""

    cycle: int
    interval: float
    settling: bool
    hotplug: bool
    writers: tuple[str, ...]


class SnapshotBuilder:
    """Joins readings with identities, queues, rates and loads."""

    def __init__(
        self,
        catalog: IrqCatalog,
        delivery: Delivery,
        estimator: LoadEstimator,
        squeezes: SqueezeRates,
    ) -> None:
        self._catalog, self._delivery = catalog, delivery
        self._estimator, self._squeezes = estimator, squeezes

    def build(
        self,
        readings: Readings,
        state: CycleState,
        ledger: Ledger,
        overrides: tuple[Override, ...],
    ) -> Snapshot:
        """The snapshot of these readings. `ledger` gives each IRQ's last placement."""
        census, topology, pulse = readings.census, readings.topology, readings.pulse
        irqs = tuple(self._irq(facts, pulse, ledger) for facts in census.irqs)
        parts = _load_by_cpu(irqs)
        return Snapshot(
            now=pulse.time,
            cycle=state.cycle,
            interval=state.interval,
            settling=state.settling,
            hotplug=state.hotplug,
            time_visible=self._estimator.time_visible,
            default_affinity=census.default_affinity,
            cpus=tuple(self._cpu(cpu, pulse, parts) for cpu in topology.cpus),
            irqs=irqs,
            devices=self._catalog.devices,
            interfaces=topology.interfaces,
            threads=topology.threads,
            overrides=overrides,
            writers=state.writers,
            rfs_entries=topology.rfs_entries,
            boot_affinity=topology.boot_affinity,
        )

    def _cpu(self, cpu: Cpu, pulse: Pulse, parts: Mapping[int, float]) -> Cpu:
        """`parts`: what IRQs take, by CPU. Where no time is visible, or an IRQ has just come, it is
        more than what the CPU's own time says.
        """
        number = cpu.number
        irq, softirq = self._estimator.cpu_load(number) if number in pulse.online else (0.0, 0.0)
        softirq += max(0.0, parts.get(number, 0.0) - irq - softirq)
        return msgspec.structs.replace(
            cpu,
            online=number in pulse.online,
            irq_time=irq,
            softirq_time=softirq,
            squeezed=self._squeezes.by_cpu.get(number, 0.0),
            threads=self._estimator.thread_load(number),
        )

    def _irq(self, facts: IrqFacts, pulse: Pulse, ledger: Ledger) -> Irq:
        number, identities = facts.number, self._catalog.identities
        identity = identities.identity(number)
        device = self._catalog.device(number)
        load, noise = self._estimator.load(number)
        served = self._catalog.served(number)
        entry = ledger.entries.get(identity)
        unmovable = self._catalog.fixed.get(number, "")
        generation = identities.generation(number)
        if entry is not None and not facts.unmovable and entry.generation == generation:
            # What irqbal has done to it says more than the signs.
            if entry.refused == generation:
                unmovable = unmovable or REFUSED
            elif entry.moved:
                unmovable = ""
        effective = self._delivery.last(facts)
        if unmovable == PER_CPU:
            effective = CpuSet(facts.counts) or effective
        placed = None
        if entry is not None and entry.written is not None:
            age = max(0.0, pulse.time - entry.since)
            placed = Placed(entry.policy, entry.reason, CpuSet.parse(entry.written), age)
        return Irq(
            number,
            identity,
            facts.action,
            facts.chip,
            facts.vector,
            None if device is None else device.address,
            served.queues,
            served.evidence,
            facts.node,
            generation,
            unmovable,
            facts.affinity,
            effective,
            facts.hint,
            self._estimator.rate(number),
            load,
            noise,
            placed,
        )


def _load_by_cpu(irqs: Iterable[Irq]) -> dict[int, float]:
    """Seconds a second that IRQs take on each CPU. Of an IRQ that is delivered to several, nothing
    tells the shares: each gets the same.
    """
    loads: dict[int, float] = {}
    for irq in irqs:
        if irq.load > 0 and irq.effective:
            share = irq.load / len(irq.effective)
            for cpu in irq.effective:
                loads[cpu] = loads.get(cpu, 0.0) + share
    return loads
