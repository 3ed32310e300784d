"""`irqbal token`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from irqbal.cli.common import command_options, common_of
from irqbal.service.assembly import folders
from irqbal.state import tokens
from irqbal.wire import Duration, Moment

FORMS = ("add", "list", "revoke")


@click.command("token")
@command_options
@click.option(
    "--scope",
    type=click.Choice(["read", "override", "admin"]),
    default="read",
    show_default=True,
    help="What it allows: reading, also overrides and dry runs, or everything.",
)
@click.option(
    "--expires", default="", help="How long it is valid, such as 90d; without end unless given."
)
@click.argument("action", type=click.Choice(FORMS))
@click.argument("name", required=False, default="")
def command(
    ctx: click.Context,
    root: Path | None,
    config_path: Path | None,
    debug: bool,
    scope: str,
    expires: str,
    action: str,
    name: str,
) -> None:
    """Tokens for the API: `add NAME` prints a new one (once: only its hash is kept), `list` shows
    all, `revoke NAME` ends one.

    A running daemon heeds the change with the next request.
    """
    common = common_of(ctx, root, config_path, debug)
    folder = folders(common.config(), common.root).state
    if action == "list":
        _list(folder)
        return
    if not name:
        raise click.UsageError(f"`irqbal token {action}` needs a NAME")
    if action == "revoke":
        tokens.revoke(folder, name)
        click.echo(f"The token {name} is not valid any more.", err=True)
        return
    click.echo(tokens.add(folder, name, scope, _until(expires)))


def _until(text: str) -> float | None:
    if not text:
        return None
    try:
        length = Duration.parse(text)
    except ValueError as error:
        raise click.UsageError(f"--expires: {error}") from error
    if length <= 0:
        raise click.UsageError("--expires: a token that expires at once is of no use")
    return time.time() + float(length)


def _list(folder: Path) -> None:
    found = tokens.load(folder)
    now = time.time()
    for token in found:
        end = "never expires" if token.expires is None else f"expires {Moment(token.expires)}"
        end = "has expired" if token.expires is not None and token.expires <= now else end
        click.echo(f"{token.name}: {token.scope}, made {Moment(token.created)}, {end}")
    if not found:
        click.echo("There are no tokens: the daemon makes one for root at its first start.")
