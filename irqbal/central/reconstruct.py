"""Reconstructs a host's last cycle from its history, if its daemon did not ship the cycle. Pure.

What the history does not record keeps its default: packages and NUMA nodes of CPUs, which IRQs can
be moved, refusals, and overrides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from irqbal.cpuset import CpuSet
from irqbal.history.host_status import LastCycle
from irqbal.history.samples import Decision, IrqState, Sample
from irqbal.model.plan import Plan, Record, imbalance
from irqbal.model.queues import parse_queues
from irqbal.model.view import Cpu, Device, Interface, Irq, Placed, Snapshot


def reconstruct_cycle(
    states: Iterable[IrqState], sample: Sample | None, decisions: Sequence[Decision], wall: float
) -> LastCycle:
    """The cycle at the end of `sample`, which is the newest one; at `wall` if there is none.
    `decisions` are those of the last day, newest first.
    """
    present = [state for state in states if not state.gone]
    end = wall if sample is None else sample.wall
    cpus = _cpus(present, sample)
    placed = _placed(decisions, end)
    irqs = _irqs(present, sample, {cpu.number: cpu.load for cpu in cpus}, placed)
    snapshot = Snapshot(
        time_visible=any(cpu.load for cpu in cpus),
        cpus=cpus,
        irqs=irqs,
        devices=_devices(irqs),
        interfaces=_interfaces(irqs),
    )
    over, busiest = imbalance(snapshot)
    cycle = decisions[0].cycle if decisions else 0
    return LastCycle(
        end, snapshot, Record(cycle, end, 0.0, "history", False, Plan(), (), over, busiest), {}
    )


def _cpus(states: Iterable[IrqState], sample: Sample | None) -> tuple[Cpu, ...]:
    """The CPUs on which IRQs are delivered or anything was counted."""
    numbers: set[int] = set()
    times: dict[int, dict[str, float]] = {}
    for state in states:
        numbers |= set(_cpu_set(state.effective))
    if sample is not None:
        for series, value in sample.values.items():
            if series.cpu >= 0:
                numbers.add(series.cpu)
            if series.kind == "time" and sample.seconds > 0:
                times.setdefault(series.cpu, {})[series.name] = value / 1e6 / sample.seconds
    return tuple(
        Cpu(
            number,
            core=number,
            siblings=CpuSet([number]),
            irq_time=mine.get("irq", 0.0),
            softirq_time=mine.get("softirq", 0.0),
        )
        for number in sorted(numbers)
        for mine in [times.get(number, {})]
    )


def _irqs(
    states: Iterable[IrqState],
    sample: Sample | None,
    loads: Mapping[int, float],
    placed: Mapping[str, Placed],
) -> tuple[Irq, ...]:
    """The IRQs; each CPU's load is apportioned to its IRQs by their counts."""
    counts: dict[str, dict[int, int]] = {}
    of_cpu: dict[int, int] = {}
    for series, value in sample.values.items() if sample is not None else ():
        if series.kind == "irq":
            counts.setdefault(series.name, {})[series.cpu] = value
            of_cpu[series.cpu] = of_cpu.get(series.cpu, 0) + value
    seconds = sample.seconds if sample is not None and sample.seconds > 0 else 1.0
    found = []
    for state in states:
        mine = counts.get(state.identity, {})
        load = sum(
            loads.get(cpu, 0.0) * value / of_cpu[cpu] for cpu, value in mine.items() if of_cpu[cpu]
        )
        found.append(
            Irq(
                state.number,
                state.identity,
                state.action,
                device=state.device or None,
                queues=parse_queues(state.queue),
                affinity=_cpu_set(state.affinity),
                effective=_cpu_set(state.effective),
                rate=sum(mine.values()) / seconds,
                load=load,
                placed=placed.get(state.identity),
            )
        )
    return tuple(sorted(found, key=lambda irq: irq.number))


def _placed(decisions: Iterable[Decision], now: float) -> dict[str, Placed]:
    """The newest move of each IRQ."""
    found: dict[str, Placed] = {}
    for item in decisions:
        if item.kind == "move" and item.identity not in found:
            found[item.identity] = Placed(
                item.policy, item.reason, _cpu_set(item.after), max(0.0, now - item.wall)
            )
    return found


def _devices(irqs: Iterable[Irq]) -> tuple[Device, ...]:
    by_address: dict[str, list[Irq]] = {}
    for irq in irqs:
        if irq.device is not None:
            by_address.setdefault(irq.device, []).append(irq)
    return tuple(
        Device(
            address,
            interfaces=_names(mine, disks=False),
            disks=_names(mine, disks=True),
            irqs=tuple(irq.number for irq in mine),
        )
        for address, mine in sorted(by_address.items())
    )


def _names(irqs: Iterable[Irq], disks: bool) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            queue.name for irq in irqs for queue in irq.queues if (queue.kind == "io") == disks
        )
    )


def _interfaces(irqs: Sequence[Irq]) -> tuple[Interface, ...]:
    devices = {queue.name: irq.device for irq in irqs for queue in irq.queues if queue.kind != "io"}
    return tuple(Interface(name, device) for name, device in sorted(devices.items()))


def _cpu_set(text: str) -> CpuSet:
    try:
        return CpuSet.parse(text) if text else CpuSet()
    except ValueError:
        return CpuSet()
