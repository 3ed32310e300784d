"""From the model to the API's answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import asdict

from irqbal.api import responses
from irqbal.api.backend import View
from irqbal.findings.forecast import forecast
from irqbal.history.samples import Decision
from irqbal.model.plan import Outcome, Plan, Record, SteeringMove, imbalance
from irqbal.model.readings import DEFAULT
from irqbal.model.view import Device, Interface, Irq, Override, Snapshot
from irqbal.render.forecast import outlook_sentence
from irqbal.wire import Duration, Moment


def cycle(record: Record, snapshot: Snapshot) -> responses.Cycle:
    """A cycle's record, with each IRQ's name and each write's result."""
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
            responses.RefusalView(name=name_of(snapshot, item.irq), **asdict(item))
            for item in plan.refused
        ),
        drifted=plan.drifted,
        notes=tuple(
            responses.NoteView(policy, note.text, note.irq, note.advice)
            for policy, note in plan.notes
        ),
        failures=plan.failures,
        problem=record.problem,
        starting=plan.starting,
        planned=record.planned or record.cycle,
    )


def plan(record: Record, snapshot: Snapshot) -> responses.PlanAnswer:
    """A plan with its forecast."""
    if record.problem:
        return responses.PlanAnswer(cycle(record, snapshot), record.plan.kept)
    expected = forecast(snapshot, _undone(record))
    return responses.PlanAnswer(
        cycle(record, snapshot), record.plan.kept, expected, outlook_sentence(expected)
    )


def _undone(record: Record) -> Plan:
    """The plan without what was written: the snapshot that is shown has that already."""
    written = {item.identity for item in record.outcomes if item.result == "written"}
    moves = tuple(move for move in record.plan.moves if move.identity not in written)
    return msgspec.structs.replace(record.plan, moves=moves)


def _moves(
    record: Record, snapshot: Snapshot, outcomes: Mapping[str, Outcome]
) -> tuple[responses.MoveView, ...]:
    moves = []
    for move in record.plan.moves:
        shown = responses.MoveView(
            irq=move.irq,
            identity=move.identity,
            name=name_of(snapshot, move.irq),
            before=move.before,
            after=move.after,
            policy=move.policy,
            reason=move.reason,
            cause=move.cause,
        )
        outcome = outcomes.get(move.identity)
        if outcome is not None:
            shown = msgspec.structs.replace(
                shown,
                result=outcome.result,
                code=outcome.code,
                detail=outcome.detail,
                found=outcome.found,
            )
        moves.append(shown)
    return tuple(moves)


def _steering(setting: SteeringMove, outcomes: Mapping[str, Outcome]) -> responses.SteeringView:
    outcome = outcomes.get(setting.identity)
    return responses.SteeringView(
        interface=setting.interface,
        setting=setting.setting,
        queue=setting.queue,
        before=setting.before,
        after=setting.after,
        policy=setting.policy,
        reason=setting.reason,
        result="" if outcome is None else outcome.result,
        detail="" if outcome is None else outcome.detail,
    )


def _default(record: Record, outcomes: Mapping[str, Outcome]) -> responses.DefaultView | None:
    default = record.plan.default
    if default is None:
        return None
    outcome = outcomes.get(DEFAULT)
    return responses.DefaultView(
        before=default.before,
        after=default.after,
        policy=default.policy,
        reason=default.reason,
        result="" if outcome is None else outcome.result,
    )


def summary(view: View) -> responses.Summary:
    """The last cycle in numbers; the loads are those of the snapshot that is shown, so that no part
    of it contradicts them.
    """
    record, plan = view.record, view.record.plan
    over, busiest = imbalance(view.snapshot)
    return responses.Summary(
        cycle=record.cycle,
        at=Moment(record.wall),
        seconds=record.seconds,
        cause=record.cause,
        moves=len(plan.moves),
        right=len(plan.kept),
        refused=len(plan.refused),
        drifted=len(plan.drifted),
        failures=len(plan.failures),
        imbalance=over,
        busiest=busiest,
        measured=Moment(view.wall),
        problem=record.problem,
    )


def name_of(snapshot: Snapshot, number: int | None) -> str:
    """An IRQ's action; empty if there is no such IRQ."""
    irq = None if number is None else snapshot.irq_by_number.get(number)
    return "" if irq is None else irq.action


class _Claim(msgspec.Struct, frozen=True):
    policy: str
    reason: str


