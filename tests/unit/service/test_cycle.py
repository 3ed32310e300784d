"""A cycle returns what it did, whole; requests are taken in it, and sinks are told of it."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from cycle_rig import Rig, elsewhere, placed
from irqbal.cpuset import CpuSet
from irqbal.errors import HostBusyError, HostError, StateFileError
from irqbal.history.decisions import DecisionMaker
from irqbal.model.view import Override
from irqbal.service import kernel_thread
from irqbal.service.cycle_result import CycleResult
from irqbal.service.kernel_requests import (
    ClearOverride,
    Pause,
    Resume,
    SetOverride,
)
from irqbal.service.kernel_thread import KernelThread
from irqbal.service.override_store import OverrideStore
from irqbal.service.scheduler import Scheduler
from irqbal.service.sinks import LogSink, publish

# The result


def test_a_cycle_that_is_reported_late_names_the_mask_of_its_own_moment(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """A later cycle, for an override, puts the mask back before the first is logged."""
    irq, other = placed(rig.rested()), placed(rig.rested(), 1)
    intruder = rig.tamper(irq)
    drifted = rig.cycle()
    rig.requests.put(SetOverride(Override(other.identity, elsewhere(other))))
    rig.cycle("override")
    assert rig.host.state.lines[irq.number].mask == irq.affinity != intruder
    with caplog.at_level(logging.WARNING):
        publish([LogSink()], drifted)
    assert f"another program set IRQ {irq.number} ({irq.action}" in caplog.text
    assert f"to {intruder}" in caplog.text
    decisions = DecisionMaker("boot").of(drifted.record, drifted.planned_on)
    assert [item.after for item in decisions if item.kind == "drift"] == [str(intruder)]


def test_the_snapshots_before_and_after_the_writes_belong_to_one_cycle(rig: Rig) -> None:
    irq = placed(rig.rested())
    intruder = rig.tamper(irq)
    result = rig.cycle()
    assert result.record.plan.drifted == (irq.number,)
    assert result.planned_on.irq_by_number[irq.number].affinity == intruder
    assert result.after.irq_by_number[irq.number].affinity == irq.affinity


def test_the_trigger_says_why_a_plan_was_made_or_the_last_one_reused(rig: Rig) -> None:
    assert rig.cycle("start").trigger.startswith("start")
    reused = rig.rested()
    assert reused.trigger.startswith("the plan of cycle ")
    assert reused.trigger.endswith(" is reused: nothing changed since")
    rig.tamper(placed(reused))
    assert "masks changed" in rig.cycle().trigger


# Requests


def test_a_pause_that_arrives_while_policies_plan_stops_the_write(rig: Rig) -> None:
    irq = placed(rig.rested())
    intruder = rig.tamper(irq)
    rig.while_planning(Pause())
    result = rig.cycle()
    assert result.paused and result.record.outcomes == () and result.record.problem == "paused"
    assert rig.host.state.lines[irq.number].mask == intruder
    rig.requests.put(Resume())
    assert not rig.cycle("resume").paused
    assert rig.host.state.lines[irq.number].mask == irq.affinity


def test_an_override_that_arrives_while_policies_plan_is_written_in_that_cycle(rig: Rig) -> None:
    irq = placed(rig.rested())
    wanted = elsewhere(irq)
    request = SetOverride(Override(irq.identity, wanted))
    rig.while_planning(request)
    result = rig.cycle("request")
    assert rig.host.state.lines[irq.number].mask == wanted
    assert [item.identity for item in result.overrides] == [irq.identity]
    assert result.trigger == "request; planned again for: override"
    rig.requests.release()
    assert request.future.result(0).record.cycle == result.record.cycle


def test_a_request_that_an_earlier_cycle_took_asks_for_no_further_plan(rig: Rig) -> None:
    async def scenario() -> None:
        scheduler = Scheduler()
        scheduler.wake()
        due = await scheduler.next(60)
        assert (due.cause, due.full) == ("tick", False)

    asyncio.run(scenario())
    rig.rested()
    assert not rig.cycle("tick").fresh


def test_requests_are_the_cause_of_their_cycle(rig: Rig) -> None:
    irq = placed(rig.rested())
    rig.requests.put(SetOverride(Override(irq.identity, elsewhere(irq))))
    result = rig.cycle()
    assert result.record.cause == "override" and result.trigger.startswith("override")


def test_an_override_is_placed_although_balancing_is_paused_and_nothing_else_is(rig: Rig) -> None:
    irq, other = placed(rig.rested()), placed(rig.rested(), 1)
    rig.requests.put(Pause())
    rig.cycle("pause")
    rig.tamper(other)
    rig.requests.put(SetOverride(Override(irq.identity, elsewhere(irq))))
    result = rig.cycle("override")
    assert [move.irq for move in result.record.plan.moves] == [irq.number]


def test_an_override_that_cannot_be_carried_out_is_not_kept(rig: Rig) -> None:
    rig.rested()
    request = SetOverride(Override("no/such/irq", CpuSet.of(1)))
    rig.requests.put(request)
    assert rig.cycle("override").overrides == ()
    assert request.refusal is not None and request.refusal.result == "gone"


def test_a_host_that_cannot_be_read_takes_the_override_back_and_says_so(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    irq = placed(rig.rested())
    request = SetOverride(Override(irq.identity, elsewhere(irq)))
    rig.requests.put(request)

    def broken(*_: object) -> Any:
        raise HostError("no /proc/stat")

    monkeypatch.setattr(rig.host, "pulse", broken)
    with pytest.raises(HostError):
        rig.balancer.run_cycle("override")
    assert rig.balancer.overrides.current == ()
    rig.requests.release()
    with pytest.raises(HostError, match="no /proc/stat"):
        request.future.result(0)


def test_an_override_that_cannot_be_stored_is_refused_and_nothing_is_planned_for_it() -> None:
    class Full(OverrideStore):
        def _save(self, overrides: tuple[Override, ...]) -> None:
            raise StateFileError("no space")

    rig = Rig(Full())
    try:
        irq = placed(rig.rested())
        request = SetOverride(Override(irq.identity, elsewhere(irq)))
        rig.requests.put(request)
        rig.cycle("override")
        rig.requests.release()
        with pytest.raises(StateFileError):
            request.future.result(0)
        assert rig.host.state.lines[irq.number].mask == irq.affinity
    finally:
        rig.policies.close()


def test_a_cleared_override_is_placed_by_the_policies_at_once(rig: Rig) -> None:
    irq = placed(rig.rested())
    rig.requests.put(SetOverride(Override(irq.identity, elsewhere(irq))))
    rig.cycle("override")
    rig.requests.put(ClearOverride(irq.identity))
    result = rig.cycle("override cleared")
    assert result.overrides == ()
    plan = result.record.plan
    owners = {kept.policy for kept in plan.kept if kept.irq == irq.number}
    owners |= {move.policy for move in plan.moves if move.irq == irq.number}
    assert owners == {"pin_nic_queues"}
    assert not [item for item in plan.refused if item.code == "cooldown"]


def test_a_request_that_waited_too_long_is_never_done(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.rested()
    late, withdrawn = Pause(), Pause()
    monkeypatch.setattr("irqbal.service.kernel_requests.PATIENCE", -1.0)
    rig.requests.put(late)
    assert rig.requests.take() == []
    monkeypatch.undo()
    rig.requests.put(withdrawn)
    assert withdrawn.withdraw()
    assert not rig.cycle().paused
    assert late.withdraw(), "the caller is told that it was not done"


def test_a_question_behind_a_long_cycle_is_answered_busy_and_not_done_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernel_thread, "PATIENCE", 0.05)
    release, done = threading.Event(), []

    async def scenario() -> None:
        kernel = KernelThread()
        cycle = asyncio.ensure_future(kernel.run(release.wait, 60))
        with pytest.raises(HostBusyError, match="nothing was changed"):
            await kernel.ask(lambda: done.append("late"))
        release.set()
        await cycle
        await kernel.ask(lambda: done.append("in time"))
        kernel.shutdown()

    asyncio.run(scenario())
    assert done == ["in time"]


def test_no_more_than_a_few_questions_wait() -> None:
    release = threading.Event()

    async def scenario() -> None:
        kernel = KernelThread()
        cycle = asyncio.ensure_future(kernel.run(release.wait, 60))
        waiting = [
            asyncio.ensure_future(kernel.ask(lambda: None))
            for _ in range(kernel_thread.MOST_WAITING + 2)
        ]
        await asyncio.sleep(0)
        with pytest.raises(HostBusyError, match="too many requests"):
            await kernel.ask(lambda: None)
        release.set()
        await asyncio.gather(cycle, *waiting)
        kernel.shutdown()

    asyncio.run(scenario())


# Sinks


def test_a_sink_that_raises_stops_no_other(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def publish(self, result: CycleResult) -> None:
            raise RuntimeError("of its own")

    class Collecting:
        def __init__(self) -> None:
            self.cycles: list[int] = []

        def publish(self, result: CycleResult) -> None:
            self.cycles.append(result.record.cycle)

    first, last = Collecting(), Collecting()
    result = rig.cycle()
    publish([first, Broken(), last], result)
    assert first.cycles == last.cycles == [result.record.cycle]
    assert "was not passed on to Broken" in caplog.text
