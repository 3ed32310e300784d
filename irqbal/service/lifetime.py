"""Start and stop of one daemon: opens its parts in order, and closes them in the opposite order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time

import msgspec

from irqbal.api.http.listeners import Listeners
from irqbal.config.schema import Config
from irqbal.errors import HistoryError, IrqbalError
from irqbal.plugins.observers import Observers
from irqbal.plugins.supervisor import SupervisorStopped
from irqbal.process import log_limits, systemd
from irqbal.process.malloc import limit_arenas
from irqbal.service import assembly, ip_filter_check
from irqbal.service.actions import LocalHost
from irqbal.service.cost_sampler import CostSampler
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer, Stored
from irqbal.service.cycle_result import CycleSink
from irqbal.service.daemon import Daemon, Parts
from irqbal.service.event_watch import EventWatch
from irqbal.service.history_claim import HistoryClaim
from irqbal.service.history_service import HistoryService
from irqbal.service.history_thread import HistoryThread
from irqbal.service.kernel_requests import RequestQueue
from irqbal.service.kernel_thread import KernelThread
from irqbal.service.learned_state import LearnedState
from irqbal.service.override_store import OverrideStore
from irqbal.service.reload import Reload
from irqbal.service.run_mode import RunMode
from irqbal.service.sinks import (
    EventsSink,
    HistorySink,
    LogSink,
    MetricsSink,
    ObserversSink,
    ShipperSink,
)
from irqbal.service.state_watch import StateWatch
from irqbal.service.upkeep import Upkeep
from irqbal.state.folders import RUN_DIR, Folders
from irqbal.state.lock import Lock
from irqbal.state.originals import OriginalsFile
from irqbal.state.override_file import load_overrides

log = logging.getLogger(__name__)

SWITCH_INTERVAL = 0.0001
"""Seconds after which a computing thread yields to the loop: with Python's default of 5 ms, the API
would answer slowly.
"""
HEARTBEAT = 15.0
"""Seconds between two heartbeats on event streams: proxies close silent connections after a minute.
"""


def run(config: Config, mode: RunMode) -> int:
    """Run a daemon until SIGTERM or SIGINT, and return its exit status. Raises IrqbalError if it
    cannot start.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    limit_arenas()
    config = mode.adapt(config)
    folders = mode.folders(config)
    if not mode.is_dry_run(config) and mode.made_up is None:
        assembly.refuse_irqbalance(mode.root, mode.force)
    with contextlib.ExitStack() as stack:
        lock = Lock(folders.run) if mode.holds_lock(config) else None
        if lock is not None:
            stack.callback(lock.release)
        recording = _recording(config, mode, folders, lock)
        stack.callback(recording.claim.release)
        if recording.problem:
            log.warning("no history is recorded: %s", recording.problem)
        started = start_balancer(config, mode, folders)
        stack.callback(started.balancer.host.close)
        log_limits.install()
        asyncio.run(_serve(config, mode, folders, started, recording))
    return 0


class HistoryChoice(msgspec.Struct, frozen=True):
    """Whether this daemon records. `problem`: why it does not; `owns_socket`: it listens on the
    socket in its run folder.
    """

    claim: HistoryClaim
    problem: str
    owns_socket: bool
    lock: Lock | None


def _recording(config: Config, mode: RunMode, folders: Folders, lock: Lock | None) -> HistoryChoice:
    """Claim the history for a dry run; a daemon that balances waits for it instead."""
    balances = mode.holds_lock(config)
    claim = HistoryClaim(folders, gives_way=not balances)
    problem = "" if balances else _why_not(claim, mode.is_guest(config))
    # The live host's socket belongs to the daemon that balances it, which `irqbal restore` asks.
    owns_socket = balances or (not problem and folders.run != RUN_DIR)
    if not config.history.record:
        problem = "the configuration says `history: off`"
    return HistoryChoice(claim, problem, owns_socket, lock)


def _why_not(claim: HistoryClaim, is_guest: bool) -> str:
    """Why a dry run may not use the state folder as its own; empty if it may, and holds it."""
    if is_guest:
        return (
            "a dry run of another root would record into this host's own history; set state_dir to "
            "another folder"
        )
    if claim.is_lost():
        return "another irqbal balances this host; start the dry run again once that one has ended"
    try:
        claim.hold()
    except HistoryError as error:
        return str(error)
    return ""


class StartedBalancer(msgspec.Struct, frozen=True):
    """A balancer that has read the host once. `second_look`: when the second reading for the first
    plan is due, in seconds of time.monotonic().
    """

    balancer: Balancer
    requests: RequestQueue
    second_look: float


