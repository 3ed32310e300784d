"""The token of a request: from a file, from the environment, or root's own on the daemon's host."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from irqbal.client.http import Target
from irqbal.errors import IrqbalError

VARIABLE = "IRQBAL_TOKEN"
ADMIN_TOKEN = Path("/var/lib/irqbal/admin.token")
"""The daemon writes it; only root can read it."""
_LISTENING = "0A"
"""TCP_LISTEN in the column `st` of /proc/net/tcp."""


class TokenError(IrqbalError):
    """A token was given that cannot be used."""


def token(file: Path | None) -> str:
    """The token in this file; for None the environment's; empty if there is none. Raises
    TokenError.
    """
    if file is None:
        return checked(os.environ.get(VARIABLE, ""), f"the variable {VARIABLE}")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise TokenError(f"the token file {file} cannot be read: {reason}") from error
    if not text.strip():
        raise TokenError(f"the token file {file} is empty")
    return checked(text, f"the token file {file}")


def checked(text: str, where: str) -> str:
    """The token in this text; empty if there is none. `where` it stands. Raises TokenError."""
    found = text.strip()
    if not found.isascii() or any(char.isspace() or not char.isprintable() for char in found):
        raise TokenError(f"{where} does not hold a token: a token is one word of ASCII")
    return found


def local_token(target: Target) -> str:
    """Root's token, if the target is the daemon of this host and the file can be read; else empty.

    The owner of the listening socket is checked first: while the daemon is down, any user could
    listen on its port and collect root's token.
    """
    try:
        if _is_trusted(target):
            return checked(ADMIN_TOKEN.read_text(encoding="ascii"), str(ADMIN_TOKEN))
    except (OSError, UnicodeDecodeError, TokenError):
        pass
    return ""


def _is_trusted(target: Target) -> bool:
    mine = {0, os.geteuid()}
    if target.path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(5)
            sock.connect(target.path)
            size = struct.calcsize("3i")
            return (
                struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[1]
                in mine
            )
    owners = set(_listeners(target.port))
    return target.loopback and bool(owners) and owners <= mine


def _listeners(port: int) -> Iterator[int]:
    """The uids of the sockets that listen on this TCP port. /proc/net/tcp and tcp6:
    Documentation/networking/proc_net_tcp.rst.
    """
    for name in ("tcp", "tcp6"):
        file = Path("/proc/net") / name
        for line in file.read_text(encoding="ascii").splitlines()[1:] if file.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield int(fields[7])
