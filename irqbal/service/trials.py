"""Trials of a running daemon: balancing pauses, the two sides take turns, and then everything is as
it was before.

A trial belongs to a client that says from time to time that it is still there. If it is not, the
trial ends.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping

import msgspec

from irqbal.api import requests
from irqbal.api.backend import ApiError, Caller
from irqbal.errors import IrqbalError
from irqbal.render.trial_texts import headline, with_summary
from irqbal.service.kernel_requests import Pause, Resume
from irqbal.service.live_view import RunningDaemon
from irqbal.service.trial_sides import DaemonSides, TrialLayouts
from irqbal.service.what_if import plan_with, policies_of
from irqbal.state.trials_file import MOST_TRIALS, load_trials, save_trials
from irqbal.trials.layout import differing, present_layout, with_originals, with_plan
from irqbal.trials.record import TrialRecord
from irqbal.trials.result import finished
from irqbal.trials.run import TrialEnded, TrialProgress, TrialRun
from irqbal.wire import Duration, Moment

log = logging.getLogger(__name__)

WINDOW, SETTLE = Duration(60), Duration(5)
"""Length of a window, and of the time before it that is left out, unless the client says so."""
LEASE = 30.0
"""Seconds after which a client that says nothing is gone."""


class DaemonTrials:
    """The trial that runs, and those that ended. Its methods belong to the loop."""

    def __init__(self, daemon: RunningDaemon, decide: Callable[[str, str, str], None]) -> None:
        """`decide` stores a decision: its result, its reason, and who made it."""
        self._daemon, self._decide = daemon, decide
        self._ended: tuple[TrialRecord, ...] | None = None
        self._running: TrialRecord | None = None
        self._starting = False
        self._sides: DaemonSides | None = None
        self._task: asyncio.Task[None] | None = None
        self._heard = 0.0
        self._reason = ""
        self._closing = False

    @property
    def is_running(self) -> bool:
        """Whether a trial holds balancing still."""
        return self._starting or self._running is not None

    def running_name(self) -> str:
        """The id of the trial that runs, or an empty text."""
        return "" if self._running is None else self._running.id

    def check_idle(self) -> None:
        """Raises ApiError while a trial runs: what it compares must not change under it."""
        if self.is_running:
            raise ApiError(
                409,
                "trial-running",
                "a trial compares two placements, so that nothing else may be changed until it "
                "ends; end it, or wait (GET /api/v1/trials); nothing was changed",
            )

    async def all(self) -> tuple[TrialRecord, ...]:
        """All trials, the newest first."""
        ended = await self._load()
        running = () if self._running is None else (self._running,)
        return (*running, *reversed(ended))

    async def get(self, name: str) -> TrialRecord:
        """One trial. Raises ApiError."""
        found = next((item for item in await self.all() if item.id == name), None)
        if found is None:
            raise ApiError(
                404, "no-such-trial", "there is no such trial; GET /api/v1/trials lists them"
            )
        return found

    async def start(self, body: requests.TrialBody, caller: Caller) -> TrialRecord:
        """Begin a trial. Raises ApiError, IrqbalError: then nothing was changed."""
        self.check_idle()
        if self._daemon.balancer.paused:
            raise ApiError(
                409, "paused", "balancing is paused; resume it first; nothing was changed"
            )
        self._starting = True
        pause = Pause()
        try:
            await self._daemon.change(pause)
            try:
                layouts, changes = await self._layouts(body)
                sides = DaemonSides(self._daemon, layouts)
            except BaseException:
                await self._resume(pause)
                raise
            record = TrialRecord(
                id=secrets.token_hex(4),
                started=Moment(time.time()),
                who=str(caller),
                a="the masks from before irqbal" if body.against is None else "other policies",
                b="the present masks" if body.policies is None else "the policies that were sent",
                changes=changes,
                length=WINDOW if body.window is None else body.window,
                settle=SETTLE if body.settle is None else body.settle,
                windows=body.windows,
                command=body.command,
                more_is_better=body.more_is_better,
            )
            record = msgspec.structs.replace(record, ends=Moment(time.time() + record.plan.seconds))
            self._running, self._sides = record, sides
            self._heard, self._reason = time.monotonic(), ""
        finally:
            self._starting = False
        log.warning("a trial was started by %s: balancing pauses until it ends", caller)
        self._decide("trial-started", headline(record), record.who)
        self._task = asyncio.create_task(self._run(record, sides, pause))
        return record

    async def beat(self, name: str, body: requests.TrialBeat) -> TrialRecord:
        """The client is still there, and gives the number of a window. Raises ApiError."""
        record = await self.get(name)
        if self._running is not None and record.id == self._running.id:
            self._heard = time.monotonic()
            if body.window is not None and self._sides is not None:
                self._sides.numbers[body.window] = body.number
                self._sides.arrived.set()
        return record

    async def end(self, name: str, reason: str) -> TrialRecord:
        """End a trial now, put everything back, and return it. Raises ApiError."""
        record = await self.get(name)
        if self._running is None or record.id != self._running.id:
            return record
        task = self._task
        self._reason = self._reason or reason
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        return await self.get(name)

    async def end_running(self, reason: str) -> None:
        """End the trial that runs, if there is one."""
        if self._running is not None:
            await self.end(self._running.id, reason)

    async def close(self) -> None:
        """End the trial that runs, because the daemon ends."""
        self._closing = True
        await self.end_running("the daemon ended")

    # One trial

    async def _layouts(self, body: requests.TrialBody) -> tuple[TrialLayouts, int]:
        balancer = self._daemon.balancer
        snapshot = await self._daemon.kernel.ask(lambda: balancer.current_snapshot(sweep=True))
        originals = {} if balancer.originals is None else balancer.originals.originals()
        here = present_layout(snapshot)
        before = with_originals(here, originals)

        async def side(text: str) -> Mapping[str, str]:
            draft = await asyncio.to_thread(policies_of, text)
            settled = msgspec.structs.replace(snapshot, settling=True)
            plan = await asyncio.to_thread(
                plan_with, draft, settled, balancer.ledger, balancer.settings
            )
            return with_plan(before, plan, snapshot)

        a = before if body.against is None else await side(body.against)
        b = here if body.policies is None else await side(body.policies)
        changes = differing((a, b))
        if not changes:
            raise ApiError(
                409,
                "same-sides",
                "both sides are the same: no mask and no setting differs, so that there is nothing "
                "to compare; nothing was changed",
            )
        layouts = TrialLayouts(a, b, here, differing((here, a, b)))
        await self._daemon.kernel.run(balancer.save_originals, here, layouts.identities)
        return layouts, len(changes)

    async def _run(self, record: TrialRecord, sides: DaemonSides, pause: Pause) -> None:
        """Run a trial to its end, and put everything back, whatever happens."""
        run = TrialRun(record.plan, sides, self._progressed)
        ended = ""
        try:
            await self._watched(run)
        except asyncio.CancelledError:
            ended = self._reason or "it was ended"
        except IrqbalError as error:
            ended = str(error)
        except Exception:
            log.exception("a trial failed")
            ended = "an error of irqbal's own, which the log explains"
        after = "everything is as before"
        try:
            await sides.put_back()
        except IrqbalError as error:
            ended = f"{ended}; {error}".strip("; ")
            after = f"{error}; the next plan puts right what policies claim"
        await self._resume(pause)
        await self._finish(run, ended, after)

    async def _watched(self, run: TrialRun) -> None:
        """Run it as long as its client is there."""
        work = asyncio.ensure_future(run.run())
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=1.0)
                if time.monotonic() - self._heard > LEASE and not work.done():
                    raise TrialEnded(
                        f"the client that asked for it has said nothing for {LEASE:.0f} s"
                    )
            await work
        finally:
            work.cancel()
            await asyncio.wait({work})

    def _progressed(self, progress: TrialProgress) -> None:
        record = self._running
        if record is None:
            return
        left = record.windows - progress.window
        each = float(record.length) + float(record.settle)
        settled = float(record.settle) if progress.phase == "measuring" else 0.0
        self._running = msgspec.structs.replace(
            record,
            window=progress.window,
            side=progress.side,
            phase=progress.phase,
            done=progress.done,
            ends=Moment(time.time() + left * each - settled),
        )

    async def _finish(self, run: TrialRun, ended: str, after: str) -> None:
        record = self._running
        assert record is not None
        record = with_summary(finished(record, run.windows, run.guarded, ended, time.time()))
        self._ended = (*await self._load(), record)[-MOST_TRIALS:]
        self._running = self._sides = self._task = None
        log.warning("the trial ended, %s: %s", after, record.summary)
        self._decide("trial-ended", record.summary, record.who)
        folder = self._daemon.mode.folders(self._daemon.config).state
        try:
            await self._daemon.thread.run(save_trials, folder, self._ended)
        except IrqbalError as error:
            log.error("%s; the trial is shown until the daemon ends", error)

    async def _resume(self, pause: Pause) -> None:
        """Balance again; try as long as the kernel thread is busy. Once the daemon ends, no
        cycle is run any more.
        """
        while not self._closing:
            try:
                await self._daemon.change(Resume(pause))
                return
            except IrqbalError as error:
                log.warning("balancing could not be resumed: %s; trying again", error)
                await asyncio.sleep(1)

    async def _load(self) -> tuple[TrialRecord, ...]:
        if self._ended is None:
            folder = self._daemon.mode.folders(self._daemon.config).state
            self._ended = await self._daemon.thread.run(load_trials, folder)
        return self._ended
