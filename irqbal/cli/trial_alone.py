"""`irqbal trial` without a daemon: this process learns, writes and measures by itself."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from irqbal.cli.common import Common, balancer_of
from irqbal.cli.trial_options import TrialOptions, UsersCommand, tell
from irqbal.errors import ConfigError, IrqbalError
from irqbal.history.samples import Decision
from irqbal.history.writer import HistoryWriter
from irqbal.process.signals import OrderlyEnd, held
from irqbal.render.console import echo
from irqbal.render.progress import Working, working
from irqbal.render.trial_texts import headline, with_summary
from irqbal.service.assembly import refuse_irqbalance
from irqbal.service.cycle import Balancer
from irqbal.service.history_claim import HistoryClaim
from irqbal.service.what_if import plan_with, policies_of
from irqbal.state.folders import Folders
from irqbal.state.lock import Lock
from irqbal.state.trials_file import load_trials, save_trials
from irqbal.trials.layout import Layout, differing, present_layout, with_plan
from irqbal.trials.measures import TrialReading
from irqbal.trials.record import Side, TrialRecord
from irqbal.trials.result import finished
from irqbal.trials.run import TrialProgress, TrialRun
from irqbal.trials.writing import write_whole
from irqbal.wire import Moment

COMMAND_PATIENCE = 30.0
"""Seconds after a window's end for which its command may still run."""
POLL = 0.1
"""Seconds between two looks whether it has ended."""


class OwnSides:
    """The sides of a trial on this host, without a daemon; see TrialSides. `others` runs on side A,
    if it is not empty.
    """

    def __init__(
        self,
        balancer: Balancer,
        layouts: dict[Side, Layout],
        identities: tuple[str, ...],
        command: str,
        others: tuple[str, ...],
    ) -> None:
        self._balancer, self._layouts, self._identities = balancer, layouts, identities
        self._command, self._others = command, others
        self._running: UsersCommand | None = None
        self._balances: subprocess.Popen[bytes] | None = None

    async def put(self, side: Side) -> None:
        """See TrialSides."""
        self._stop()
        self.write(self._layouts[side], f"side {side.upper()}")
        if side == "a" and self._others:
            self._balances = subprocess.Popen(
                self._others, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

    def write(self, layout: Layout, what: str) -> None:
        """Write these values. Raises TrialEnded."""
        write_whole(lambda: self._balancer.put_layout(layout, self._identities), what)

    async def read(self, whole: bool = True) -> TrialReading:
        """See TrialSides."""
        host = self._balancer.host
        return TrialReading(host.counts(whole), host.scheduling())

    def begin_window(self) -> None:
        """Start the user's command."""
        if self._command:
            self._running = UsersCommand(self._command)

    async def number(self, window: int) -> float | None:
        """See TrialSides."""
        running, self._running = self._running, None
        if running is None:
            return None
        try:
            async with asyncio.timeout(COMMAND_PATIENCE):
                while not running.is_done:
                    await asyncio.sleep(POLL)
        except TimeoutError:
            pass
        finally:
            number = running.number()
        return number

    def close(self) -> None:
        """End what runs besides."""
        self._stop()
        if self._running is not None:
            self._running.end()

    def _stop(self) -> None:
        if self._balances is not None:
            self._balances.terminate()
            self._balances.wait()
            self._balances = None


def run_alone(common: Common, places: Folders, options: TrialOptions) -> TrialRecord:
    """Learn, run the trial, and put everything back. Signals end it early. Raises IrqbalError: then
    nothing was changed, or everything was put back.
    """
    refuse_irqbalance(common.root, options.force)
    against = _text_of(options.against)
    lock = Lock(places.run)
    try:
        with OrderlyEnd() as end, _learnt(common, options) as (balancer, before):
            record = _trial(balancer, before, options, against, end)
        boot = balancer.host.boot_id
    finally:
        lock.release()
    _keep(common, places, record, boot)
    return record


def _text_of(against: str) -> str | None:
    """The text of the file that side A is planned with; None: side A is planned by nobody."""
    if against in ("originals", "irqbalance"):
        return None
    try:
        return Path(against).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            [
                f"--against {against}: neither originals nor irqbalance, nor a file that can be "
                f"read ({error}); nothing was changed"
            ]
        ) from error


@contextlib.contextmanager
def _learnt(common: Common, options: TrialOptions) -> Iterator[tuple[Balancer, Layout]]:
    """A balancer that has balanced for a while, and the values from before that. Afterwards these
    are back.
    """
    balancer = balancer_of(common, dry_run=False)
    originals = balancer.originals
    assert originals is not None
    known = set(originals.originals())
    try:
        balancer.first_look()
        before = present_layout(balancer.current_snapshot())
        try:
            _learn(balancer, options.learn)
            yield balancer, before
        finally:
            everything = tuple(before)
            with held():
                write_whole(
                    lambda: balancer.put_layout(before, everything), "what was there before"
                )
                originals.keep_only(known)
    finally:
        balancer.policies.close()
        balancer.host.close()


