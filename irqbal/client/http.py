"""A typed client of the API: over TCP (with TLS or without) or the Unix socket; blocking, on the
standard library alone.

Answers are of the contract's types; fields that this version does not know are ignored.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlencode

import msgspec

from irqbal.addresses import is_loopback
from irqbal.api.contract import ALL, ErrorBody, Problem, Route
from irqbal.errors import IrqbalError
from irqbal.wire import from_json, to_json

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds to wait for an answer, unless told otherwise."""
_ROUTES = {route.name: route for route in ALL}


class DaemonUnreachable(IrqbalError):
    """The daemon does not answer, or what answers is not irqbal."""


class Unreadable(DaemonUnreachable):
    """It answers, with something that is not of the contract."""


class RequestRefused(IrqbalError):
    """The daemon said no; `status` is HTTP's, `problem` says why."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__("\n".join([problem.message, *problem.candidates, *problem.problems]))
        self.status, self.problem = status, problem


class Target(msgspec.Struct, frozen=True):
    """Where the daemon is: a Unix socket's path, or host and port, with TLS or without (`ca`: a
    file with who signed it).
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
        """Whether it is reached without a network."""
        return bool(self.path) or is_loopback(self.host)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """One daemon, or with `on`, one host of a central server. A connection a request: commands are
    short.

    `fallback` finds a token for a request that was refused for want of one (401: nothing was done),
    which is then sent again.
    """

    def __init__(
        self,
        target: Target,
        token: str = "",
        timeout: float = TIMEOUT,
        on: str = "",
        fallback: Callable[[], str] | None = None,
    ) -> None:
        self.target, self.on = target, on
        self._token, self._timeout, self._fallback = token, timeout, fallback

    def ask(
        self,
        name: str,
        kind: type[T],
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> T:
        """Ask a route of the contract by its name. Raises Unreachable or Refused."""
        return self.read(self.fetch(name, path, query, body), kind)

    def fetch(
        self,
        name: str,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> bytes:
        """The answer as it came. Raises Unreachable or Refused."""
        asked = (_ROUTES[name], path or {}, query or {}, body)
        status, data = self._exchange(*asked, self._token)
        if (
            status == 401
            and not self._token
            and self._fallback is not None
            and (token := self._fallback())
        ):
            again, other = self._exchange(*asked, token)
            # A token that is not this daemon's: the first answer says more.
            status, data = (again, other) if again != 401 else (status, data)
        if status != 200:
            raise self._refusal(status, data)
        return data

    def read(self, data: bytes, kind: type[T]) -> T:
        """An answer of this type. Raises Unreadable if it is none."""
        try:
            return from_json(data, kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unreadable(
                f"what answers at {self.target} is not irqbal, or of another major version: {error}"
            ) from error

    def text(self, name: str) -> str:
        """A route that does not answer JSON. Raises Unreachable or Refused."""
        return self.fetch(name).decode("utf-8", "replace")

    def events(self) -> Iterator[bytes]:
        """Listen now, and get the data of each cycle's event as it comes; ends when the daemon
        does. Raises Unreachable or Refused.
        """
        # The server says "still here" more often than that.
        connection = self._connect(max(self._timeout, 60.0))
        try:
            answer = self._send(connection, _ROUTES["events"], {}, {}, None, self._token)
            if answer.status != 200:
                raise self._refusal(answer.status, answer.read())
        except (OSError, http.client.HTTPException, UnicodeError) as error:
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

    def _exchange(
        self,
        route: Route,
        path: Mapping[str, str],
        query: Mapping[str, object],
        body: object,
        token: str,
    ) -> tuple[int, bytes]:
        connection = self._connect(self._timeout)
        try:
            answer = self._send(connection, route, path, query, body, token)
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _send(
        self,
        connection: http.client.HTTPConnection,
        route: Route,
        path: Mapping[str, str],
        query: Mapping[str, object],
        body: object,
        token: str,
    ) -> http.client.HTTPResponse:
        template = route.path
        if self.on and route.below_host is not None:
            template, path = route.below_host, {**path, "host": self.on}
        where = template.format(**{key: quote(value, safe="") for key, value in path.items()})
        given = {key: _query_text(value) for key, value in query.items() if value is not None}
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data, headers["Content-Type"] = to_json(body), "application/json"
        connection.request(
            route.method, where + (f"?{urlencode(given)}" if given else ""), data, headers
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
            raise DaemonUnreachable(
                f"the file {target.ca} cannot be used to check the server: {error}"
            ) from error
        return http.client.HTTPSConnection(
            target.host, target.port, timeout=timeout, context=context
        )

    def _unreachable(self, error: Exception) -> DaemonUnreachable:
        return DaemonUnreachable(
            f"the daemon at {self.target} does not answer: {self._said(error)}"
        )

    def _said(self, error: Exception) -> str:
        """What went wrong, and what it mostly means."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({error.verify_message}); --ca names the file "
                "of who signed it"
            )
        if isinstance(error, ssl.SSLError):
            return f"no TLS there ({error.reason or error}); is it plain HTTP?"
        if isinstance(error, TimeoutError):
            return f"nothing came within {self._timeout:g} s"
        if isinstance(error, ConnectionResetError | http.client.BadStatusLine):
            return "it closed the connection without an answer" + (
                "" if self.target.tls or self.target.path else "; does it want --tls?"
            )
        return getattr(error, "strerror", None) or str(error) or type(error).__name__

    def _refusal(self, status: int, data: bytes) -> IrqbalError:
        try:
            return RequestRefused(status, from_json(data, ErrorBody).error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said = data[:200].decode("utf-8", "replace").strip() or http.client.responses.get(
                status, ""
            )
            return DaemonUnreachable(
                f"what answers at {self.target} is not irqbal: it said {status}: {said}"
            )


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def local_socket(folder: Path) -> Target:
    """The socket of the daemon whose run folder this is."""
    return Target(path=str(folder / "irqbal.sock"))
