"""`irqbal serve`."""

from __future__ import annotations

import logging
import platform
from pathlib import Path

import click
import msgspec

from irqbal.cli.common import Common, command_options
from irqbal.client.cli.values import LENGTH
from irqbal.config.schema import ApiOptions, TlsOptions
from irqbal.errors import ConfigError
from irqbal.render.progress import working
from irqbal.service.assembly import folders
from irqbal.wire import Duration


@click.command("serve")
@command_options
@click.option(
    "--store",
    "url",
    metavar="URL",
    help="The history to serve: mongodb://…, sqlite:///PATH or a file. Default: the MongoDB of the "
    "configuration, or this host's own history.",
)
@click.option(
    "--since",
    type=LENGTH,
    default="30d",
    show_default=True,
    help="Do not list hosts that sent nothing for longer than this.",
)
@click.option(
    "--name",
    default="",
    help="The name of the host in a history file. Default: this host's name.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file with one more token that may read, besides those of `irqbal token`.",
)
@click.option(
    "--cert",
    default="",
    metavar="FILE",
    help="The certificate and its chain (PEM), for HTTPS; needs --key.",
)
@click.option("--key", default="", metavar="FILE", help="The certificate's private key (PEM).")
@click.option("--insecure", is_flag=True, help="Allow addresses other than loopback without TLS.")
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535))
def command(
    common: Common,
    url: str | None,
    since: Duration,
    name: str,
    token_file: Path | None,
    cert: str,
    key: str,
    insecure: bool,
    host: str,
    port: int,
) -> int:
    """Run a central server: the API and the dashboard at HOST and PORT for all hosts that ship
    their history.

    It stores nothing itself, so any number of servers may run behind a load balancer. It cannot
    change anything on a host. On loopback reading needs no token (`api: anonymous:`); on other
    addresses it does.
    """
    from irqbal.central.server import CentralServer
    from irqbal.central.stores import open_fleet

    if not common.debug:
        logging.getLogger().setLevel(logging.INFO)
    config = common.config()
    if url == "":
        raise click.UsageError(
            "--store is empty: name a history, or leave the option out for the MongoDB of the "
            "configuration, or this host's own history"
        )
    if bool(cert) != bool(key):
        raise click.UsageError("--cert and --key must be given together")
    options = _options(
        config.api, host, port, TlsOptions(cert, key) if cert else config.api.tls, insecure
    )
    places = folders(config, common.root)
    with working("opening the history"):
        store = open_fleet(url or "", config.history.mongodb, places.state, name or platform.node())
    return CentralServer(store, float(since), options, places, token_file).run()


def _options(
    api: ApiOptions, host: str, port: int, tls: TlsOptions | None, insecure: bool
) -> ApiOptions:
    """The configuration's section `api`, with this address alone. Raises ConfigError."""
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
