"""From the model to what the API answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from irqbal.api import responses
from irqbal.cpuset import CpuSet
from irqbal.history.samples import Decision
from irqbal.model.plan import Outcome, Record, SteeringMove
from irqbal.model.readings import DEFAULT
from irqbal.model.view import Device, Interface, Irq, Override, Snapshot
from irqbal.wire import Duration, Moment


def cycle(record: Record, snapshot: Snapshot) -> responses.Cycle:
    """A cycle's record, with names for people and the kernel's answers beside the moves."""
    plan = record.plan
    outcomes = {outcome.identity: outcome for outcome in record.outcomes}
    return responses.Cycle(
        cycle=record.cycle,
        at=Moment(record.wall),
        seconds=record.seconds,
        cause=record.cause,
        dry_run=record.dry_run,
        imbalance=record.imbalance,
        busiest=record.busiest,
        right=len(plan.kept),
        moves=_moves(record, snapshot, outcomes),
        steering=tuple(_steering(setting, outcomes) for setting in plan.steering),
        default=_default(record, outcomes),
        refused=tuple(
            responses.RefusalView(
                item.irq,
                name_of(snapshot, item.irq),
                item.policy,
                item.code,
                item.reason,
                item.advice,
            )
            for item in plan.refused
        ),
        drifted=plan.drifted,
        notes=tuple(
            responses.NoteView(policy, note.text, note.irq, note.advice)
            for policy, note in plan.notes
        ),
        failures=plan.failures,
        problem=record.problem,
    )


def _moves(
    record: Record, snapshot: Snapshot, outcomes: Mapping[str, Outcome]
) -> tuple[responses.MoveView, ...]:
    moves = []
    for move in record.plan.moves:
        outcome = outcomes.get(move.identity)
        said = (
            ("", "", "", "")
            if outcome is None
            else (outcome.result, outcome.code, outcome.detail, outcome.found)
        )
        moves.append(
            responses.MoveView(
                move.irq,
                move.identity,
                name_of(snapshot, move.irq),
                move.before,
                move.after,
                move.policy,
                move.reason,
                move.cause,
                *said,
            )
        )
    return tuple(moves)


def _steering(setting: SteeringMove, outcomes: Mapping[str, Outcome]) -> responses.SteeringView:
    outcome = outcomes.get(setting.identity)
    said = ("", "") if outcome is None else (outcome.result, outcome.detail)
    return responses.SteeringView(
        setting.interface,
        setting.setting,
        setting.queue,
        setting.before,
        setting.after,
        setting.policy,
        setting.reason,
        *said,
    )


def _default(record: Record, outcomes: Mapping[str, Outcome]) -> responses.DefaultView | None:
    default = record.plan.default
    if default is None:
        return None
    outcome = outcomes.get(DEFAULT)
    result = "" if outcome is None else outcome.result
    return responses.DefaultView(
        default.before, default.after, default.policy, default.reason, result
    )


def summary(record: Record) -> responses.Summary:
    """A cycle in numbers."""
    plan = record.plan
    return responses.Summary(
        record.cycle,
        Moment(record.wall),
        record.seconds,
        record.cause,
        len(plan.moves),
        len(plan.kept),
        len(plan.refused),
        len(plan.drifted),
        len(plan.failures),
        record.imbalance,
        record.busiest,
        record.problem,
    )


def name_of(snapshot: Snapshot, number: int | None) -> str:
    """An IRQ's action, or empty."""
    irq = None if number is None else snapshot.irq_by_number.get(number)
    return "" if irq is None else irq.action


