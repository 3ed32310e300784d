"""The Tornado loop around the balancer: ticks, events, signals, systemd, lifetime.

Threads: the loop; one for the kernel, on which everything blocking of a cycle runs, a cycle at a time; and one for history, on which
what may be slow waits (observers).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import platform
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tornado.ioloop import IOLoop

from irqbal import systemd
from irqbal.api.local import LocalApi
from irqbal.balancer import COOLDOWN_INTERVALS, Balancer
from irqbal.config import Config
from irqbal.config import load as load_config
from irqbal.errors import ConfigError, HostError, IrqbalError
from irqbal.history.decided import Decided
from irqbal.history.feed import Feed
from irqbal.history.keeper import Keeper
from irqbal.history.mongooptions import MongoOptions
from irqbal.history.recorder import Recorded, Recorder
from irqbal.journal import Folders, Journal, Lock, load_overrides
from irqbal.kernel import KernelHost
from irqbal.kernel.events import Events
from irqbal.model import Outcome, Record
from irqbal.observers import Observers
from irqbal.policies import Policies, Stopped
from irqbal.report import Reporter
from irqbal.setup import bind, bind_observers, folders, is_live, keep, refuse_irqbalance, settings

if TYPE_CHECKING:
    from irqbal.history.mongodb import Shipper

log = logging.getLogger(__name__)
T = TypeVar("T")

EVENT_GAP = 0.2
"""Seconds between two cycles that events ask for, so that a storm of them does not."""
EVENT_SETTLE = 0.03
"""Seconds that an event's companions get to arrive: an unbind and bind are dozens."""
STUCK = 30.0
"""Seconds after which a cycle counts as hung, and systemd's watchdog is no longer fed."""


