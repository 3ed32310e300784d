"""`irqbal-client top`: CPUs and IRQs on the whole terminal, updated live. Needs Textual, which the
extra `top` installs.
"""

from __future__ import annotations

import sys

import click

from irqbal.api.contract import responses
from irqbal.client.http import Client, RequestRefused
from irqbal.client.retry import TEMPORARY
from irqbal.client.top.app import Top


def run(client: Client) -> int:
    """Show the screen until the user quits; returns the exit status. Raises click.UsageError, and
    DaemonUnreachable or RequestRefused if the daemon does not answer at the start.
    """
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError("top needs a terminal; use `watch` for lines of text")
    try:
        # A wrong address is an error message, as of every command, and not an empty screen.
        client.ask("status", responses.Status)
    except RequestRefused as error:
        if error.status not in TEMPORARY:
            raise
    screen = Top(client)
    screen.run()
    return screen.return_code or 0