def irq(
    found: Irq,
    snapshot: Snapshot,
    policies: Mapping[int, tuple[str, str]],
    overrides: Mapping[str, Override],
    totals: Mapping[int, int],
) -> responses.IrqView:
    """One IRQ. `policies`: (policy, reason) by IRQ number, of what the last plan claims."""
    queue, placed = found.queue, found.placed
    policy, reason = policies.get(found.number) or (
        ("", "") if placed is None else (placed.policy, placed.reason)
    )
    return responses.IrqView(
        number=found.number,
        identity=found.identity,
        name=found.action,
        chip=found.chip,
        vector=found.vector,
        device=found.device,
        queue=None
        if queue is None
        else responses.QueueView(queue.name, queue.index, queue.kind, queue.active),
        node=found.node,
        generation=found.generation,
        movable=found.movable,
        unmovable=found.unmovable,
        affinity=found.affinity,
        effective=found.effective,
        hint=found.hint,
        rate=found.rate,
        load=found.load,
        local=found.effective <= snapshot.local_cpus(found),
        policy=policy,
        reason=reason,
        placed_ago=None if placed is None else Duration(placed.age),
        override=found.identity in overrides,
        total=totals.get(found.number),
    )


def claims(record: Record) -> dict[int, tuple[str, str]]:
    """(policy, reason) by IRQ number: who keeps or moved it in this cycle."""
    found = {kept.irq: (kept.policy, kept.reason) for kept in record.plan.kept}
    found.update({move.irq: (move.policy, move.reason) for move in record.plan.moves})
    return found


def override(item: Override, snapshot: Snapshot | None) -> responses.OverrideView:
    """An override, with its IRQ's present number."""
    found = (
        None
        if snapshot is None
        else next((irq for irq in snapshot.irqs if irq.identity == item.identity), None)
    )
    number, name = (
        (None, item.identity.rpartition("/")[2]) if found is None else (found.number, found.action)
    )
    expires = None if item.expires is None else Moment(item.expires)
    return responses.OverrideView(
        item.identity, number, name, item.cpus, item.reason, item.who, expires
    )


def cpus(snapshot: Snapshot) -> tuple[responses.CpuView, ...]:
    """Every CPU with what is delivered to it; an IRQ with several effective CPUs counts on each in
    part.
    """
    rates: dict[int, float] = {}
    counts: dict[int, int] = {}
    for one in snapshot.irqs:
        if one.rate <= 0:
            continue
        for number in one.effective:
            rates[number] = rates.get(number, 0.0) + one.rate / len(one.effective)
            counts[number] = counts.get(number, 0) + 1
    return tuple(
        responses.CpuView(
            cpu.number,
            cpu.node,
            cpu.package,
            cpu.core,
            cpu.l3,
            cpu.siblings,
            cpu.capacity,
            cpu.online,
            cpu.isolated,
            cpu.irq_time,
            cpu.softirq_time,
            cpu.load,
            rates.get(cpu.number, 0.0),
            counts.get(cpu.number, 0),
        )
        for cpu in snapshot.cpus
    )


def device(found: Device, snapshot: Snapshot) -> responses.DeviceView:
    """One device, with the sums of its IRQs."""
    numbers = tuple(number for number in found.irqs if number in snapshot.irq_by_number)
    mine = [snapshot.irq_by_number[number] for number in numbers]
    interfaces = tuple(
        interface(snapshot.interface_by_name[name])
        for name in found.interfaces
        if name in snapshot.interface_by_name
    )
    return responses.DeviceView(
        found.address,
        found.driver,
        found.node,
        found.local_cpus,
        interfaces,
        found.disks,
        numbers,
        sum(one.rate for one in mine),
        sum(one.load for one in mine),
    )


def interface(found: Interface) -> responses.InterfaceView:
    """An interface with its queues' settings."""
    tx = tuple(responses.TxView(queue.xps, queue.by_rxqs) for queue in found.tx)
    rx = tuple(responses.RxView(queue.rps, queue.flows) for queue in found.rx)
    return responses.InterfaceView(found.name, found.up, tx, rx)


def decision(item: Decision) -> responses.DecisionView:
    """One decision."""
    return responses.DecisionView(
        Moment(item.wall),
        item.cycle,
        item.kind,
        item.identity,
        item.irq,
        item.name,
        item.policy,
        item.code,
        item.before,
        item.after,
        item.result,
        item.reason,
        item.who,
    )


def hex_mask(cpus: CpuSet) -> str:
    """As in smp_affinity."""
    return cpus.mask()
