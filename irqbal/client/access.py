"""Which token to show, and root's own one on the daemon's host."""

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
"""Made by the daemon, readable by root alone."""
_LISTENING = "0A"


class TokenError(IrqbalError):
    """The token that was named cannot be used."""


def token(file: Path | None) -> str:
    """The token of this file, else of the environment; empty if there is neither. Raises
    TokenError.
    """
    if file is None:
        return _checked(os.environ.get(VARIABLE, ""), f"the variable {VARIABLE}")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        raise TokenError(f"the token file {file} cannot be read: {said}") from error
    if not text.strip():
        raise TokenError(f"the token file {file} is empty")
    return _checked(text, f"the token file {file}")


def _checked(text: str, where: str) -> str:
    found = text.strip()
    if not found.isascii() or any(char.isspace() or not char.isprintable() for char in found):
        raise TokenError(f"{where} holds no token: a token is one word of ASCII")
    return found


def local_token(target: Target) -> str:
    """Root's token, if this is the daemon of this very host; empty otherwise.

    Whoever listens is looked at first: any user may take the port while the daemon is down, and
    wait for root's token.
    """
    try:
        if _is_trusted(target):
            return _checked(ADMIN_TOKEN.read_text(encoding="ascii"), str(ADMIN_TOKEN))
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
    """The users that listen on this port. /proc/net/tcp:
    Documentation/networking/proc_net_tcp.rst.
    """
    for name in ("tcp", "tcp6"):
        file = Path("/proc/net") / name
        for line in file.read_text(encoding="ascii").splitlines()[1:] if file.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield int(fields[7])
