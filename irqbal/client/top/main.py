"""`irqbal-client top`: CPUs and IRQs on the whole terminal, updated live. Needs Textual, which the
extra `top` installs.
"""

from __future__ import annotations

import os
import sys

import click
import msgspec

from irqbal.api.contract import responses
from irqbal.client.http import Client, RequestRefused
from irqbal.client.retry import TEMPORARY
from irqbal.client.top.app import Top
from irqbal.client.top.connection import needs_token
from irqbal.client.top.options import TopOptions
from irqbal.render.charset import shows_unicode

DUMB = frozenset({"", "dumb", "unknown"})
"""Values of TERM that name a terminal without a cursor to move."""


def run(client: Client, options: TopOptions) -> int:
    """Show the screen until the user quits; returns the exit status. Raises click.UsageError, and
    DaemonUnreachable or RequestRefused if the daemon does not answer at the start.
    """
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError(
            "top needs a terminal; `top -b` prints text anywhere, `watch` a line a cycle"
        )
    term = os.environ.get("TERM", "")
    if term in DUMB:
        named = f"TERM={term}" if term else "TERM is not set"
        raise click.UsageError(
            f"top needs a terminal on which it can draw ({named}); `top -b` prints text on any"
        )
    try:
        # A wrong address is an error message, as of every command, and not an empty screen.
        client.ask("status", responses.Status)
    except RequestRefused as error:
        if error.status not in TEMPORARY and not needs_token(error):
            raise
    unicode = shows_unicode(sys.stdout) and shows_unicode(sys.stderr)
    screen = Top(client, msgspec.structs.replace(options, ascii_only=not unicode))
    screen.run()
    return screen.return_code or 0