def start_balancer(config: Config, mode: RunMode, folders: Folders) -> StartedBalancer:
    """Start the policies' process, read the host meanwhile, and bind the policies. Raises
    IrqbalError.
    """
    policies = assembly.spawn(config, mode.name)
    try:
        interval = float(config.interval)
        dry_run = mode.is_dry_run(config)
        host = assembly.host_of(mode.root, mode.made_up, interval)
        originals = None
        if not dry_run:
            originals = OriginalsFile(folders.run, mode.root, host.boot_id)
            host.save = originals.save
        stored = Stored(
            originals=originals,
            overrides=OverrideStore(
                None if dry_run else folders.state, load_overrides(folders.state)
            ),
            learned=LearnedState(folders, host.boot_id, read_only=dry_run),
        )
        requests = RequestQueue()
        planner = assembly.settings(config, COOLDOWN_INTERVALS)
        balancer = Balancer(
            host, policies, planner, interval, dry_run=dry_run, stored=stored, requests=requests
        )
        second_look = balancer.first_look()
    except BaseException:
        policies.close()
        raise
    assembly.bound(policies, mode.name, lenient=True)
    return StartedBalancer(balancer, requests, second_look)


async def _serve(
    config: Config,
    mode: RunMode,
    folders: Folders,
    started: StartedBalancer,
    recording: HistoryChoice,
) -> None:
    """Open everything, run cycles until a signal, and close everything in the opposite order."""
    async with contextlib.AsyncExitStack() as stack:
        kernel, thread = KernelThread(), HistoryThread()
        stack.callback(thread.shutdown)
        stack.callback(kernel.shutdown)
        balancer = started.balancer
        history = None
        if not recording.problem:
            history = HistoryService(
                config, folders, thread, recording.claim, ships=mode.is_the_hosts(config)
            )
        daemon = Daemon(
            config,
            mode,
            Parts(
                balancer=balancer,
                requests=started.requests,
                kernel=kernel,
                thread=thread,
                history=history,
                no_history=recording.problem,
            ),
        )
        stack.push_async_callback(kernel.run, _finish, daemon)
        if history is not None:
            history.start()
            stack.push_async_callback(history.close)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, daemon.stop)
        loop.add_signal_handler(signal.SIGHUP, daemon.ask, "reload")
        if mode.is_live:
            stack.callback(EventWatch(daemon.scheduler).close)
        host = LocalHost(daemon, balancer.host.boot_id)
        listeners = Listeners(host, config.api, folders, owns_socket=recording.owns_socket)
        host.auth_failures = listeners.auth_failures
        stack.push_async_callback(listeners.close)
        stack.callback(host.close)
        stack.push_async_callback(host.trials.close)
        await listeners.open()
        await thread.run(ip_filter_check.check, config)
        bound = await thread.run(assembly.bind_observers, config, mode.name, True)
        observers = ObserversSink(Observers(bound, thread.executor))
        stack.callback(observers.close)
        sampler = CostSampler(daemon, mode.root, mode.is_live and not balancer.dry_run)
        upkeep = Upkeep(host, daemon, listeners, StateWatch(daemon, folders, recording.lock))
        stack.callback(upkeep.close)
        for task in (daemon.feed_watchdog(), _beat(host), sampler.run()):
            stack.callback(asyncio.create_task(task).cancel)
        stack.callback(systemd.notify, "STOPPING=1", "STATUS=stopping")
        await asyncio.sleep(max(0.0, started.second_look - time.monotonic()))
        with contextlib.suppress(SupervisorStopped):
            await daemon.run_cycles(
                (*cycle_sinks(host, daemon, observers), upkeep),
                Reload(daemon, listeners, observers),
            )


def cycle_sinks(host: LocalHost, daemon: Daemon, observers: ObserversSink) -> tuple[CycleSink, ...]:
    """The receivers of every cycle's result, in this order. The live view comes first, so that the
    API shows the newest cycle.
    """
    sinks: list[CycleSink] = [host, LogSink(), MetricsSink(host.counters)]
    history = daemon.history
    if history is not None:
        sinks.append(HistorySink(history.queue, daemon.balancer.host.boot_id))
        if history.shipper is not None:
            sinks.append(ShipperSink(history.shipper, host.host_status))
    return (*sinks, observers, EventsSink(host.subscribers))


async def _beat(host: LocalHost) -> None:
    """Heartbeats, as long as somebody listens."""
    while True:
        await host.subscribers.somebody.wait()
        await asyncio.sleep(HEARTBEAT)
        host.heartbeat()


def _finish(daemon: Daemon) -> None:
    """At the end, on the kernel thread: restore if the configuration says so, and store what was
    learned.
    """
    balancer = daemon.balancer
    if daemon.config.on_exit == "restore" and balancer.originals is not None:
        try:
            outcomes = balancer.restore(daemon)
            log.info("on_exit: restore: %d originals put back", len(outcomes))
        except IrqbalError as error:
            log.error("on_exit: restore: %s; run `irqbal restore` to try again", error)
    elif balancer.originals is None:
        log.info("ending: this was a dry run, nothing was written")
    elif daemon.mode.made_up is None:
        log.info(
            "ending: the masks stay as they are; `%s` puts the original ones back",
            daemon.mode.restore_command,
        )
    balancer.close()
