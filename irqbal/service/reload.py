"""Reload by SIGHUP: a valid configuration comes into force, an invalid one is logged and changes
nothing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from irqbal.api.http.listeners import Listeners
from irqbal.config.reader import load as load_config
from irqbal.config.schema import Config
from irqbal.errors import ConfigError, IrqbalError
from irqbal.plugins.observers import Observers
from irqbal.plugins.supervisor import PolicySupervisor, SupervisorStopped
from irqbal.process import systemd
from irqbal.service import ip_filter_check
from irqbal.service.assembly import bind_observers, bound, settings, spawn
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer
from irqbal.service.history_thread import HistoryThread
from irqbal.service.kernel_thread import KernelThread
from irqbal.service.run_mode import RunMode
from irqbal.service.sinks import ObserversSink

log = logging.getLogger(__name__)


class Reloaded(Protocol):
    """What a reload uses of the daemon."""

    config: Config
    mode: RunMode
    balancer: Balancer
    kernel: KernelThread
    thread: HistoryThread
    binding: PolicySupervisor | None
    reloaded: asyncio.Event

    def describe(self) -> str:
        """The daemon's state in one line."""


class Reload:
    """Reads the configuration again, and puts all of it in force or nothing."""

    def __init__(self, daemon: Reloaded, listeners: Listeners, observers: ObserversSink) -> None:
        self._daemon, self._listeners, self._observers = daemon, listeners, observers

    async def run(self) -> None:
        """Reload, and notify systemd. Errors are logged."""
        systemd.reloading()
        try:
            await self._reload()
        except ConfigError as error:
            for problem in error.problems:
                log.error("reload: %s", problem)
            log.error("reload: the configuration was refused whole; the old one goes on")
        except SupervisorStopped:
            return
        except IrqbalError as error:
            log.error("reload: %s; the old configuration goes on", error)
        systemd.notify("READY=1")

    async def _reload(self) -> None:
        daemon, mode = self._daemon, self._daemon.mode
        if mode.path is None:
            raise ConfigError(
                ["there is no configuration file to reload: irqbal runs on its defaults"]
            )
        config = mode.adapt(await daemon.kernel.run(load_config, mode.path))
        hosts = await daemon.thread.run(bind_observers, config, mode.name)
        observers = Observers(hosts, daemon.thread.executor)
        try:
            policies: PolicySupervisor = await daemon.kernel.run(spawn, config, mode.name)
            daemon.binding = policies
            try:
                await daemon.kernel.run(bound, policies, mode.name)
            finally:
                daemon.binding = None
        except (IrqbalError, SupervisorStopped):
            observers.stop()
            raise
        await self._put_in_force(config, policies, observers)

    async def _put_in_force(
        self, config: Config, policies: PolicySupervisor, observers: Observers
    ) -> None:
        daemon, mode = self._daemon, self._daemon.mode
        before, daemon.config = daemon.config, config
        if config.state_dir != before.state_dir:
            log.warning("reload: the new state_dir takes effect only after a restart")
        if config.history.record != before.history.record:
            log.warning("reload: history.record takes effect only after a restart")
        fixed = mode.is_dry_run(Config()) or daemon.balancer.originals is None
        dry_run = True if fixed else config.dry_run
        if config.dry_run != dry_run and not mode.is_dry_run(Config()):
            log.warning(
                "reload: dry_run: false takes effect only after a restart: this daemon was started "
                "as a dry run"
            )
        if config.api != before.api or config.api.tls is not None:
            # With TLS, reopen even the same addresses: the certificate may be new.
            await self._listeners.reopen(config.api)
        self._observers.replace(observers)
        planner = settings(config, COOLDOWN_INTERVALS)
        await daemon.kernel.run(
            daemon.balancer.reconfigure, policies, planner, float(config.interval), dry_run
        )
        await daemon.thread.run(ip_filter_check.check, config)
        daemon.reloaded.set()
        log.info("reload: %s", daemon.describe())
