"""Commands about many hosts: `hosts` and `fleet`."""

from __future__ import annotations

from typing import get_args

import click

from irqbal.api.contract import requests, responses
from irqbal.client.cli import tables
from irqbal.client.cli.csv_table import table_of
from irqbal.client.cli.session import Command, Session, with_session


@click.command("hosts", cls=Command)
@with_session
def hosts(session: Session) -> None:
    """List the hosts of a central server. --host HOST selects one of them.

    DRIFT and FAILED count the last 24 hours. REMOTE counts queues that are handled off their NIC's
    node, ISOLATED the IRQs that fire on isolated CPUs.
    """
    data = session.client.fetch("hosts")
    session.show(
        data,
        tuple[responses.HostView, ...],
        tables.hosts,
        lambda items: table_of(responses.HostView, items),
    )


@click.command("fleet", cls=Command)
@click.option(
    "--code",
    type=click.Choice(get_args(requests.FindingCode)),
    help="Only findings with this code.",
)
@click.option("--named", metavar="TEXT", help="Only hosts whose name contains this text.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="The most findings to show.",
)
@with_session
def fleet(session: Session, code: str | None, named: str | None, limit: int) -> None:
    """List what is wrong or could be faster, on all hosts of the server."""
    data = session.client.fetch("findings", query={"code": code, "host": named, "limit": limit})
    session.show(
        data,
        tuple[responses.FindingView, ...],
        tables.findings,
        lambda items: table_of(responses.FindingView, items),
    )
