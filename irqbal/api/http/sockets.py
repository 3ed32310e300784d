"""The listening sockets of one server: TCP with TLS if it is configured, Unix sockets without."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import logging
import os
import socket
import ssl
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket

from irqbal.addresses import parse_listen
from irqbal.api.http.admission import ConnectionLimit
from irqbal.api.http.auth import GROUP
from irqbal.api.http.request_handler import ApiServices
from irqbal.api.http.server import Server

log = logging.getLogger(__name__)

CLOSE = 2.0
"""Seconds that requests in progress get to end, when the server closes."""


class Sockets:
    """Opens sockets one by one, and closes all."""

    def __init__(self, services: ApiServices, tls: ssl.SSLContext | None) -> None:
        connections = ConnectionLimit()
        self._unix = Server(services, connections)
        self._tcp = self._unix if tls is None else Server(services, connections, tls)
        self._paths: list[Path] = []

    def listen(self, text: str) -> str:
        """Listen on this address too; returns why that is not possible now, or the empty text."""
        address = parse_listen(text)
        try:
            if address is None:
                self._listen_unix(Path(text.removeprefix("unix:")))
            else:
                self._tcp.add_sockets(bind_sockets(address.port, address.host))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else ""
            return reason or str(error) or type(error).__name__
        log.info(
            "the API%s on %s", " listens" if address is None else " and the dashboard listen", text
        )
        return ""

    async def close(self) -> None:
        """Close all sockets, and let requests in progress end."""
        servers: set[HTTPServer] = {self._unix, self._tcp}
        for server in servers:
            server.stop()
        for server in servers:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.close_all_connections(), CLOSE)
        for path in self._paths:
            path.unlink(missing_ok=True)

    def _listen_unix(self, path: Path) -> None:
        """Every user may connect: the credentials that the kernel reports decide the scope. Raises
        OSError.
        """
        if _is_listened_on(path):
            raise OSError(errno.EADDRINUSE, "another process listens there")
        path.parent.mkdir(parents=True, exist_ok=True)
        sock = bind_unix_socket(str(path), mode=0o666)
        self._paths.append(path)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        self._unix.add_socket(sock)


def _is_listened_on(path: Path) -> bool:
    """Whether a process listens on this Unix socket. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A listener that does not accept would block a connection.
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
