"""The addresses that the API listens on: opened, retried while another process holds them, closed.

An address that is taken does not keep a daemon from balancing: it is logged and retried.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl

from irqbal.api.answer_cache import AnswerCache
from irqbal.api.backend import Backend
from irqbal.api.http.admission import heavy_requests
from irqbal.api.http.auth import AccessControl, AnonymousAccess
from irqbal.api.http.request_gate import RequestGate
from irqbal.api.http.request_handler import ApiServices
from irqbal.api.http.router import Router
from irqbal.api.http.site_check import SiteCheck
from irqbal.api.http.sockets import Sockets
from irqbal.api.http.token_failures import TokenFailures
from irqbal.api.route import Scope
from irqbal.config.schema import Anonymous, ApiOptions
from irqbal.errors import ConfigError, IrqbalError
from irqbal.state.folders import RUN_DIR, Folders
from irqbal.state.tokens import ADMIN_FILE, Tokens, ensure_admin

log = logging.getLogger(__name__)

SOCKET = "irqbal.sock"
"""The daemon's Unix socket, in the run folder."""
RETRY = 10.0
"""Seconds between two attempts to listen on an address that another process holds."""


class Listeners:
    """Serves a backend on the configured addresses.

    `owns_socket`: this daemon holds the host's lock. It listens on the socket in the run folder
    whatever `listen` holds, because `irqbal restore` connects there. `required`: the process does
    nothing else, so that it cannot run without any address.
    """

    def __init__(
        self,
        backend: Backend,
        options: ApiOptions,
        folders: Folders,
        *,
        owns_socket: bool,
        tokens: Tokens | None = None,
        required: bool = False,
    ) -> None:
        self._backend, self._options, self._folders = backend, options, folders
        self._owns_socket, self._required = owns_socket, required
        self._tokens = tokens or Tokens(folders.state)
        self._failures = TokenFailures()
        self._closing = contextlib.AsyncExitStack()

    def auth_failures(self) -> int:
        """Requests with a wrong token since the start."""
        return self._failures.total

    async def open(self) -> None:
        """Listen, and retry the addresses that are taken. Raises ConfigError if the certificate
        cannot be used, IrqbalError if an address is required and all are taken.
        """
        if self._owns_socket:
            self._ensure_admin_token()
        sockets = Sockets(
            _services(self._backend, self._options, self._tokens, self._failures),
            _tls(self._options),
        )
        self._closing.push_async_callback(sockets.close)
        addresses = self._addresses()
        problems = {text: problem for text in addresses if (problem := sockets.listen(text))}
        if self._required and len(problems) == len(addresses):
            raise IrqbalError(
                "\n".join(
                    f"cannot listen on {text}: {problem}; nothing is served"
                    for text, problem in problems.items()
                )
            )
        for text, problem in problems.items():
            log.error(
                "the API cannot listen on %s: %s; %sit is tried again every %.0f s",
                text,
                problem,
                "" if self._required else "balancing goes on, and ",
                RETRY,
            )
        if problems:
            retrying = asyncio.create_task(_retry(sockets, list(problems)))
            self._closing.callback(retrying.cancel)

    async def close(self) -> None:
        """Stop listening, and let requests in progress end."""
        await self._closing.aclose()

    async def reopen(self, options: ApiOptions) -> None:
        """Listen with other options; with the old ones if the new certificate cannot be used."""
        try:
            _tls(options)
        except ConfigError as error:
            log.error("reload: %s; the API goes on as before", error)
            return
        self._options = options
        await self.close()
        await self.open()

    async def leave_socket(self) -> None:
        """Leave the socket in the run folder to another daemon, which listens there from now on."""
        if self._owns_socket:
            self._owns_socket = False
            await self.close()
            await self.open()

    def _ensure_admin_token(self) -> None:
        try:
            ensure_admin(self._folders.state)
        except IrqbalError as error:
            log.error("%s; without it only root's socket and other tokens may write", error)
        else:
            log.info("an admin's token is in %s", self._folders.state / ADMIN_FILE)

    def _addresses(self) -> list[str]:
        standard = f"unix:{RUN_DIR / SOCKET}"
        # The standard socket belongs to the live host's daemon alone.
        addresses = [text for text in self._options.listen if text != standard]
        if self._owns_socket:
            addresses.append(f"unix:{self._folders.run / SOCKET}")
        if self._options.listen and not addresses:
            log.warning(
                "the API listens on no address: %s is reserved for the daemon that balances, which "
                "`irqbal restore` needs to reach; add another to api.listen, such as unix:%s",
                standard,
                RUN_DIR / "dry-run.sock",
            )
        return list(dict.fromkeys(addresses))


async def _retry(sockets: Sockets, addresses: list[str]) -> None:
    while addresses:
        await asyncio.sleep(RETRY)
        addresses = [text for text in addresses if sockets.listen(text)]


def _tls(options: ApiOptions) -> ssl.SSLContext | None:
    """TLS 1.2 or later with the configured certificate. Raises ConfigError."""
    tls = options.tls
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.cert, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            [f"api.tls: the certificate {tls.cert} with the key {tls.key} cannot be used: {error}"]
        ) from error
    return context


def _services(
    backend: Backend, options: ApiOptions, tokens: Tokens, failures: TokenFailures
) -> ApiServices:
    anonymous = AnonymousAccess(
        local=_scope(options.anonymous),
        remote=_scope(options.anonymous_remote),
        irq_manager_writes=options.irq_manager_writes == "loopback",
    )
    access = AccessControl(anonymous, tokens, failures)
    gate = RequestGate(SiteCheck(options.hosts), access, Router(), backend.central)
    return ApiServices(backend, gate, AnswerCache(), heavy_requests())


def _scope(anonymous: Anonymous) -> Scope | None:
    return None if anonymous == "none" else anonymous
