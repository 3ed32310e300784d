"""`irqbal-client HOST PORT COMMAND`: inspect and control an irqbal daemon over its API.

Exit status: 0 done; 1 the daemon or the kernel refused; 2 wrong usage; 3 the daemon cannot be
reached.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from irqbal.client.access import TokenError
from irqbal.client.cli import (
    completion,
    control,
    fleet,
    history,
    legacy,
    plan,
    state,
    trials,
    watch,
)
from irqbal.client.cli.command_help import describe, flat, write_sections
from irqbal.client.cli.command_table import SECTIONS
from irqbal.client.cli.session import ClientGroup, Command, Session, with_session
from irqbal.client.cli.shell_script import register
from irqbal.client.http import DaemonUnreachable, RequestRefused, Unreadable
from irqbal.client.top import batch as top_batch
from irqbal.client.top.options import TopOptions
from irqbal.errors import IrqbalError
from irqbal.render.console import echo, plain

SOCKET = "unix:/run/irqbal/irqbal.sock"
EPILOG = """\b
Examples:
  irqbal-client localhost 8080 status
  irqbal-client localhost 8080 explain eth0-TxRx-3
  irqbal-client unix:/run/irqbal/irqbal.sock - override set 24 0-3 --for 2h --reason "trying"
  irqbal-client db1 8080 --tls -o csv irqs --device eth0
  irqbal-client localhost 8080 history all --start 2h
  irqbal-client central 8080 fleet --code remote-queue
  irqbal-client central 8080 irqs --host db1

On the daemon's host root needs no token. Others get one from `irqbal token add`, and pass it in a
file (--token-file FILE) or in the variable IRQBAL_TOKEN.

Exit status: 0 done; 1 the daemon or the kernel refused; 2 wrong usage; 3 the daemon cannot be
reached; 130 Ctrl-C."""
HINT = (
    "Check that the daemon runs (`systemctl status irqbal`) and listens on this address "
    "(`api: listen:` in its configuration)."
)


class PipeClosed(Exception):
    """The reader of standard output closed the pipe."""


class HostParameter(click.ParamType):  # type: ignore[type-arg]
    """A host's name or address, or unix:PATH."""

    name = "host"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [
            CompletionItem(text)
            for text in ("localhost", SOCKET, "completion")
            if text.startswith(incomplete)
        ]


class PortParameter(click.ParamType):  # type: ignore[type-arg]
    """A port, or a dash for a Unix socket."""

    name = "port"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        text = "-" if str(ctx.params.get("host") or "").startswith("unix:") else "8080"
        return [CompletionItem(text)] if text.startswith(incomplete) else []


