"""Requests share a cycle, and each is undone alone; what a failed cycle did is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cycle_rig import Rig, elsewhere, placed
from irqbal.api.backend import Caller
from irqbal.cpuset import CpuSet
from irqbal.errors import HostError, IrqbalError, StateFileError
from irqbal.model.plan import Plan
from irqbal.model.view import Override
from irqbal.plugins import protocol
from irqbal.plugins.supervisor import SupervisorStopped
from irqbal.service.cycle_result import CycleResult
from irqbal.service.history_service import HistorySampler
from irqbal.service.kernel_requests import (
    ClearOverride,
    KernelRequest,
    Pause,
    Restore,
    Resume,
    SetOverride,
)
from irqbal.service.override_requests import OverrideRequests


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def failing_cycle(rig: Rig, monkeypatch: pytest.MonkeyPatch, *requests: KernelRequest) -> None:
    """A cycle takes these requests, and then the host cannot be read."""
    for request in requests:
        rig.requests.put(request)
    with monkeypatch.context() as patch:
        patch.setattr(rig.balancer.tracker, "sample", raising(HostError("no /proc/stat")))
        with pytest.raises(HostError):
            rig.balancer.run_cycle("request")
    rig.requests.release()


def of_two(rig: Rig) -> tuple[SetOverride, SetOverride]:
    """An override that is refused, and one that is written."""
    irq = placed(rig.rested())
    return (
        SetOverride(Override("no/such/irq", CpuSet.of(1))),
        SetOverride(Override(irq.identity, elsewhere(irq))),
    )


@pytest.mark.parametrize("order", [1, -1])
def test_a_refused_override_takes_no_other_with_it(rig: Rig, order: int) -> None:
    refused, written = of_two(rig)
    for request in (refused, written)[::order]:
        rig.requests.put(request)
    result = rig.cycle()
    assert refused.refusal is not None and written.refusal is None
    assert [item.identity for item in result.overrides] == [written.places]


def test_a_refused_override_brings_no_cleared_one_back(rig: Rig) -> None:
    refused, written = of_two(rig)
    rig.requests.put(written)
    rig.cycle()
    rig.requests.put(refused)
    rig.requests.put(ClearOverride(written.places))
    assert rig.cycle().overrides == ()


def test_all_requests_of_a_cycle_that_failed_are_undone(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, written = of_two(rig)
    again = SetOverride(Override(written.places, CpuSet.of(7)))
    failing_cycle(rig, monkeypatch, refused, written, again)
    assert rig.balancer.overrides.current == ()
    rig.requests.put(written := SetOverride(Override(written.places, CpuSet.of(6))))
    rig.cycle()
    kept = rig.balancer.overrides.current
    requests = (Pause(), ClearOverride(written.places), Resume(), Pause())
    failing_cycle(rig, monkeypatch, *requests)
    assert rig.balancer.overrides.current == kept
    assert not rig.balancer.paused
    for request in requests:
        with pytest.raises(HostError):
            request.future.result(0)


def test_a_stop_while_policies_plan_takes_the_override_back_and_answers(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, request = of_two(rig)
    rig.requests.put(request)
    monkeypatch.setattr(rig.policies, "plan", raising(SupervisorStopped()))
    with pytest.raises(SupervisorStopped):
        rig.cycle()
    assert rig.balancer.overrides.current == ()
    rig.requests.release()
    with pytest.raises(IrqbalError, match="nothing was changed"):
        request.future.result(0)


def test_a_caller_that_gave_up_stops_no_other_answer(rig: Rig) -> None:
    first, second = Pause(), Resume()
    rig.requests.put(first)
    rig.requests.put(second)
    assert first.future.cancel()
    rig.cycle()
    rig.requests.release()
    assert second.future.done()


# Pause


def test_a_timer_ends_its_own_pause_and_no_later_one(rig: Rig) -> None:
    first, later = Pause(), Pause()
    timer, late_timer = Resume(first), Resume(later)
    for request in (first, later, timer):
        rig.requests.put(request)
    assert rig.cycle().paused and not timer.resumed
    rig.requests.put(late_timer)
    assert not rig.cycle().paused and late_timer.resumed


def test_a_timer_ends_no_pause_after_a_restore(rig: Rig) -> None:
    pause = Pause()
    for request in (pause, restore := Restore(), Resume(pause)):
        rig.requests.put(request)
    assert rig.cycle().paused
    assert restore.outcomes is not None


# Restore


def test_a_restore_that_cannot_read_the_originals_changes_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.rested()
    monkeypatch.setattr(rig.balancer.originals, "originals", raising(StateFileError("unreadable")))
    rig.requests.put(request := Restore())
    assert not rig.cycle().paused
    assert request.outcomes is None


def test_a_restore_that_cannot_forget_the_originals_pauses_and_keeps_them(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    irq = placed(rig.rested())
    monkeypatch.setattr(rig.balancer.originals, "keep_only", raising(StateFileError("no space")))
    rig.requests.put(request := Restore())
    assert rig.cycle().paused
    written = {item.identity for item in request.outcomes or () if item.result == "written"}
    assert irq.identity in written
    assert rig.balancer.originals is not None
    assert irq.identity in rig.balancer.originals.originals()
    assert "no space; the next restore" in caplog.text


def test_what_was_restored_stays_though_the_cycle_after_it_failed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    irq = placed(rig.rested())
    failing_cycle(rig, monkeypatch, request := Restore())
    assert rig.balancer.paused
    written = {item.identity for item in request.outcomes or () if item.result == "written"}
    assert irq.identity in written


# The cycle


def test_a_second_plan_finds_the_drift_that_the_first_one_found(rig: Rig) -> None:
    irq, other = placed(rig.rested()), placed(rig.rested(), 1)
    rig.tamper(irq)
    rig.while_planning(SetOverride(Override(other.identity, elsewhere(other))))
    plan = rig.cycle().record.plan
    assert plan.drifted == (irq.number,)
    assert [move.cause for move in plan.moves if move.irq == irq.number] == ["drift"]


def test_an_override_that_expires_in_a_failed_cycle_is_reported_by_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    irq = placed(rig.rested())
    override = Override(irq.identity, elsewhere(irq), expires=0.5)
    rig.balancer.overrides.put(override)
    failing_cycle(rig, monkeypatch)
    assert rig.cycle().expired == (override,)
    assert rig.cycle().expired == ()


def test_a_sample_that_cannot_be_read_costs_no_cycle(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _, request = of_two(rig)
    rig.requests.put(request)
    monkeypatch.setattr(rig.host, "counts", raising(HostError("no /proc/interrupts")))
    with caplog.at_level(logging.WARNING):
        result = HistorySampler(60.0, refresh=False).run(rig.balancer, "tick", False)
    assert result.record.outcomes and result.sample is None
    assert "no /proc/interrupts" in caplog.text


def test_what_waits_is_answered_also_when_the_daemon_ends(rig: Rig) -> None:
    """The answer reaches a waiter on another loop's future."""

    async def scenario() -> None:
        _, request = of_two(rig)
        rig.requests.put(request)
        waiter = asyncio.wrap_future(request.future)
        rig.policies.stop()
        with pytest.raises(SupervisorStopped):
            rig.cycle()
        rig.requests.release()
        with pytest.raises(IrqbalError):
            await asyncio.wait_for(waiter, 60)

    asyncio.run(scenario())


