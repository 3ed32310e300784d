"""What the commands share: options before or after the command, the configuration, and one plan
made on the spot.
"""

from __future__ import annotations

import importlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from irqbal.config.reader import load as load_config
from irqbal.config.schema import Config
from irqbal.kernel.host import KernelHost
from irqbal.process.systemd import setup_logging
from irqbal.service.assembly import bind, folders, settings
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer, Stored
from irqbal.service.cycle_result import CycleResult
from irqbal.service.learned_state import LearnedState
from irqbal.state.originals import OriginalsFile

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_CONFIG = Path("/etc/irqbal.yaml")


class CommandGroup(click.Group):
    """Commands in the order of `modules`, each imported when it is asked for: what a daemon never
    calls need not lie in its memory.
    """

    def __init__(self, *arguments: Any, modules: dict[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._modules:
            return None
        module, _, name = self._modules[cmd_name].partition(":")
        found: click.Command = getattr(
            importlib.import_module(f"irqbal.cli.{module}"), name or "command"
        )
        return found


class Common(msgspec.Struct, frozen=True):
    """`--root`, `-c` and `--debug`, wherever they stood."""

    root: Path
    path: Path | None
    debug: bool

    def config(self) -> Config:
        """The configuration; irqbal's defaults if no file was named and /etc/irqbal.yaml is not
        there. Raises ConfigError.
        """
        return Config(policies=_default_policies()) if self.path is None else load_config(self.path)

    @property
    def name(self) -> str:
        """The configuration's name in messages."""
        return "(defaults)" if self.path is None else str(self.path)


def _default_policies() -> Any:
    from irqbal.config.reader import parse

    return parse("", "(defaults)").policies


def common_options(function: F) -> F:
    """`--root`, `--config` and `--debug`, before the command or after it; after it wins."""
    for option in (
        click.option("--debug", is_flag=True, help="Log a summary of each cycle, and more."),
        click.option(
            "-c",
            "--config",
            "config_path",
            type=click.Path(dir_okay=False, path_type=Path),
            help=f"The YAML file; {DEFAULT_CONFIG} if that exists, else irqbal's defaults.",
        ),
        click.option(
            "--root",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Read proc/ and sys/ below this folder instead of the live host's.",
        ),
    ):
        function = option(function)
    return function


def common_of(
    ctx: click.Context, root: Path | None, config_path: Path | None, debug: bool
) -> Common:
    """The common options of this command, completed with those that stood before it; sets logging
    up.
    """
    before = ctx.parent.params if ctx.parent is not None else {}
    path = config_path or before.get("config_path")
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    common = Common(
        root or before.get("root") or Path("/"), path, debug or bool(before.get("debug"))
    )
    setup_logging(common.debug)
    if not common.debug and ctx.command.name != "daemon":
        logging.getLogger().setLevel(logging.WARNING)
    return common


def command_options(function: F) -> F:
    """The common options, and the context as first argument."""
    return click.pass_context(common_options(function))  # type: ignore[return-value]


def balancer_of(
    common: Common, dry_run: bool, explain: tuple[int, ...] = (), explain_all: bool = False
) -> Balancer:
    """A balancer for one cycle. Raises ConfigError, HostError."""
    config = common.config()
    places = folders(config, common.root)
    host = KernelHost(common.root)
    originals = OriginalsFile(places.run, common.root, host.boot_id)
    if not dry_run:
        host = KernelHost(common.root, originals.save)
    base = settings(config, COOLDOWN_INTERVALS)
    wanted = msgspec.structs.replace(base, explain=explain, explain_all=explain_all)
    stored = Stored(
        originals=None if dry_run else originals,
        learned=LearnedState(places, host.boot_id, read_only=dry_run),
    )
    policies = bind(config, common.name)
    return Balancer(host, policies, wanted, float(config.interval), dry_run=dry_run, stored=stored)


def one_cycle(balancer: Balancer, seconds: float, cause: str) -> CycleResult:
    """Two readings this far apart, and the cycle that follows from them."""
    balancer.first_look()
    time.sleep(seconds)
    try:
        return balancer.run_cycle(cause)
    finally:
        balancer.policies.close()


def is_root() -> bool:
    """Whether this process may write masks."""
    return os.geteuid() == 0
