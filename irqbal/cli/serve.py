"""`irqbal serve`."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

import click
import msgspec

from irqbal.cli.common import command_options, common_of
from irqbal.config.schema import ApiOptions, TlsOptions
from irqbal.errors import ConfigError
from irqbal.service.assembly import folders
from irqbal.wire import Duration


@click.command("serve")
@command_options
@click.option(
    "--store",
    "url",
    metavar="URL",
    help="mongodb://…, sqlite:///PATH or a file; else what the configuration ships to, or this "
    "host's own.",
)
@click.option(
    "--since",
    default="30d",
    show_default=True,
    metavar="LENGTH",
    help="Hosts not heard of for longer are not listed.",
)
@click.option(
    "--name",
    default="",
    help="What the one host of a history file is called; this host's name, unless given.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file with a token that may read, besides those of `irqbal token`.",
)
@click.option(
    "--cert",
    default="",
    metavar="FILE",
    help="Certificate and its chain (PEM), to speak HTTPS; with --key.",
)
@click.option("--key", default="", metavar="FILE", help="Its private key (PEM).")
@click.option(
    "--insecure", is_flag=True, help="Listen on other addresses than loopback without TLS."
)
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535))
def command(
    ctx: click.Context,
    root: Path | None,
    config_path: Path | None,
    debug: bool,
    url: str | None,
    since: str,
    name: str,
    token_file: Path | None,
    cert: str,
    key: str,
    insecure: bool,
    host: str,
    port: int,
) -> int:
    """A central server: the API and the dashboard at HOST and PORT over what many hosts shipped,
    without a kernel.

    It keeps nothing itself, so any number of them may stand behind a balancer. Nobody can change
    anything on a host through it. On loopback anybody may read (`api: anonymous:`); elsewhere a
    token is needed.
    """
    from irqbal.central.server import CentralServer
    from irqbal.central.stores import open_fleet

    common = common_of(ctx, root, config_path, debug)
    if not common.debug:
        logging.getLogger().setLevel(logging.INFO)
    config = common.config()
    if url == "":
        raise click.UsageError(
            "--store is empty: name a store, or leave it out for what the configuration ships to, "
            "or this host's own"
        )
    if bool(cert) != bool(key):
        raise click.UsageError("--cert and --key go together")
    try:
        age = float(Duration.parse(since))
    except ValueError as error:
        raise click.UsageError(f"--since: {error}") from error
    options = _options(
        config.api, host, port, TlsOptions(cert, key) if cert else config.api.tls, insecure
    )
    places = folders(config, common.root)
    store = open_fleet(url or "", config.history.mongodb, places.state, name or platform.node())
    return CentralServer(store, age, options, places, token_file).run()


def _options(
    api: ApiOptions, host: str, port: int, tls: TlsOptions | None, insecure: bool
) -> ApiOptions:
    """The configuration's section with this address alone. Raises ConfigError."""
    address = f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
    fields = msgspec.structs.asdict(api) | {
        "listen": (address,),
        "tls": tls,
        "insecure": insecure or api.insecure,
    }
    try:
        return ApiOptions(**fields)
    except ValueError as error:
        raise ConfigError(
            [f"irqbal serve: {error} (here: --cert and --key, or --insecure)"]
        ) from error