def _learn(balancer: Balancer, seconds: float) -> None:
    """Run cycles as a daemon does."""
    end = time.monotonic() + seconds
    with working("learning") as progress:
        while True:
            left = end - time.monotonic()
            progress.wait(
                max(1.0, min(balancer.tracker.interval, left)),
                f"balancing, to learn: {left:.0f} s left",
            )
            balancer.run_cycle("trial")
            if time.monotonic() >= end:
                return


def _trial(
    balancer: Balancer,
    before: Layout,
    options: TrialOptions,
    against: str | None,
    end: OrderlyEnd,
) -> TrialRecord:
    """One trial from its first window to its last."""
    snapshot = balancer.current_snapshot(sweep=True)
    a, b = before, present_layout(snapshot)
    if against is not None:
        settled = msgspec.structs.replace(snapshot, settling=True)
        draft = policies_of(against)
        plan = plan_with(draft, settled, balancer.ledger, balancer.settings)
        a = with_plan(before, plan, snapshot)
    moves = differing((a, b))
    others = ("irqbalance", "--foreground") if options.against == "irqbalance" else ()
    if not moves and not others:
        raise ConfigError(
            [
                "both sides are the same: no mask and no setting differs, so that there is nothing "
                "to compare; nothing was changed"
            ]
        )
    balancer.save_originals(before, before)
    record = TrialRecord(
        id=options.id,
        started=Moment(time.time()),
        who="irqbal trial",
        a={"originals": "the masks from before irqbal", "irqbalance": "irqbalance"}.get(
            options.against, options.against
        ),
        b="what irqbal has learnt",
        changes=len(moves),
        length=options.window,
        settle=options.settle,
        windows=options.windows,
        command=bool(options.command),
        more_is_better=options.more_is_better,
    )
    echo(f"irqbal: trial {record.id}: {headline(record)}", err=True)
    # irqbalance moves whatever it likes.
    identities = tuple(b) if others else moves
    sides = OwnSides(balancer, {"a": a, "b": b}, identities, options.command, others)
    try:
        return asyncio.run(_watched(record, sides, end))
    finally:
        end.instead = None
        sides.close()


async def _watched(record: TrialRecord, sides: OwnSides, end: OrderlyEnd) -> TrialRecord:
    """Run the windows until the last one, or until a signal."""
    with working("the first window begins") as progress:
        run = TrialRun(record.plan, sides, _ProgressLine(record, sides, progress).show)
        work = asyncio.ensure_future(run.run())
        loop = asyncio.get_running_loop()
        end.instead = lambda: loop.call_soon_threadsafe(work.cancel)
        ended = ""
        try:
            await work
        except asyncio.CancelledError:
            ended = "it was ended by a signal"
        except IrqbalError as error:
            ended = str(error)
    return with_summary(finished(record, run.windows, run.guarded, ended, time.time()))


class _ProgressLine:
    """Shows where the trial is, and starts the command with each window."""

    def __init__(self, record: TrialRecord, sides: OwnSides, progress: Working) -> None:
        self._record, self._sides, self._progress = record, sides, progress

    def show(self, progress: TrialProgress) -> None:
        """The trial is there now."""
        record = self._record
        left = (record.windows - progress.window) * (float(record.length) + float(record.settle))
        shown = msgspec.structs.replace(
            record,
            window=progress.window,
            side=progress.side,
            phase=progress.phase,
            ends=Moment(time.time() + left),
        )
        tell(self._progress, shown)
        if progress.phase == "measuring":
            self._sides.begin_window()


def _keep(common: Common, places: Folders, record: TrialRecord, boot: str) -> None:
    """Store the trial where a daemon shows it, and as a decision in the history."""
    try:
        save_trials(places.state, [*load_trials(places.state), record])
        if not common.config().history.record:
            return
        claim = HistoryClaim(places, gives_way=False)
        writer = HistoryWriter(places.state, common.config().history.keep, outbox=None, claim=claim)
        decision = Decision(
            *(0, boot, time.time(), 0, "action"),
            result="trial-ended",
            reason=record.summary,
            who=record.who,
        )
        try:
            writer.record(boot, None, [decision])
        finally:
            writer.close()
            claim.release()
    except IrqbalError as error:
        echo(f"irqbal: the trial is not in the history: {error}", err=True)
