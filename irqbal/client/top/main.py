"""`irqbal-client top`: the daemon on the whole terminal, as it changes. Needs Textual: the extra
`top`.
"""

from __future__ import annotations

import sys

import click

from irqbal.api.contract import responses
from irqbal.client.http import Client, RequestRefused
from irqbal.client.top.app import Top
from irqbal.client.top.feed import TEMPORARY

__all__ = ["Top", "run"]


def run(client: Client) -> int:
    """Show it until the person quits. Raises Unreachable or Refused if the daemon is not there at
    the start, click.UsageError.
    """
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError("top needs a terminal; `watch` writes lines")
    try:
        # Whoever mistyped the address sees that as of every command, not an empty screen.
        client.ask("status", responses.Status)
    except RequestRefused as error:
        if error.status not in TEMPORARY:
            raise
    screen = Top(client)
    screen.run()
    return screen.return_code or 0