class IrqViews:
    """Shows the IRQs of one cycle, with what its plan and the overrides (by identity) say."""

    def __init__(self, view: View, overrides: Mapping[str, Override]) -> None:
        self._view, self._overrides = view, overrides
        plan = view.record.plan
        self._claims = {item.irq: _Claim(item.policy, item.reason) for item in plan.kept}
        self._claims.update({move.irq: _Claim(move.policy, move.reason) for move in plan.moves})
        self._planned = {move.irq: move.after for move in _undone(view.record).moves}

    def brief(self, irq: Irq) -> responses.BriefIrq:
        """One IRQ in short. Its rate has three digits: their tails are most of such an answer."""
        whole = self.irq(irq)
        fields = {name: getattr(whole, name) for name in responses.BriefIrq.__struct_fields__}
        fields["rate"] = float(f"{irq.rate:.3g}")
        return responses.BriefIrq(**fields)

    def irq(self, irq: Irq) -> responses.IrqView:
        """One IRQ. Unless the plan claims it, its policy is that of its last placement."""
        placed = irq.placed
        queues = tuple(
            responses.QueueView(queue.name, queue.index, queue.kind, queue.active)
            for queue in irq.queues
        )
        claim = self._claims.get(irq.number)
        if claim is None:
            claim = _Claim("", "") if placed is None else _Claim(placed.policy, placed.reason)
        return responses.IrqView(
            number=irq.number,
            identity=irq.identity,
            name=irq.action,
            chip=irq.chip,
            vector=irq.vector,
            device=irq.device,
            queue=None if irq.queue is None else queues[0],
            queues=queues,
            evidence=irq.evidence,
            node=irq.node,
            generation=irq.generation,
            movable=irq.movable,
            unmovable=irq.unmovable,
            affinity=irq.affinity,
            effective=irq.effective,
            hint=irq.hint,
            rate=_rate(irq.rate),
            load=_load(irq.load),
            local=irq.effective <= self._view.snapshot.local_cpus(irq),
            policy=claim.policy,
            reason=claim.reason,
            placed_ago=None if placed is None else Duration(round(placed.age)),
            override=irq.identity in self._overrides,
            total=self._view.totals.get(irq.number),
            planned=self._planned.get(irq.number),
        )


def override(item: Override, snapshot: Snapshot | None) -> responses.OverrideView:
    """An override, with its IRQ's present number and name."""
    irqs = () if snapshot is None else snapshot.irqs
    irq = next((irq for irq in irqs if irq.identity == item.identity), None)
    return responses.OverrideView(
        identity=item.identity,
        irq=None if irq is None else irq.number,
        name=item.identity.rpartition("/")[2] if irq is None else irq.action,
        cpus=item.cpus,
        reason=item.reason,
        who=item.who,
        expires=None if item.expires is None else Moment(item.expires),
    )


def _load(value: float) -> float:
    """A load to the microsecond a second: what follows is noise, and half of a large answer."""
    return round(value, 6)


def _rate(value: float) -> float:
    """A rate to a tenth of an interrupt a second; slow ones more exactly."""
    return round(value, 1 if value >= 10 else 4)


def cpus(snapshot: Snapshot) -> tuple[responses.CpuView, ...]:
    """Every CPU with its interrupts. The rate of an IRQ with several effective CPUs is divided
    evenly among them; each of them counts the IRQ.
    """
    rates: dict[int, float] = {}
    counts: dict[int, int] = {}
    for irq in snapshot.irqs:
        if irq.rate <= 0:
            continue
        for number in irq.effective:
            rates[number] = rates.get(number, 0.0) + irq.rate / len(irq.effective)
            counts[number] = counts.get(number, 0) + 1
    return tuple(
        responses.CpuView(
            number=cpu.number,
            node=cpu.node,
            package=cpu.package,
            core=cpu.core,
            l3=cpu.l3,
            siblings=cpu.siblings,
            capacity=cpu.capacity,
            online=cpu.online,
            isolated=cpu.isolated,
            irq_time=_load(cpu.irq_time),
            softirq_time=_load(cpu.softirq_time),
            load=_load(cpu.load),
            rate=_rate(rates.get(cpu.number, 0.0)),
            irqs=counts.get(cpu.number, 0),
        )
        for cpu in snapshot.cpus
    )


def device(item: Device, snapshot: Snapshot) -> responses.DeviceView:
    """A device, with the sums of its IRQs' rates and loads."""
    irqs = [
        snapshot.irq_by_number[number] for number in item.irqs if number in snapshot.irq_by_number
    ]
    return responses.DeviceView(
        address=item.address,
        driver=item.driver,
        node=item.node,
        local_cpus=item.local_cpus,
        interfaces=tuple(
            interface(snapshot.interface_by_name[name])
            for name in item.interfaces
            if name in snapshot.interface_by_name
        ),
        disks=item.disks,
        irqs=tuple(irq.number for irq in irqs),
        rate=_rate(sum(irq.rate for irq in irqs)),
        load=_load(sum(irq.load for irq in irqs)),
    )


def interface(item: Interface) -> responses.InterfaceView:
    """An interface with its queues' settings."""
    return responses.InterfaceView(
        name=item.name,
        up=item.up,
        tx=tuple(responses.TxView(queue.xps, queue.by_rxqs) for queue in item.tx),
        rx=tuple(responses.RxView(queue.rps, queue.flows) for queue in item.rx),
    )


def decision(item: Decision) -> responses.DecisionView:
    """A decision, as the API shows it."""
    return responses.DecisionView(
        at=Moment(item.wall),
        cycle=item.cycle,
        kind=item.kind,
        identity=item.identity,
        irq=item.irq,
        name=item.name,
        policy=item.policy,
        code=item.code,
        before=item.before,
        after=item.after,
        result=item.result,
        reason=item.reason,
        who=item.who,
        done=item.done,
        clock=item.clock,
        cause=item.cause,
    )
