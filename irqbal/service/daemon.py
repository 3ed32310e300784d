"""The Tornado loop around the balancer: ticks, events, signals, systemd, lifetime.

Threads: the loop; one for the kernel, on which everything blocking of a cycle runs, a cycle at a
time; and one for history, on which what may be slow waits (observers).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import platform
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tornado.ioloop import IOLoop

from irqbal.api.http.listeners import Listeners
from irqbal.config.mongodb_options import MongodbOptions
from irqbal.config.reader import Config
from irqbal.config.reader import load as load_config
from irqbal.errors import ConfigError, HostError, IrqbalError
from irqbal.history.decisions import DecisionMaker
from irqbal.history.recorder import Recorded, Recorder
from irqbal.history.write_queue import WriteQueue
from irqbal.history.writer import HistoryWriter
from irqbal.kernel.events import Events
from irqbal.model.plan import Record
from irqbal.plugins.observers import Observers
from irqbal.plugins.supervisor import PolicySupervisor, SupervisorStopped
from irqbal.process import systemd
from irqbal.process.malloc import freeze_heap, limit_arenas
from irqbal.service import ip_filter_check
from irqbal.service.assembly import (
    bind,
    bind_observers,
    bound,
    folders,
    host_of,
    is_live,
    keep,
    refuse_irqbalance,
    settings,
    spawn,
)
from irqbal.service.cost_sampler import CostSampler
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer
from irqbal.service.cycle_log import CycleLog
from irqbal.service.live_view import STUCK, Control
from irqbal.service.running import described
from irqbal.state.originals import Folders, Lock, OriginalsFile, load_overrides

if TYPE_CHECKING:
    from irqbal.history.mongodb.shipper import Shipper
    from irqbal.simulated.spec import HostSpec

log = logging.getLogger(__name__)
T = TypeVar("T")

EVENT_SETTLE = 0.03
"""Seconds that an event's companions get to arrive: an unbind and bind are dozens."""
SWITCH = 0.0001
"""Seconds after which a thread that computes lets the loop in, when it has something to answer;
Python's own 5 ms add up.
"""
HEARTBEAT = 15.0
"""Seconds between two signs of life for those who listen to events."""


