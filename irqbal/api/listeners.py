"""The addresses that the API listens on: opened, retried while something else holds them, closed.

An address that cannot be had now is no reason not to balance: it is logged, and tried again.
"""

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
from irqbal.api.admission import ConnectionLimit, HeavyRequests
from irqbal.api.auth import GROUP, Access, AccessControl
from irqbal.api.backend import Backend
from irqbal.api.context import Cache
from irqbal.api.router import Router
from irqbal.api.server import Server, Shared, tls_context
from irqbal.config.schema import ApiOptions
from irqbal.errors import ConfigError, IrqbalError
from irqbal.state.folders import RUN_DIR, Folders
from irqbal.state.tokens import ADMIN_FILE, Tokens, ensure_admin

log = logging.getLogger(__name__)

SOCKET = "irqbal.sock"
RETRY = 10.0
"""Seconds between two tries to get an address that something else holds."""
CLOSE = 2.0
"""Seconds that requests under way get when the server ends."""


class Listeners:
    """Serves a backend on the configured addresses.

    `owns_socket`: this daemon holds the host's lock, so the socket below the run folder is its own,
    whatever `listen` says: `irqbal restore` asks there. `needed`: this process does nothing else,
    so that it cannot go on without any address.
    """

    def __init__(
        self,
        backend: Backend,
        options: ApiOptions,
        places: Folders,
        owns_socket: bool,
        tokens: Tokens | None = None,
        needed: bool = False,
    ) -> None:
        self._backend, self._options, self._places = backend, options, places
        self._owns_socket, self._needed = owns_socket, needed
        self._tokens = tokens or Tokens(places.state)
        self._failures = 0
        self._gate = AccessControl(_access(options), self._tokens)
        self._server: HTTPServer | None = None
        self._plain: HTTPServer | None = None
        self._paths: list[Path] = []
        self._retry: asyncio.Task[None] | None = None

    def auth_failures(self) -> int:
        """Requests with a wrong token since the start."""
        return self._failures + self._gate.failures

    async def open(self) -> None:
        """Listen. Raises ConfigError if the certificate cannot be used, and IrqbalError if an
        address is needed and none can be had; one that cannot be had now is tried again.
        """
        if self._owns_socket:
            try:
                ensure_admin(self._places.state)
            except IrqbalError as error:
                log.error("%s; without it only root's socket and other tokens may write", error)
            else:
                log.info("an admin's token is in %s", self._places.state / ADMIN_FILE)
        tls = self._tls()
        shared, door = (
            Shared(self._backend, self._gate, Router(), Cache(), HeavyRequests()),
            ConnectionLimit(),
        )
        self._plain = Server(shared, door)
        self._server = self._plain if tls is None else Server(shared, door, tls)
        addresses = self._addresses()
        problems = {text: said for text in addresses if (said := self._listen(text))}
        if self._needed and len(problems) == len(addresses):
            raise IrqbalError(
                "\n".join(
                    f"cannot listen on {text}: {said}; nothing is served"
                    for text, said in problems.items()
                )
            )
        for text, said in problems.items():
            meanwhile = "" if self._needed else "balancing goes on, and "
            log.error(
                "the API cannot listen on %s: %s; %sit is tried again every %.0f s",
                text,
                said,
                meanwhile,
                RETRY,
            )
        if problems:
            self._retry = asyncio.create_task(self._try_again(list(problems)))

    async def close(self) -> None:
        """Stop listening, and give requests under way a moment."""
        if self._retry is not None:
            self._retry.cancel()
        servers = {self._server, self._plain} - {None}
        for server in servers:
            assert server is not None
            server.stop()
        for server in servers:
            assert server is not None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.close_all_connections(), CLOSE)
        for path in self._paths:
            path.unlink(missing_ok=True)
        self._paths = []

    async def reopen(self, options: ApiOptions) -> None:
        """Listen as another configuration says; if its certificate cannot be used, as before."""
        before = self._options
        self._options = options
        try:
            self._tls()
        except ConfigError as error:
            log.error("reload: %s; the API goes on as before", error)
            self._options = before
            return
        await self.close()
        self._failures += self._gate.failures
        self._gate = AccessControl(_access(options), self._tokens)
        await self.open()

    def _tls(self) -> ssl.SSLContext | None:
        tls = self._options.tls
        if tls is None:
            return None
        try:
            return tls_context(tls.cert, tls.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                [
                    f"api.tls: the certificate {tls.cert} with the key {tls.key} cannot be used: "
                    f"{error}"
                ]
            ) from error

    def _addresses(self) -> list[str]:
        standard = f"unix:{RUN_DIR / SOCKET}"
        own = f"unix:{self._places.run / SOCKET}"
        # The standard socket belongs to the live host's daemon alone.
        wanted = [text for text in self._options.listen if text != standard]
        found = list(dict.fromkeys([*wanted, *([own] if self._owns_socket else [])]))
        if self._options.listen and not found:
            log.warning(
                "the API listens nowhere: %s is left to the daemon that balances, where `irqbal "
                "restore` asks; let a dry run listen on "
                "another, such as unix:%s",
                standard,
                RUN_DIR / "dry-run.sock",
            )
        return found

    def _listen(self, text: str) -> str:
        """Listen there too; returns what is in the way, if it cannot be had now."""
        assert self._server is not None and self._plain is not None
        address = parse_listen(text)
        try:
            if address is None:
                self._plain.add_socket(self._unix(Path(text.removeprefix("unix:"))))
            else:
                self._server.add_sockets(bind_sockets(address.port, address.host))
        except (OSError, ValueError) as error:
            return (
                (error.strerror if isinstance(error, OSError) else "")
                or str(error)
                or type(error).__name__
            )
        log.info(
            "the API%s on %s", " listens" if address is None else " and the dashboard listen", text
        )
        return ""

    def _unix(self, path: Path) -> socket.socket:
        """A socket for everybody: who may do what is decided by the credentials that the kernel
        tells of each caller.
        """
        with (
            contextlib.suppress(FileNotFoundError, ConnectionRefusedError),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe,
        ):
            # Who listens and does not accept would hold us up.
            probe.setblocking(False)
            probe.connect(str(path))
            raise OSError(errno.EADDRINUSE, "another process listens there")
        path.parent.mkdir(parents=True, exist_ok=True)
        sock = bind_unix_socket(str(path), mode=0o666)
        self._paths.append(path)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        return sock

    async def _try_again(self, left: list[str]) -> None:
        while left:
            await asyncio.sleep(RETRY)
            left = [text for text in left if self._listen(text)]


def _access(options: ApiOptions) -> Access:
    def scope(text: str) -> str | None:
        return None if text == "none" else text

    return Access(
        scope(options.anonymous),  # type: ignore[arg-type]
        scope(options.anonymous_remote),  # type: ignore[arg-type]
        options.hosts,
        options.irq_manager_writes == "loopback",
    )
