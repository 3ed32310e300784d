"""What all commands share: the daemon's address, the options that may stand anywhere, and the
three output formats.
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
from irqbal.client.cli.command_help import check_command
from irqbal.client.cli.csv_table import table_of, write_csv
from irqbal.client.http import TIMEOUT, Client, Target
from irqbal.errors import IrqbalError
from irqbal.render.console import console, echo, echo_json, plain

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Struct = TypeVar("Struct", bound=msgspec.Struct)

COMPLETION_TIMEOUT = 2.0
"""Seconds to wait for the daemon when Tab is pressed."""
_KEY = "irqbal."
"""Prefix of the shared options' keys in click's `meta`, which all contexts of a call share."""


def _store_option(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Store a shared option. The last one wins: the command's own are parsed after the group's."""
    if value is not None and value is not False:
        ctx.meta[_KEY + str(param.name)] = value


def _hosts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The names of a central server's hosts, for shell completion."""
    try:
        known = session_of(ctx, COMPLETION_TIMEOUT).client.ask(
            "hosts", tuple[responses.HostView, ...]
        )
    except (IrqbalError, click.UsageError):
        return []
    return [item.host for item in known if item.host.startswith(incomplete)]


def shared_options() -> list[click.Option]:
    """The shared options, as new objects: each command needs its own."""
    return [
        _shared(
            ["-o", "--output"],
            type=click.Choice(["table", "json", "csv"]),
            help="A table (the default), the API's answer as JSON, or CSV with a header.",
        ),
        _shared(
            ["--token-file"],
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help=f"The file with your token. Default: the variable {access.VARIABLE}.",
        ),
        _shared(["--tls"], is_flag=True, help="Use HTTPS."),
        _shared(
            ["--ca"],
            type=click.Path(exists=True, dir_okay=False),
            metavar="FILE",
            help="Trust this CA certificate (PEM) instead of the system's; implies --tls.",
        ),
        _shared(
            ["--timeout"],
            type=click.FloatRange(min=0, min_open=True, max=86400),
            metavar="SECONDS",
            help=f"How long to wait for an answer. Default: {TIMEOUT:g}.",
        ),
        _shared(
            ["--on", "--host"],
            metavar="HOST",
            shell_complete=_hosts,
            help="Ask a central server about this host.",
        ),
    ]


def _shared(names: list[str], **attributes: Any) -> click.Option:
    """An option whose value goes to the call's session, not to the command."""
    return click.Option(names, expose_value=False, callback=_store_option, **attributes)


class Session(msgspec.Struct, frozen=True):
    """One call of the command: the client, the host's name as given, and the output format."""

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
        """Print an answer in the chosen format. Returns it decoded; None for JSON, which is
        printed as it came.
        """
        if self.form == "json":
            self.client.read(data, msgspec.Raw)
            echo_json(data.rstrip(b"\n"))
            return None
        answer = self.client.read(data, kind)
        if self.form == "csv":
            write_csv(rows(answer))
        else:
            table(self.out, answer)
        return answer

    def show_one(
        self, data: bytes, kind: type[Struct], table: Callable[[Console, Struct], None]
    ) -> None:
        """Print an answer that is one struct; in CSV one row with all of its fields."""
        self.show(data, kind, table, lambda item: table_of(kind, [item]))

    def show_list(
        self,
        data: bytes,
        kind: type[Struct],
        table: Callable[[Console, Sequence[Struct]], None],
        none: Callable[[], str] | None = None,
    ) -> None:
        """Print an answer that is a list of structs; in CSV a row with all fields for each. In
        place of a table without a row stands the sentence that `none` makes.
        """
        kinds: type[tuple[Struct, ...]] = tuple[kind, ...]  # type: ignore[valid-type]

        def shown(out: Console, items: Sequence[Struct]) -> None:
            if items or none is None:
                table(out, items)
            else:
                out.print(plain(none()))

        self.show(data, kinds, shown, lambda items: table_of(kind, items))

    def say(self, text: str) -> None:
        """Print a sentence on standard error."""
        echo(text, err=True)


def session_of(ctx: click.Context, timeout: float = TIMEOUT) -> Session:
    """The session of this call. `timeout` in seconds holds unless --timeout is given. Raises
    click.UsageError, TokenError.
    """
    root = ctx.find_root()
    target = target_of(ctx, str(root.params["host"] or ""), root.params["port"] or "")
    token = access.token(ctx.meta.get(_KEY + "token_file"))
    if token and not target.tls and not target.loopback and not ctx.resilient_parsing:
        echo(f"irqbal-client: your token is sent to {target} unencrypted; use --tls", err=True)
    client = Client(
        target,
        token,
        timeout=ctx.meta.get(_KEY + "timeout", timeout),
        on=ctx.meta.get(_KEY + "on", ""),
        fallback=lambda: access.local_token(target),
    )
    return Session(client, target.host or str(target), ctx.meta.get(_KEY + "output", "table"))


def target_of(ctx: click.Context, host: str, port: str) -> Target:
    """The address that HOST and PORT name. Raises click.UsageError."""
    if host.startswith("unix:"):
        if port != "-":
            raise click.UsageError(f"a socket has no port: write {host} - COMMAND", ctx.find_root())
        return Target(path=host.removeprefix("unix:"))
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not name or any(char in name for char in "/@[] "):
        raise click.UsageError(
            f"{host!r} is not a host: write a name, an address, or unix:PATH, then the port",
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
            f"{port!r} is not a port: HOST and PORT come first{hint}", ctx.find_root()
        )
    ca = ctx.meta.get(_KEY + "ca", "")
    return Target(name, int(port), tls=bool(ctx.meta.get(_KEY + "tls") or ca), ca=ca)


def with_session(function: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Call a command with the session as its first argument."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(session_of(click.get_current_context()), *args, **kwargs)

    call.__doc__, call.__name__ = function.__doc__, function.__name__
    call.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    return call


class Command(click.Command):
    """A command that also takes the shared options, and lists them in a section of their own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = len(self.params)
        self.params += shared_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then the shared ones."""
        _format_options(self, ctx, formatter)


class ClientGroup(click.Group):
    """A group that lists its commands in the order in which they were added, accepts dashes for
    underscores, and takes the shared options.
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        check_command(self, ctx, args)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete with dashes where dashes were typed."""
        if incomplete.startswith("-") or "-" not in incomplete:
            return super().shell_complete(ctx, incomplete)
        found = super().shell_complete(ctx, incomplete.replace("-", "_"))
        return [
            CompletionItem(item.value.replace("_", "-"), item.type, item.help) for item in found
        ]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options, then the shared ones."""
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
    """Whether standard input is a terminal, so that a question can be answered."""
    return sys.stdin.isatty()
