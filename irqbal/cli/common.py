"""What the commands share: the common options, the configuration, and a single cycle."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
import msgspec

from irqbal.config.reader import DEFAULT_CONFIG
from irqbal.config.reader import load as load_config
from irqbal.config.schema import Config
from irqbal.kernel.host import KernelHost
from irqbal.plugins.supervisor import PATIENCE
from irqbal.process.systemd import setup_logging
from irqbal.service.assembly import bind, folders, settings
from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer, Stored
from irqbal.service.cycle_result import CycleResult
from irqbal.service.learned_state import LearnedState
from irqbal.state.originals import OriginalsFile

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")


class CommandGroup(click.Group):
    """Commands in the order of `modules`, each imported when it is called: the daemon does not hold
    the modules of other commands in memory.

    `modules`: command -> module below irqbal.cli, with `:NAME` if the command object is not called
    `command`.
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
    """The values of `--root`, `-c` and `--debug`. `path`: None if there is no file."""

    root: Path
    path: Path | None
    debug: bool

    def config(self) -> Config:
        """The configuration; irqbal's defaults if there is no file. Raises ConfigError."""
        return Config(policies=_default_policies()) if self.path is None else load_config(self.path)

    @property
    def name(self) -> str:
        """The configuration's name in messages."""
        return "(defaults)" if self.path is None else str(self.path)


def _default_policies() -> Any:
    from irqbal.config.reader import parse

    return parse("", "(defaults)").policies


def common_options(function: F) -> F:
    """`--root`, `--config`, `--debug`: before or after a command; those after it win."""
    for option in (
        click.option("--debug", is_flag=True, help="Log each cycle and other details."),
        click.option(
            "-c",
            "--config",
            "config_path",
            type=click.Path(dir_okay=False, path_type=Path),
            help=f"The configuration file. Default: {DEFAULT_CONFIG} if it exists, else irqbal's "
            "defaults.",
        ),
        click.option(
            "--root",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Read proc/ and sys/ below this folder instead of below /.",
        ),
    ):
        function = option(function)
    return function


def common_of(
    ctx: click.Context, root: Path | None, config_path: Path | None, debug: bool
) -> Common:
    """The common options of a command, completed with those before it. Sets logging up."""
    before = ctx.parent.params if ctx.parent is not None else {}
    path = config_path or before.get("config_path")
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    common = Common(
        (root or before.get("root") or Path("/")).absolute(),
        path,
        debug or bool(before.get("debug")),
    )
    setup_logging(common.debug)
    if not common.debug and ctx.command.name != "daemon":
        logging.getLogger().setLevel(logging.WARNING)
    return common


def command_options(function: Callable[Concatenate[Common, P], R]) -> Callable[..., R]:
    """Add the common options to a command, and call it with their values as the first argument."""

    def call(
        ctx: click.Context,
        /,
        root: Path | None,
        config_path: Path | None,
        debug: bool,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        return function(common_of(ctx, root, config_path, debug), *args, **kwargs)

    functools.update_wrapper(call, function)
    return common_options(click.pass_context(call))


def seconds_option(default: float) -> Callable[[F], F]:
    """`--seconds`, the time between the two readings of a single cycle."""
    return click.option(
        "--seconds",
        type=click.FloatRange(0.05, 3600),
        default=default,
        show_default=True,
        help="Seconds between the two readings that rates are computed from.",
    )


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
    policies = bind(config, common.name, PATIENCE)
    return Balancer(host, policies, wanted, float(config.interval), dry_run=dry_run, stored=stored)


def one_cycle(balancer: Balancer, seconds: float, cause: str) -> CycleResult:
    """Read the host twice, so many seconds apart, and run one cycle on the difference."""
    balancer.first_look()
    time.sleep(seconds)
    try:
        return balancer.run_cycle(cause)
    finally:
        balancer.policies.close()


def is_root() -> bool:
    """Whether this process may write masks."""
    return os.geteuid() == 0
