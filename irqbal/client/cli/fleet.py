"""Commands about many hosts: `hosts` and `fleet`."""

from __future__ import annotations

import click

from irqbal.api.contract import requests, responses
from irqbal.client.cli import tables
from irqbal.client.cli.none_found import no_findings, no_hosts
from irqbal.client.cli.options import limit_option
from irqbal.client.cli.session import Command, Session, with_session


@click.command("hosts", cls=Command)
@with_session
def hosts(session: Session) -> None:
    """List the hosts of a central server. --host HOST selects one of them.

    DRIFT and FAILED count the last 24 hours. REMOTE counts queues that are handled off their NIC's
    node, ISOLATED the IRQs that fire on isolated CPUs.
    """
    session.show_list(session.client.fetch("hosts"), responses.HostView, tables.hosts, no_hosts)


@click.command("fleet", cls=Command)
@click.option(
    "--code",
    type=click.Choice(requests.FINDING_CODES),
    help="Only findings with this code.",
)
@click.option("--named", metavar="TEXT", help="Only hosts whose name contains this text.")
@limit_option(100_000, 10_000, "The most findings to show.")
@with_session
def fleet(session: Session, code: str | None, named: str | None, limit: int) -> None:
    """List what is wrong or could be faster, on all hosts of the server."""
    data = session.client.fetch(
        "fleet_findings", query={"code": code, "host": named, "limit": limit}
    )
    session.show_list(
        data, responses.FindingView, tables.findings, lambda: no_findings(code, named)
    )
