"""A typed, blocking client of the API, over TCP (with or without TLS) or a Unix socket, on the
standard library alone.

Answers are decoded to the contract's types. Unknown fields are ignored.
"""

from __future__ import annotations

import email.utils
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from irqbal.addresses import is_loopback
from irqbal.api.contract import ALL, ErrorBody, Problem, Route
from irqbal.client.protocol import CheckedHttps, WrongProtocol, speaks_tls
from irqbal.errors import IrqbalError
from irqbal.wire import from_json, to_json

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds to wait for an answer, by default: longer than any plan takes."""
_FAILURES = (OSError, http.client.HTTPException, UnicodeError, WrongProtocol)
"""What a request may fail with before there is an answer."""
_ROUTES = {route.name: route for route in ALL}


class DaemonUnreachable(IrqbalError):
    """The daemon does not answer, or the answer is not irqbal's."""


class Unreadable(DaemonUnreachable):
    """There is an answer that the contract does not allow."""


class OtherProtocol(Unreadable):
    """The server speaks plain HTTP where TLS was asked for, or the reverse."""


class RequestRefused(IrqbalError):
    """The daemon refused. `status` is HTTP's, `problem` the reason."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__("\n".join([problem.message, *problem.candidates, *problem.problems]))
        self.status, self.problem = status, problem


class Target(msgspec.Struct, frozen=True):
    """The daemon's address: the path of a Unix socket, or host and port. `ca`: a file with the CA
    certificate (PEM); empty for the system's.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False
    ca: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"unix:{self.path}" if self.path else f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether it is on this host, so that nobody else can read the traffic."""
        return bool(self.path) or is_loopback(self.host)


class ClientRequest(msgspec.Struct, frozen=True):
    """A route of the contract with its arguments. `path` and `query` by the names of the contract;
    a query argument that is None is left out. `body` becomes JSON; None: no body.
    """

    route: Route
    path: Mapping[str, str]
    query: Mapping[str, object]
    body: object = None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """One daemon, or with `on`, one host of a central server. Each request opens a connection.

    `timeout` in seconds. `fallback` returns a token, or an empty text. It is called after a request
    without a token was refused with 401, and the request is then repeated once.
    """

    def __init__(
        self,
        target: Target,
        token: str = "",
        *,
        timeout: float = TIMEOUT,
        on: str = "",
        fallback: Callable[[], str] | None = None,
    ) -> None:
        self.target, self.on = target, on
        self._token, self._timeout, self._fallback = token, timeout, fallback
        self.clock_skew = 0.0
        """Seconds by which the server's clock is ahead of this host's, as of the last answer; known
        to half a second.
        """

    @property
    def has_token(self) -> bool:
        """Whether requests carry a token."""
        return bool(self._token)

    def with_token(self, token: str) -> Client:
        """The same client with this token; with none, if it is empty."""
        return Client(
            self.target, token, timeout=self._timeout, on=self.on, fallback=self._fallback
        )

    def ask(
        self,
        name: str,
        kind: type[T],
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> T:
        """Call a route by its name in the contract. Raises DaemonUnreachable, RequestRefused."""
        return self.read(self.fetch(name, path, query, body), kind)

    def fetch(
        self,
        name: str,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> bytes:
        """The answer's body. Raises DaemonUnreachable, RequestRefused."""
        request = ClientRequest(_ROUTES[name], path or {}, query or {}, body)
        status, data = self._exchange(request, self._token)
        if (
            status == 401
            and not self._token
            and self._fallback is not None
            and (token := self._fallback())
        ):
            again, other = self._exchange(request, token)
            # If the token is not this daemon's, the first answer says more.
            status, data = (again, other) if again != 401 else (status, data)
        if status != 200:
            raise self._refusal(status, data)
        return data

    def read(self, data: bytes, kind: type[T]) -> T:
        """Decode an answer to this type. Raises Unreadable."""
        try:
            return from_json(data, kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(
                f"the answer of {self.target} is not irqbal's, or of another major version: {error}"
            ) from error

    def text(self, name: str) -> str:
        """The answer of a route that is not JSON. Raises DaemonUnreachable, RequestRefused."""
        return self.fetch(name).decode("utf-8", "replace")

    def events(self) -> Iterator[bytes]:
        """Subscribe at once. The iterator yields the data of each cycle's event, and ends when the
        daemon closes the connection. Both raise DaemonUnreachable, RequestRefused.
        """
        # The server sends keep-alive comments more often than once a minute.
        connection = self._connect(max(self._timeout, 60.0))
        try:
            answer = self._send(connection, ClientRequest(_ROUTES["events"], {}, {}), self._token)
            if answer.status != 200:
                raise self._refusal(answer.status, answer.read())
        except _FAILURES as error:
            connection.close()
            raise self._unreachable(error) from error
        return self._data_of(connection, answer)

    def _data_of(
        self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> Iterator[bytes]:
        event = b""
        try:
            for line in answer:
                if line.startswith(b"event:"):
                    event = line[6:].strip()
                elif line.startswith(b"data:") and event in (b"", b"cycle"):
                    yield line[5:].strip()
                elif not line.strip():
                    event = b""
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _exchange(self, request: ClientRequest, token: str) -> tuple[int, bytes]:
        """The answer's status and body."""
        connection = self._connect(self._timeout)
        try:
            answer = self._send(connection, request, token)
            self._compare_clocks(answer.getheader("Date", ""))
            return answer.status, answer.read()
        except _FAILURES as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _compare_clocks(self, date: str) -> None:
        """Take the server's time from the header Date, which is cut to a second."""
        try:
            there = email.utils.parsedate_to_datetime(date).timestamp()
        except ValueError:
            return
        self.clock_skew = there + 0.5 - time.time()

    def _send(
        self, connection: http.client.HTTPConnection, request: ClientRequest, token: str
    ) -> http.client.HTTPResponse:
        route, path = request.route, request.path
        template = route.path
        if self.on and route.below_host is not None:
            template, path = route.below_host, {**path, "host": self.on}
        where = template.format(**{key: quote(value, safe="") for key, value in path.items()})
        arguments = {
            key: _query_text(value) for key, value in request.query.items() if value is not None
        }
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if request.body is not None:
            data, headers["Content-Type"] = to_json(request.body), "application/json"
        connection.request(
            route.method, where + (f"?{urlencode(arguments)}" if arguments else ""), data, headers
        )
        return connection.getresponse()

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        target = self.target
        if target.path:
            return _UnixConnection(target.path, timeout)
        if not target.tls:
            return http.client.HTTPConnection(target.host, target.port, timeout=timeout)
        try:
            context = ssl.create_default_context(cafile=target.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise DaemonUnreachable(f"the CA file {target.ca} cannot be used: {error}") from error
        return CheckedHttps(target.host, target.port, timeout, context)

    def _unreachable(self, error: Exception) -> DaemonUnreachable:
        target = self.target
        if isinstance(error, WrongProtocol):
            return OtherProtocol(
                f"the server at {target} speaks plain HTTP, and TLS was asked for: nothing was "
                "sent; leave --tls and --ca out"
            )
        if (
            not target.tls
            and not target.path
            and isinstance(error, ConnectionError | http.client.BadStatusLine)
            and not isinstance(error, ConnectionRefusedError)
            and speaks_tls(target.host, target.port)
        ):
            return OtherProtocol(
                f"the server at {target} speaks TLS, and plain HTTP was sent: it was not answered; "
                "add --tls (and --ca FILE for a CA of your own)"
            )
        return DaemonUnreachable(
            f"the daemon at {self.target} does not answer: {self._reason(error)}"
        )

    def _reason(self, error: Exception) -> str:
        """What went wrong, with the usual cause."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({error.verify_message}); name the CA's "
                "certificate with --ca"
            )
        if isinstance(error, ssl.SSLError):
            return f"the TLS handshake failed ({error.reason or error})"
        if isinstance(error, TimeoutError):
            return f"no answer within {self._timeout:g} s"
        if isinstance(error, ConnectionResetError | http.client.BadStatusLine):
            return "it closed the connection without an answer"
        return getattr(error, "strerror", None) or str(error) or type(error).__name__

    def _refusal(self, status: int, data: bytes) -> IrqbalError:
        try:
            return RequestRefused(status, from_json(data, ErrorBody).error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            text = data[:200].decode("utf-8", "replace").strip()
            return DaemonUnreachable(
                f"the answer of {self.target} is not irqbal's: {status}: "
                f"{text or http.client.responses.get(status, '')}"
            )


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def local_socket(folder: Path) -> Target:
    """The Unix socket of the daemon with this run folder."""
    return Target(path=str(folder / "irqbal.sock"))