class Daemon:
    """One host's daemon. `run` returns the exit status."""

    def __init__(self, config: Config, path: Path | None, root: Path, dry_run: bool, force: bool) -> None:
        self._config, self._path, self._root = config, path, root
        self._asked_dry_run, self._force = dry_run, force
        self._dry_run = dry_run or config.dry_run
        self._kernel = ThreadPoolExecutor(1, "kernel")
        self._history = ThreadPoolExecutor(1, "history")
        self._wake = asyncio.Event()
        self._causes: set[str] = set()
        self._stopping = False
        self._busy_since: float | None = None
        self._reporter = Reporter()
        self._balancer: Balancer | None = None
        self._events: Events | None = None
        self._observers: Observers | None = None
        self._feed: Feed | None = None
        self._decided: Decided | None = None
        self._shipper: Shipper | None = None
        self._shipping: asyncio.Task[None] | None = None
        self._recorder = Recorder()
        self._sampled = -math.inf
        self._boot = ""
        self.last: Record | None = None

    def run(self) -> int:
        """Run until SIGTERM or SIGINT. Raises IrqbalError if it cannot start."""
        with contextlib.ExitStack() as stack:
            places = folders(self._config, self._root)
            if not self._dry_run:
                refuse_irqbalance(self._root, self._force)
                stack.callback(Lock(places.run).release)
            self._balancer = self._build(places)
            stack.callback(self._balancer.host.close)
            asyncio.run(self._main(places))
        return 0

    def _build(self, places: Folders) -> Balancer:
        journal = None
        host = KernelHost(self._root)
        if not self._dry_run:
            journal = Journal(places.run, self._root, host.boot_id)
            host = KernelHost(self._root, journal.save)
        policies = bind(self._config, self._name())
        overrides = load_overrides(places.state)
        return Balancer(
            host, policies, settings(self._config, COOLDOWN_INTERVALS), float(self._config.interval), self._dry_run,
            journal, overrides, places,
        )  # fmt: skip

    def _name(self) -> str:
        return "(defaults)" if self._path is None else str(self._path)

    async def _main(self, places: Folders) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self.ask, "reload")
        self._watch_events()
        if not self._dry_run:
            self._boot = self._ready.host.boot_id
            self._decided = Decided(self._boot)
            mongodb = self._config.history.mongodb
            keeper = Keeper(places.state, platform.node(), keep(self._config), outbox=mongodb is not None)
            self._feed = Feed(keeper, self._history)
            if mongodb is not None:
                self._ship(mongodb, keeper)
        api = LocalApi(self, places.run) if not self._dry_run else None
        beat = asyncio.create_task(self._feed_watchdog())
        try:
            with contextlib.suppress(Stopped):
                await self._cycles()
        finally:
            systemd.notify("STOPPING=1", "STATUS=stopping")
            beat.cancel()
            await self._stop_shipping()
            if api is not None:
                api.close()
            if self._events is not None:
                for sock in self._events.sockets:
                    IOLoop.current().remove_handler(sock)
                self._events.close()
            if self._observers is not None:
                self._observers.stop()
            if self._feed is not None:
                await self._feed.close()
            await self._on_kernel(self._finish)
            self._kernel.shutdown()
            self._history.shutdown()

    def _ship(self, options: MongoOptions, keeper: Keeper) -> None:
        """Start shipping the history. The driver costs memory, so it is imported only here. Raises ConfigError, HistoryError."""
        try:
            from irqbal.history import mongodb
        except ImportError as error:
            raise ConfigError([f"history.mongodb needs pymongo ({error}): pip install 'irqbal[mongodb]'"]) from error
        mongodb.check(options)
        self._shipper = mongodb.Shipper(options, platform.node(), keeper, self._on_history)
        self._shipping = asyncio.create_task(self._shipper.serve())

    async def _stop_shipping(self) -> None:
        if self._shipping is not None:
            self._shipping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._shipping

    async def _cycles(self) -> None:
        """A cycle at the start, at every tick, and whenever something asks for one."""
        balancer = self._ready
        self._observers = Observers(await self._on_history(bind_observers, self._config, self._name()), self._history)
        await self._on_kernel(balancer.first_look)
        cause, full = "start", False
        first = True
        while not self._stopping:
            try:
                record, recorded = await self._on_kernel(self._one_cycle, cause, full)
                self.last = record
                if self._feed is not None and self._decided is not None:
                    self._feed.tell(self._boot, recorded, self._decided.of(record, balancer.snapshot))
                if self._shipper is not None:
                    self._shipper.wake()
                self._reporter.log(record, balancer.snapshot)
                self._observers.tell(record)
            except HostError as error:
                log.error("the host cannot be read: %s; nothing was moved, tried again in %s", error, self._config.interval)
            if first:
                first = False
                systemd.notify("READY=1", f"STATUS={self._status()}")
                log.info("ready: %s", self._status())
            else:
                systemd.notify(f"STATUS={self._status()}")
            cause, full = await self._next()
            if "reload" in cause and not self._stopping:
                await self._reload()

    def _one_cycle(self, cause: str, full: bool) -> tuple[Record, Recorded | None]:
        """On the kernel thread: a cycle, and the history's sample if one is due."""
        balancer = self._ready
        record = balancer.cycle(cause, full)
        now = time.monotonic()
        if self._feed is None or now - self._sampled < float(self._config.history.every) * 0.99:
            return record, None
        self._sampled = now
        return record, self._recorder.take(balancer.host.counts(), balancer.snapshot, time.time())

    async def _next(self) -> tuple[str, bool]:
        """Wait for the tick or for something that asks. Returns (cause, whether everything is to be read)."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), float(self._config.interval))
            if not self._stopping:
                await asyncio.sleep(EVENT_SETTLE)
        self._wake.clear()
        causes, self._causes = self._causes, set()
        return (", ".join(sorted(causes)) or "tick", bool(causes))

    def ask(self, cause: str) -> None:
        """Ask for a cycle now; may be called from the loop only."""
        self._causes.add(cause)
        self._wake.set()

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
                raise ConfigError(["there is no configuration file to reload: irqbal runs on its defaults"])
            config = await self._on_kernel(load_config, self._path)
            observers = Observers(await self._on_history(bind_observers, config, self._name()), self._history)
            try:
                policies: Policies = await self._on_kernel(bind, config, self._name())
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
            if config.state_dir != self._config.state_dir:
                log.warning("reload: state_dir changes only with a restart")
            dry_run = self._dry_run if self._asked_dry_run or self._ready.journal is None else config.dry_run
            if config.dry_run != dry_run and not self._asked_dry_run:
                log.warning("reload: a daemon that was started as a dry run stays one until a restart")
            self._config, self._dry_run = config, dry_run
            if self._observers is not None:
                self._observers.stop()
            self._observers = observers
            balancer = self._ready
            await self._on_kernel(
                balancer.reconfigure, policies, settings(config, COOLDOWN_INTERVALS), float(config.interval), dry_run
            )
            log.info("reload: %s", self._status())
        systemd.notify("READY=1")

    async def restore(self) -> tuple[Outcome, ...]:
        """Put all originals back and pause until `resume`. Raises IrqbalError."""
        outcomes: tuple[Outcome, ...] = await self._on_kernel(self._ready.restore)
        log.warning("restored %d originals on request; paused", sum(o.result in ("written", "unchanged") for o in outcomes))
        return outcomes

    def resume(self) -> None:
        """Go on after a restore or a pause."""
        self._ready.paused = False
        self.ask("resume")

    def pause(self) -> None:
        """Plan and write nothing until `resume`."""
        self._ready.paused = True

    @property
    def paused(self) -> bool:
        """Whether the daemon only looks."""
        return self._ready.paused

    @property
    def _ready(self) -> Balancer:
        assert self._balancer is not None
        return self._balancer

    def _finish(self) -> None:
        balancer = self._ready
        if self._config.on_exit == "restore" and balancer.journal is not None:
            try:
                outcomes = balancer.restore()
                log.info("on_exit: restore: %d originals put back", len(outcomes))
            except IrqbalError as error:
                log.error("on_exit: restore: %s; `irqbal restore` can be tried again", error)
        balancer.policies.stop()
        balancer.policies.close()

    def _watch_events(self) -> None:
        if not is_live(self._root):
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

    async def _on_kernel(self, work: Callable[..., T], *arguments: object) -> T:
        self._busy_since = time.monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._kernel, lambda: work(*arguments))
        finally:
            self._busy_since = None

    async def _on_history(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._history, lambda: work(*arguments))

    async def _feed_watchdog(self) -> None:
        """Tell systemd that all is well, as long as the kernel thread is not stuck."""
        every = systemd.watchdog_seconds()
        while every is not None:
            busy = self._busy_since
            if busy is None or time.monotonic() - busy < STUCK:
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(every / 3)

    def _status(self) -> str:
        balancer = self._ready
        names = [name for index, name in balancer.policies.names().items() if index not in balancer.policies.aside]
        what = "dry run, nothing is written" if self._dry_run else "balancing"
        if balancer.paused:
            what = "paused"
        aside = f"; set aside: {', '.join(f.policy for f in balancer.policies.aside.values())}" if balancer.policies.aside else ""
        return f"{what} every {self._config.interval} with {', '.join(names) or 'no policy'}{aside}"


