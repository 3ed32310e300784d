"""`irqbal token`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from irqbal.cli.common import Common, command_options
from irqbal.client.cli.values import LENGTH
from irqbal.render.console import echo
from irqbal.service.assembly import folders
from irqbal.state import tokens
from irqbal.wire import Duration, Moment

ACTIONS = ("add", "list", "revoke")


@click.command("token")
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
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("name", required=False, default="")
def command(common: Common, scope: str, expires: Duration | None, action: str, name: str) -> None:
    """Manage tokens for the API.

    `add NAME` prints a new token once; only its hash is stored. `list` shows all tokens, and
    `revoke NAME` ends one. A running daemon applies the change to the next request.
    """
    folder = folders(common.config(), common.root).state
    if action == "list":
        _list(folder)
        return
    if not name:
        raise click.UsageError(f"`irqbal token {action}` needs a NAME")
    if action == "revoke":
        tokens.revoke(folder, name)
        echo(f"The token {name} is revoked.", err=True)
        return
    echo(tokens.add(folder, name, scope, _until(expires)))


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
