"""What the commands share: the common options, the configuration, and a single cycle."""

from __future__ import annotations

import functools
import importlib
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem

from irqbal.client.cli.command_help import (
    Sections,
    check_command,
    describe,
    flat,
    write_sections,
)
from irqbal.config.reader import DEFAULT_CONFIG
from irqbal.config.reader import load as load_config
from irqbal.config.reader import parse as parse_config
from irqbal.config.schema import Config
from irqbal.process.systemd import setup_logging
from irqbal.render.progress import working

if TYPE_CHECKING:
    # Imported where they are called: help and Tab must not wait for the daemon's modules.
    from irqbal.service.cycle import Balancer
    from irqbal.service.cycle_result import CycleResult

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")


class CommandGroup(click.Group):
    """The commands of `sections`, each imported when it is called: the daemon does not hold the
    modules of other commands in memory, and help and Tab do not wait for them.
    """

    def __init__(self, *arguments: Any, sections: Sections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sections = sections
        self._known = flat(sections)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._known)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        info = self._known.get(cmd_name)
        if info is None:
            return None
        module, _, name = info.module.partition(":")
        found: click.Command = getattr(
            importlib.import_module(f"irqbal.cli.{module}"), name or "command"
        )
        describe(found, info)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in their sections, without importing them."""
        write_sections(self, ctx, formatter, self.sections)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        check_command(self, ctx, args)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands from the table, options from click."""
        named = [
            CompletionItem(name, help=info.about)
            for name, info in self._known.items()
            if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)


class BelowGroup(click.Group):
    """The subcommands of one command, such as `token add`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        check_command(self, ctx, args)
        return super().resolve_command(ctx, args)


class Common(msgspec.Struct, frozen=True):
    """The values of `--root`, `-c` and `--debug`. `path`: None if there is no file."""

    root: Path
    path: Path | None
    debug: bool

    def config(self) -> Config:
        """The configuration; irqbal's defaults if there is no file. Raises ConfigError."""
        if self.path is None:
            return Config(policies=parse_config("", self.name).policies)
        return load_config(self.path)

    @property
    def name(self) -> str:
        """The configuration's name in messages."""
        return "(defaults)" if self.path is None else str(self.path)


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
    before = _before(ctx)
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


def _before(ctx: click.Context) -> dict[str, Any]:
    """The common options before the command; those nearer to it win."""
    found: dict[str, Any] = {}
    above = ctx.parent
    while above is not None:
        found = {name: value for name, value in above.params.items() if value} | {
            name: value for name, value in found.items() if value
        }
        above = above.parent
    return found


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


class Seconds(click.FloatRange):
    """A number of seconds; `nan` is none, which click's range lets pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(
                f"{value} is not a number of seconds from {self.min} to {self.max}", param, ctx
            )
        return number


def seconds_option(default: float) -> Callable[[F], F]:
    """`--seconds`, the time between the two readings of a single cycle."""
    return click.option(
        "--seconds",
        type=Seconds(0.05, 3600),
        default=default,
        show_default=True,
        help="Seconds between the two readings that rates are computed from.",
    )


def balancer_of(
    common: Common, dry_run: bool, explain: tuple[int, ...] = (), explain_all: bool = False
) -> Balancer:
    """A balancer for one cycle. Raises ConfigError, HostError."""
    from irqbal.kernel.host import KernelHost
    from irqbal.plugins.supervisor import PATIENCE
    from irqbal.service.assembly import bind, folders, settings
    from irqbal.service.cycle import COOLDOWN_INTERVALS, Balancer, Stored
    from irqbal.service.learned_state import LearnedState
    from irqbal.state.originals import OriginalsFile

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
    with working("starting the policies"):
        policies = bind(config, common.name, PATIENCE)
    return Balancer(host, policies, wanted, float(config.interval), dry_run=dry_run, stored=stored)


def one_cycle(balancer: Balancer, seconds: float, cause: str) -> CycleResult:
    """Read the host twice, so many seconds apart, and run one cycle on the difference."""
    with working("reading the host") as progress:
        balancer.first_look()
        progress.wait(seconds, "counting interrupts")
        progress.tell("planning")
        try:
            return balancer.run_cycle(cause)
        finally:
            balancer.policies.close()


def is_root() -> bool:
    """Whether this process may write masks."""
    return os.geteuid() == 0