def test_an_override_that_no_plan_carried_out_is_not_called_unchanged(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    irq = placed(rig.rested())
    override = Override(irq.identity, elsewhere(irq), who="root")

    async def change(request: KernelRequest) -> CycleResult:
        rig.requests.put(request)
        return rig.cycle("request")

    daemon: Any = SimpleNamespace(change=change, balancer=rig.balancer)
    decisions: Any = SimpleNamespace(add=lambda *_: None)
    requests = OverrideRequests(daemon, decisions)
    with monkeypatch.context() as patch:
        # A policy host that was taken over gives a plan of its own.
        empty = protocol.PlanResult(Plan(), rig.balancer.ledger)
        patch.setattr(rig.balancer.policies, "plan", lambda *_: (empty, ()))
        answer = asyncio.run(requests.set(override, irq.number, Caller("root", "here")))
    assert answer.result == "transient" and answer.affinity == irq.affinity
    assert f"its mask is still {irq.affinity}" in answer.detail
    again = asyncio.run(requests.set(override, irq.number, Caller("root", "here")))
    assert (again.result, again.affinity) == ("written", override.cpus)
    same = asyncio.run(requests.set(override, irq.number, Caller("root", "here")))
    assert (same.result, same.detail) == ("unchanged", "the mask was already right")
