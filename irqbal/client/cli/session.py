"""What all commands share: where the daemon is, the options that may stand anywhere, and the three
forms of an answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
import msgspec
from click.shell_completion import CompletionItem
from rich.console import Console

from irqbal.api.contract import responses
from irqbal.client import access
from irqbal.client.cli.csv_table import write_csv
from irqbal.client.http import TIMEOUT, Client, Target
from irqbal.errors import IrqbalError
from irqbal.render.text import console

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

TAB = 2.0
"""Seconds that a person who pressed Tab waits for the daemon."""
_KEY = "irqbal."


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """After the command wins over before it: contexts share `meta`, and inner ones are parsed
    later.
    """
    if value is not None and value is not False:
        ctx.meta[_KEY + str(param.name)] = value


def _hosts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The hosts that a central server knows, for Tab."""
    try:
        known = session_of(ctx, TAB).client.ask("hosts", tuple[responses.HostView, ...])
    except (IrqbalError, click.UsageError):
        return []
    return [item.host for item in known if item.host.startswith(incomplete)]


def shared_options() -> list[click.Option]:
    """New option objects, for one command."""
    return [
        click.Option(
            ["-o", "--output"],
            type=click.Choice(["table", "json", "csv"]),
            expose_value=False,
            callback=_keep,
            help="A table for people (the default), the API's very answer as JSON, or CSV with a "
            "header.",
        ),
        click.Option(
            ["--token-file"],
            type=click.Path(dir_okay=False, path_type=Path),
            expose_value=False,
            callback=_keep,
            metavar="FILE",
            help=f"The file that holds your token; else the variable {access.VARIABLE}.",
        ),
        click.Option(
            ["--tls"], is_flag=True, expose_value=False, callback=_keep, help="Speak HTTPS."
        ),
        click.Option(
            ["--ca"],
            type=click.Path(exists=True, dir_okay=False),
            expose_value=False,
            callback=_keep,
            metavar="FILE",
            help="Who signed the daemon's certificate (PEM), if not one of the system's; implies "
            "--tls.",
        ),
        click.Option(
            ["--timeout"],
            type=click.FloatRange(min=0, min_open=True, max=86400),
            expose_value=False,
            callback=_keep,
            metavar="SECONDS",
            help=f"How long to wait for an answer; {TIMEOUT:g} unless given.",
        ),
        click.Option(
            ["--on", "--host"],
            expose_value=False,
            callback=_keep,
            metavar="HOST",
            shell_complete=_hosts,
            help="One of the hosts of a central server.",
        ),
    ]


class Session(msgspec.Struct, frozen=True):
    """One call of the command: whom to ask, and how to show the answer."""

    client: Client
    host: str
    form: str

    @property
    def out(self) -> Console:
        """Where tables go."""
        return console()

    def show(
        self,
        data: bytes,
        kind: type[T],
        table: Callable[[Console, T], None],
        rows: Callable[[T], Iterable[Sequence[str]]],
    ) -> T | None:
        """Print an answer in the form that was asked for; None if it was not looked into."""
        if self.form == "json":
            self.client.read(data, msgspec.Raw)
            click.echo(data.rstrip(b"\n"))
            return None
        answer = self.client.read(data, kind)
        if self.form == "csv":
            write_csv(rows(answer))
        else:
            table(self.out, answer)
        return answer

    def say(self, text: str) -> None:
        """A sentence besides the answer."""
        click.echo(text, err=True)


def session_of(ctx: click.Context, timeout: float = TIMEOUT) -> Session:
    """The session of this call; `timeout` unless the person named one. Raises click.UsageError,
    TokenError.
    """
    root = ctx.find_root()
    target = target_of(ctx, str(root.params["host"] or ""), root.params["port"] or "")
    token = access.token(ctx.meta.get(_KEY + "token_file"))
    if token and not target.tls and not target.loopback and not ctx.resilient_parsing:
        click.echo(
            f"irqbal-client: your token goes to {target} in clear; --tls would hide it", err=True
        )
    client = Client(
        target,
        token,
        ctx.meta.get(_KEY + "timeout", timeout),
        ctx.meta.get(_KEY + "on", ""),
        lambda: access.local_token(target),
    )
    return Session(client, target.host or str(target), ctx.meta.get(_KEY + "output", "table"))


def target_of(ctx: click.Context, host: str, port: str) -> Target:
    """Where HOST and PORT are. Raises click.UsageError."""
    if host.startswith("unix:"):
        if port != "-":
            raise click.UsageError(f"a socket has no port: write {host} - COMMAND", ctx.find_root())
        return Target(path=host.removeprefix("unix:"))
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not name or any(char in name for char in "/@[] "):
        raise click.UsageError(
            f"{host!r} is no host: a name, an address, or unix:PATH, and then the port",
            ctx.find_root(),
        )
    if not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        commands = getattr(ctx.find_root().command, "commands", {})
        hint = (
            f" before the command: irqbal-client localhost 8080 {host} …"
            if host.replace("-", "_") in commands
            else ""
        )
        raise click.UsageError(
            f"{port!r} is no port; HOST and PORT come first{hint}", ctx.find_root()
        )
    ca = ctx.meta.get(_KEY + "ca", "")
    return Target(name, int(port), tls=bool(ctx.meta.get(_KEY + "tls") or ca), ca=ca)


def with_session(function: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """The session as first argument."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(session_of(click.get_current_context()), *args, **kwargs)

    call.__doc__, call.__name__ = function.__doc__, function.__name__
    call.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    return call


class Command(click.Command):
    """A command that takes the shared options too, and lists them apart."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = len(self.params)
        self.params += shared_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own first."""
        _format_options(self, ctx, formatter)


class ClientGroup(click.Group):
    """Commands in the order in which they were added; dashes for underscores, and the shared
    options.
    """

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = len(self.params)
        self.params += shared_options()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, cmd_name.replace("-", "_"))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Who writes dashes goes on with dashes."""
        if incomplete.startswith("-") or "-" not in incomplete:
            return super().shell_complete(ctx, incomplete)
        found = super().shell_complete(ctx, incomplete.replace("-", "_"))
        return [
            CompletionItem(item.value.replace("_", "-"), item.type, item.help) for item in found
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own first."""
        _format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


def _format_options(
    command: Command | ClientGroup, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    shared = command.params[command.own :]
    mine = [
        param
        for param in command.get_params(ctx)
        if isinstance(param, click.Option) and param not in shared
    ]
    with formatter.section("Options"):
        formatter.write_dl(_help_of(mine, ctx))
    with formatter.section("Options that may stand anywhere"):
        formatter.write_dl(_help_of(shared, ctx))


def _help_of(params: Iterable[click.Parameter], ctx: click.Context) -> list[tuple[str, str]]:
    return [record for param in params if (record := param.get_help_record(ctx))]


def is_terminal() -> bool:
    """Whether a person may be asked."""
    return sys.stdin.isatty()