class RootGroup(ClientGroup):
    """All commands. Options may stand before HOST, between HOST and PORT, and after PORT."""

    sections = SECTIONS

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._in_order(ctx, args))

    def _in_order(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Reorder: options, then HOST and PORT, then the command with all that follows it."""
        valued = {
            name
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and not param.is_flag and not param.count
            for name in param.opts
        }
        options: list[str] = []
        words: list[str] = []
        rest = list(args)
        while rest and (len(words) < 2 or _is_option(rest[0])):
            word = rest.pop(0)
            if not _is_option(word):
                words.append(word)
                if len(words) == 1 and self._needs_no_host(ctx, word, rest):
                    return [*options, "", "", *words, *rest]
                continue
            options.append(word)
            if word in valued and rest:
                options.append(rest.pop(0))
        return [*options, *words, *rest]

    def _needs_no_host(self, ctx: click.Context, word: str, rest: Sequence[str]) -> bool:
        """Whether the first word is a command, not a HOST: `completion`, or one whose help is
        wanted.
        """
        if word == "completion":
            return rest[:1] != ["-"] and not (rest and rest[0].isdecimal())
        helps = set(ctx.help_option_names) & set(rest)
        return bool(helps) and self.get_command(ctx, word) is not None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in their sections."""
        write_sections(self, ctx, formatter, self.sections)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # click would exit with status 1, which means a refusal here.
            raise PipeClosed from error


def _is_option(word: str) -> bool:
    return word.startswith("-") and word not in ("-", "--")


@click.group(
    cls=RootGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="irqbal", prog_name="irqbal-client")
@click.argument("host", type=HostParameter())
@click.argument("port", type=PortParameter())
def cli(**_: object) -> None:
    """Inspect and control the irqbal daemon at HOST and PORT. For a Unix socket write unix:PATH as
    HOST and - as PORT.

    Command names may be written with dashes instead of underscores.
    """


@click.command("top", cls=Command)
@click.option(
    "-d",
    "--delay",
    type=click.FloatRange(min=0.1, max=86400),
    metavar="SECONDS",
    help="Seconds between two readings. Default: the daemon's interval, 10 at most.",
)
@click.option(
    "-b",
    "--batch",
    is_flag=True,
    help="Print each reading as text, or with -o json as an object a line. Needs no terminal.",
)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1),
    help="End after this many readings. Default: run until it is ended.",
)
@with_session
def top(session: Session, delay: float | None, batch: bool, count: int | None) -> int:
    """Show CPUs and IRQs on the whole terminal, updated live.

    The head has the host's verdict; `?` lists all keys.
    """
    options = TopOptions(delay=delay, count=count)
    if session.form == "csv" or (session.form == "json" and not batch):
        raise click.UsageError("top draws a screen; `top -b` prints text, `top -b -o json` JSON")
    if batch:
        return top_batch.run(session, options)
    try:
        import irqbal.client.top.main as screen
    except ImportError:
        raise click.ClickException(
            "irqbal-client top needs Textual: pip install 'irqbal[top]'; `top -b` does without"
        ) from None
    return int(screen.run(session.client, options) or 0)


_ALL: tuple[click.Command, ...] = (
    state.status,
    state.irqs,
    state.cpus,
    state.devices,
    state.explain,
    plan.plan,
    state.policies,
    control.override,
    history.decisions,
    history.history,
    watch.watch,
    top,
    trials.trials,
    control.pause,
    control.resume,
    control.cycle,
    control.restore,
    history.export,
    state.findings,
    fleet.hosts,
    fleet.fleet,
    state.metrics,
    legacy.list_devices,
    legacy.cpu_count,
    legacy.device_detail,
    legacy.cpu_affinity,
    completion.completion,
)
_BY_NAME = {str(command.name): command for command in _ALL}
for _name, _info in flat(SECTIONS).items():
    cli.add_command(_BY_NAME[_name])
    describe(_BY_NAME[_name], _info)


def main() -> None:
    """Entry point. Errors are printed as sentences, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if completion.VARIABLE in os.environ:
        register()
    sys.exit(_run())


def _run() -> int:
    try:
        status = cli(standalone_mode=False, prog_name=completion.PROGRAM)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except TokenError as error:
        return _fail(str(error), 2)
    except RequestRefused as error:
        hint = (
            "\npass your token with --token-file FILE or in the variable IRQBAL_TOKEN"
            if error.status == 401
            else ""
        )
        return _fail(f"{error}{hint}", 1)
    except Unreadable as error:
        # Somebody answered: whether the daemon runs is not the question.
        return _fail(str(error), 3)
    except DaemonUnreachable as error:
        return _fail(f"{error}\n{HINT}", 3)
    except IrqbalError as error:
        return _fail(str(error), 1)
    except (PipeClosed, BrokenPipeError):
        _discard_stdout()
        return 141
    except OSError as error:
        _discard_stdout()
        return _fail(f"the output cannot be written: {error.strerror or error}", 1)


def _fail(text: str, status: int) -> int:
    with contextlib.suppress(OSError):
        echo("irqbal-client: " + "\n  ".join(plain(line) for line in text.split("\n")), err=True)
    return status


def _discard_stdout() -> None:
    """Send buffered output to /dev/null: at exit Python would fail to write it once more."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
