"""What the API reads of a running daemon, beside a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import pytest

from cycle_rig import INTERVAL, Rig
from irqbal.config.reader import parse
from irqbal.errors import HostError
from irqbal.service.assembly import bind
from irqbal.service.live_view import REFRESH_PATIENCE, LiveView, RunningDaemon
from irqbal.service.run_mode import RunMode


class ReloadAhead:
    """A kernel thread in whose queue a reload waits before every question."""

    def __init__(self, reload: Callable[[], None]) -> None:
        self._reload = reload

    async def ask(self, work: Callable[[], Any]) -> Any:
        self._reload()
        return work()


class HistoryInline:
    """A history thread that is the loop's."""

    async def run(self, work: Callable[..., Any], *arguments: object) -> Any:
        return work(*arguments)


class DaemonAround:
    """What the live view uses of a daemon, around a balancer."""

    def __init__(self, rig: Rig) -> None:
        self.balancer, self.history, self.no_history = rig.balancer, None, ""
        self.config, self.mode = parse("", "(defaults)"), RunMode()
        self.thread = HistoryInline()
        self.kernel = ReloadAhead(self.reload)

    def reload(self) -> None:
        balancer = self.balancer
        policies = bind(self.config, "(defaults)")
        balancer.reconfigure(policies, balancer.settings, INTERVAL, dry_run=False)


def test_policies_are_described_by_those_that_a_reload_brought(rig: Rig) -> None:
    """The earlier ones are closed: a question would start another process for them."""
    before = rig.balancer.policies
    view = LiveView(cast(RunningDaemon, DaemonAround(rig)))
    listed = asyncio.run(view.policies())
    assert rig.balancer.policies is not before
    try:
        assert all(item.schema for item in listed if item.position is not None)
        assert before.pid is None, "nothing was started again"
    finally:
        rig.balancer.policies.close()


class HangingKernel:
    """A kernel thread that hangs in a read."""

    async def run(self, work: Callable[[], Any]) -> Any:
        await asyncio.Event().wait()


class StoppedKernel:
    """A kernel thread whose host cannot be read."""

    async def run(self, work: Callable[[], Any]) -> Any:
        raise HostError("/proc/interrupts cannot be read")


@pytest.mark.parametrize("kernel", [HangingKernel(), StoppedKernel()])
def test_the_status_waits_a_moment_for_the_figures_and_fails_for_none(
    rig: Rig, kernel: object
) -> None:
    async def ask() -> None:
        daemon = DaemonAround(rig)
        daemon.kernel = cast(Any, kernel)
        view = LiveView(cast(RunningDaemon, daemon))
        view.publish(rig.cycle())
        # Two cycles that read no affinity: whoever asks now waits for a new snapshot.
        for _ in range(2):
            view.publish(msgspec.structs.replace(rig.rested(), fresh=False))
        with pytest.raises((TimeoutError, HostError)):
            async with asyncio.timeout(0.2):
                await view.view()
        async with asyncio.timeout(10 * REFRESH_PATIENCE):
            await view.refresh()
        assert view.status().host

    asyncio.run(ask())