class Daemon:
    """One host's daemon. `run` returns the exit status."""

    def __init__(
        self,
        config: Config,
        path: Path | None,
        root: Path,
        dry_run: bool,
        force: bool,
        made_up: HostSpec | None = None,
    ) -> None:
        self.config, self._path, self._root = self._adapted(config), path, root
        self._asked_dry_run, self._force, self._made_up = dry_run, force, made_up
        self._live = made_up is None and is_live(root)
        self.dry_run = dry_run or config.dry_run
        self.read_only_reason = ""  # Why nobody may have anything written; empty where they may.
        self.simulated = "" if made_up is None else str(made_up)
        self._records = not self.dry_run
        self._kernel = ThreadPoolExecutor(1, "kernel")
        self._history = ThreadPoolExecutor(1, "history")
        self._wake = asyncio.Event()
        self._causes: set[str] = set()
        self._stopping = False
        self._busy_since: float | None = None
        self._reporter = CycleLog()
        self._waiters: list[asyncio.Future[Record]] = []
        self._control: Control | None = None
        self._listeners: Listeners | None = None
        self.keeper: HistoryWriter | None = None
        self._balancer: Balancer | None = None
        self._events: Events | None = None
        self._observers: Observers | None = None
        self.feed: WriteQueue | None = None
        self._decided: DecisionMaker | None = None
        self._shipper: Shipper | None = None
        self._shipping: asyncio.Task[None] | None = None
        self.recorder = Recorder()
        self._sampled, self._second_look = -math.inf, 0.0
        self._boot = ""

    def run(self) -> int:
        """Run until SIGTERM or SIGINT. Raises IrqbalError if it cannot start."""
        sys.setswitchinterval(SWITCH)
        limit_arenas()
        with contextlib.ExitStack() as stack:
            places = self._places()
            if not self.dry_run and self._made_up is None:
                refuse_irqbalance(self._root, self._force)
            if self._records:
                stack.callback(Lock(places.run).release)
            self._balancer = self._build(places)
            stack.callback(self._balancer.host.close)
            asyncio.run(self._main(places))
        return 0

    def _adapted(self, config: Config) -> Config:
        return config

    def _places(self) -> Folders:
        return folders(self.config, self._root, made_up=self._made_up is not None)

    def _build(self, places: Folders) -> Balancer:
        """A balancer that has looked at the host once, while its policy host got ready."""
        journal = None
        policies = spawn(self.config, self._name())
        try:
            host = host_of(self._root, self._made_up, float(self.config.interval))
            if not self.dry_run:
                journal = OriginalsFile(places.run, self._root, host.boot_id)
                host.save = journal.save
            overrides = load_overrides(places.state)
            planner = settings(self.config, COOLDOWN_INTERVALS)
            balancer = Balancer(
                host,
                policies,
                planner,
                float(self.config.interval),
                self.dry_run,
                journal,
                overrides,
                places,
            )
            self._second_look = balancer.first_look()
        except BaseException:
            policies.close()
            raise
        bound(policies, self._name())
        return balancer

    def _name(self) -> str:
        return "(defaults)" if self._path is None else str(self._path)

    async def _main(self, places: Folders) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self.ask, "reload")
        self._watch_events()
        if self._records:
            self._boot = self.balancer.host.boot_id
            self._decided = DecisionMaker(self._boot)
            mongodb = self.config.history.mongodb
            keeper = self.keeper = HistoryWriter(
                places.state, platform.node(), keep(self.config), outbox=mongodb is not None
            )
            self.feed = WriteQueue(keeper, self._history)
            if mongodb is not None:
                self._ship(mongodb, keeper)
        self._control = Control(self)
        self._listeners = Listeners(
            self._control, self.config.api, places, owns_socket=self._records
        )
        self._control.auth_failures = self._listeners.auth_failures
        await self._listeners.open()
        await self.on_history(ip_filter_check.check, self.config)
        tasks = [
            asyncio.create_task(self._feed_watchdog()),
            asyncio.create_task(self._beat()),
            asyncio.create_task(
                CostSampler(self, self._root, self._live and not self.dry_run).run()
            ),
        ]
        try:
            with contextlib.suppress(SupervisorStopped):
                await self._cycles()
        finally:
            systemd.notify("STOPPING=1", "STATUS=stopping")
            for task in tasks:
                task.cancel()
            await self._stop_shipping()
            self._control.close()
            await self._listeners.close()
            if self._events is not None:
                for sock in self._events.sockets:
                    IOLoop.current().remove_handler(sock)
                self._events.close()
            if self._observers is not None:
                self._observers.stop()
            if self.feed is not None:
                await self.feed.close()
            await self.on_kernel(self._finish)
            self._kernel.shutdown()
            self._history.shutdown()

    def _ship(self, options: MongodbOptions, keeper: HistoryWriter) -> None:
        """Start shipping the history. The driver costs memory, so it is imported only here. Raises
        ConfigError, HistoryError.
        """
        try:
            from irqbal.history.mongodb import shipper
        except ImportError as error:
            raise ConfigError(
                [f"history.mongodb needs pymongo ({error}): pip install 'irqbal[mongodb]'"]
            ) from error
        shipper.check(options)
        self._shipper = shipper.Shipper(options, platform.node(), keeper, self.on_history)
        self._shipping = asyncio.create_task(self._shipper.serve())

    async def _stop_shipping(self) -> None:
        if self._shipping is not None:
            self._shipping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._shipping

    async def _cycles(self) -> None:
        """A cycle at the start, at every tick, and whenever something asks for one."""
        self._observers = Observers(
            await self.on_history(bind_observers, self.config, self._name()), self._history
        )
        await asyncio.sleep(max(0.0, self._second_look - time.monotonic()))
        cause, full = "start", False
        first = True
        while not self._stopping:
            waiters, self._waiters = self._waiters, []
            try:
                record, recorded = await self.on_kernel(self._one_cycle, cause, full)
                self.done(record, recorded)
                for waiter in waiters:
                    if not waiter.cancelled():
                        waiter.set_result(record)
            except HostError as error:
                log.error(
                    "the host cannot be read: %s; nothing was moved, tried again in %s",
                    error,
                    self.config.interval,
                )
                for waiter in waiters:
                    if not waiter.cancelled():
                        waiter.set_exception(HostError(str(error)))
            if first:
                first = False
                systemd.notify("READY=1", f"STATUS={self._status()}")
                log.info("ready: %s", self._status())
                freeze_heap()
            else:
                systemd.notify(f"STATUS={self._status()}")
            cause, full = await self._next()
            if "reload" in cause and not self._stopping:
                await self._reload()

    def done(self, record: Record, recorded: Recorded | None) -> None:
        """A cycle was run: log it, record it, tell everybody."""
        snapshot = self.balancer.snapshot
        if self.feed is not None and self._decided is not None:
            self.feed.tell(self._boot, recorded, self._decided.of(record, snapshot))
        if self._shipper is not None:
            self._shipper.wake()
        self._reporter.log(record, snapshot)
        if self._observers is not None:
            self._observers.tell(record)
        if self._control is not None:
            self._control.publish(record)
            if (
                self._shipper is not None
                and recorded is not None
                and (told := self._control.told()) is not None
            ):
                self._shipper.tell(told)

    def _one_cycle(self, cause: str, full: bool) -> tuple[Record, Recorded | None]:
        """On the kernel thread: a cycle, and the history's sample if one is due."""
        balancer = self.balancer
        record = balancer.cycle(cause, full)
        now = time.monotonic()
        if self.feed is None or now - self._sampled < float(self.config.history.every) * 0.99:
            return record, None
        self._sampled = now
        if self._shipper is not None and not balancer.fresh:
            # What is told of the host is of now, also where cycles rest.
            balancer.refresh()
        return record, self.recorder.take(balancer.host.counts(), balancer.snapshot, time.time())

    async def _next(self) -> tuple[str, bool]:
        """Wait for the tick or for something that asks. Returns (cause, whether everything is to be
        read).
        """
        tick = asyncio.get_running_loop().call_later(self._pause_length(), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            tick.cancel()
        if self._causes and not self._stopping:
            await asyncio.sleep(EVENT_SETTLE)
        self._wake.clear()
        causes, self._causes = self._causes, set()
        return (", ".join(sorted(causes)) or "tick", bool(causes))

    def _pause_length(self) -> float:
        """Until the next tick, or until an override ends."""
        ends = [
            item.expires - time.time()
            for item in self.balancer.overrides
            if item.expires is not None
        ]
        return max(0.0, min([float(self.config.interval), *(end + 0.01 for end in ends)]))

    def ask(self, cause: str) -> asyncio.Future[Record]:
        """Ask for a cycle now, from the loop only; the future is done when one was run that began
        after this.
        """
        future: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        # Most who ask do not wait; an error that nobody awaits is in the log already.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiters.append(future)
        self._causes.add(cause)
        self._wake.set()
        return future

    def _stop(self) -> None:
        self._stopping = True
        if self._balancer is not None:
            self._balancer.policies.stop()
        self._wake.set()

    async def _reload(self) -> None:
        """SIGHUP: a good file takes over, a bad one changes nothing and is reported."""
        systemd.reloading()
        try:
            if self._path is None:
                raise ConfigError(
                    ["there is no configuration file to reload: irqbal runs on its defaults"]
                )
            config = self._adapted(await self.on_kernel(load_config, self._path))
            observers = Observers(
                await self.on_history(bind_observers, config, self._name()), self._history
            )
            try:
                policies: PolicySupervisor = await self.on_kernel(bind, config, self._name())
            except IrqbalError:
                observers.stop()
                raise
        except ConfigError as error:
            for problem in error.problems:
                log.error("reload: %s", problem)
            log.error("reload: the configuration was refused whole; the old one goes on")
        except IrqbalError as error:
            log.error("reload: %s; the old configuration goes on", error)
        else:
            if config.state_dir != self.config.state_dir:
                log.warning("reload: state_dir changes only with a restart")
            dry_run = (
                self.dry_run
                if self._asked_dry_run or self.balancer.journal is None
                else config.dry_run
            )
            if config.dry_run != dry_run and not self._asked_dry_run:
                log.warning(
                    "reload: a daemon that was started as a dry run stays one until a restart"
                )
            before, self.config, self.dry_run = self.config.api, config, dry_run
            if self._listeners is not None and (config.api != before or config.api.tls is not None):
                # With TLS also on the same addresses: the certificate may be new.
                await self._listeners.reopen(config.api)
            if self._observers is not None:
                self._observers.stop()
            self._observers = observers
            planner = settings(config, COOLDOWN_INTERVALS)
            await self.on_kernel(
                self.balancer.reconfigure, policies, planner, float(config.interval), dry_run
            )
            await self.on_history(ip_filter_check.check, config)
            log.info("reload: %s", self._status())
        systemd.notify("READY=1")

    @property
    def balancer(self) -> Balancer:
        """The one balancer."""
        assert self._balancer is not None
        return self._balancer

    def _finish(self) -> None:
        balancer = self.balancer
        if self.config.on_exit == "restore" and balancer.journal is not None:
            try:
                outcomes = balancer.restore()
                log.info("on_exit: restore: %d originals put back", len(outcomes))
            except IrqbalError as error:
                log.error("on_exit: restore: %s; `irqbal restore` can be tried again", error)
        balancer.keep_costs()
        balancer.policies.stop()
        balancer.policies.close()

    def _watch_events(self) -> None:
        if not self._live:
            return
        self._events = Events()
        for sock in self._events.sockets:
            IOLoop.current().add_handler(sock, self._on_event, IOLoop.READ)
        for missing in self._events.missing:
            log.warning("no %s events; changes are found within one interval instead", missing)

    def _on_event(self, sock: object, _events: int) -> None:
        assert self._events is not None
        for found in self._events.sockets:
            if found is sock:
                for cause in self._events.drain(found):
                    self.ask(cause)

    def busy_seconds(self) -> float:
        """For how long the kernel's thread has been at its present work."""
        return 0.0 if self._busy_since is None else time.monotonic() - self._busy_since

    async def on_kernel(self, work: Callable[..., T], *arguments: object) -> T:
        """Run on the kernel's thread."""

        def timed() -> T:
            self._busy_since = time.monotonic()
            try:
                return work(*arguments)
            finally:
                self._busy_since = None

        return await asyncio.get_running_loop().run_in_executor(self._kernel, timed)

    async def on_history(self, work: Callable[..., T], *arguments: object) -> T:
        """Run on the history's thread."""
        return await asyncio.get_running_loop().run_in_executor(
            self._history, lambda: work(*arguments)
        )

    async def _feed_watchdog(self) -> None:
        """Tell systemd that all is well, as long as the kernel thread is not stuck."""
        every = systemd.watchdog_seconds()
        while every is not None:
            if self.busy_seconds() < STUCK:
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(every / 3)

    async def _beat(self) -> None:
        """What is done now and then, beside the cycles."""
        assert self._control is not None
        while True:
            await self._control.look_after()
            await asyncio.sleep(HEARTBEAT)
            self._control.heartbeat()

    def _status(self) -> str:
        return described(self.balancer, self.dry_run, str(self.config.interval), self.simulated)
