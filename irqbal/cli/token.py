"""`irqbal token`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from irqbal.cli.common import BelowGroup, Common, command_options, common_options
from irqbal.cli.params import TOKEN
from irqbal.client.cli.values import LENGTH
from irqbal.render.console import echo
from irqbal.service.assembly import folders
from irqbal.state import tokens
from irqbal.wire import Duration, Moment


@click.group("token", cls=BelowGroup)
@common_options
def command(**_: object) -> None:
    """Add, list and revoke the tokens of the API.

    Only the hash of a token is stored. A running daemon applies a change to the next request.
    """


@command.command("add")
@command_options
@click.option(
    "--scope",
    type=click.Choice(["read", "override", "admin"]),
    default="read",
    show_default=True,
    help="What the token allows: reading; also overrides and dry runs; everything.",
)
@click.option(
    "--expires",
    type=LENGTH,
    help="How long the token is valid, such as 90d. Default: without end.",
)
@click.argument("name")
def add(common: Common, scope: str, expires: Duration | None, name: str) -> None:
    """Print a new token named NAME. It is printed once; a lost one is revoked and added anew."""
    echo(tokens.add(_folder(common), name, scope, _until(expires)))


@command.command("list")
@command_options
def list_(common: Common) -> None:
    """List all tokens: name, scope, when each was created, and when it ends."""
    _list(_folder(common))


@command.command("revoke")
@command_options
@click.argument("name", type=TOKEN)
def revoke(common: Common, name: str) -> None:
    """End the token named NAME: the next request with it is refused."""
    tokens.revoke(_folder(common), name)
    echo(f"The token {name} is revoked.", err=True)


def _folder(common: Common) -> Path:
    return folders(common.config(), common.root).state


def _until(length: Duration | None) -> float | None:
    """Seconds since the epoch at which a token expires; None: never."""
    if length is None:
        return None
    if length <= 0:
        raise click.UsageError("--expires: the time must be longer than 0 s")
    return time.time() + float(length)


def _list(folder: Path) -> None:
    found = tokens.load(folder)
    now = time.time()
    for token in found:
        end = "never expires" if token.expires is None else f"expires {Moment(token.expires)}"
        end = "has expired" if token.expires is not None and token.expires <= now else end
        echo(f"{token.name}: {token.scope}, created {Moment(token.created)}, {end}")
    if not found:
        echo("There are no tokens. The daemon creates one for root at its first start.")
