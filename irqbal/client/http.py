"""A typed client of the API: over TCP (with TLS or without) or the Unix socket; blocking, on the standard library alone.

Answers are of the contract's types; fields that this version does not know are ignored.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from irqbal.api.contract import ALL, ErrorBody, Problem, Route
from irqbal.errors import IrqbalError
from irqbal.wire import from_json, to_json

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds to wait for an answer, unless told otherwise."""
_ROUTES = {route.name: route for route in ALL}


class Unreachable(IrqbalError):
    """The daemon does not answer, or what answers is not irqbal."""


class Refused(IrqbalError):
    """The daemon said no; `status` is HTTP's, `problem` says why."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__("\n".join([problem.message, *problem.candidates, *problem.problems]))
        self.status, self.problem = status, problem


class Target(msgspec.Struct, frozen=True):
    """Where the daemon is: a Unix socket's path, or host and port, with TLS or without (`ca`: a file with who signed it)."""

    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False
    ca: str = ""

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """One daemon, or with `on`, one host of a central server. A connection a request: commands are short."""

    def __init__(self, target: Target, token: str = "", timeout: float = TIMEOUT, on: str = "") -> None:
        self.target, self._token, self._timeout, self._on = target, token, timeout, on

    def ask(
        self, name: str, kind: type[T], path: Mapping[str, str] | None = None, query: Mapping[str, object] | None = None,
        body: object = None,
    ) -> T:  # fmt: skip
        """Ask a route of the contract by its name. Raises Unreachable or Refused."""
        status, data = self._exchange(_ROUTES[name], path or {}, query or {}, body)
        if status != 200:
            raise Refused(status, _problem(status, data))
        try:
            return from_json(data, kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreachable(f"what answers at {self.target} is not irqbal, or of another major version: {error}") from error

    def text(self, name: str) -> str:
        """A route that does not answer JSON."""
        status, data = self._exchange(_ROUTES[name], {}, {}, None)
        if status != 200:
            raise Refused(status, _problem(status, data))
        return data.decode("utf-8", "replace")

    def events(self) -> Iterator[bytes]:
        """The data of each event, as it comes; ends when the daemon does. Raises Unreachable or Refused."""
        connection = self._connect(max(self._timeout, 60.0))
        try:
            answer = self._send(connection, _ROUTES["events"], {}, {}, None)
            if answer.status != 200:
                raise Refused(answer.status, _problem(answer.status, answer.read()))
            for line in answer:
                if line.startswith(b"data: "):
                    yield line[6:].strip()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _exchange(self, route: Route, path: Mapping[str, str], query: Mapping[str, object], body: object) -> tuple[int, bytes]:
        connection = self._connect(self._timeout)
        try:
            answer = self._send(connection, route, path, query, body)
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _send(
        self, connection: http.client.HTTPConnection, route: Route, path: Mapping[str, str], query: Mapping[str, object], body: object
    ) -> http.client.HTTPResponse:
        template = route.path
        if self._on and route.below_host is not None:
            template, path = route.below_host, {**path, "host": self._on}
        where = template.format(**{key: quote(value, safe="") for key, value in path.items()})
        given = {key: _query_text(value) for key, value in query.items() if value is not None}
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None
        if body is not None:
            data, headers["Content-Type"] = to_json(body), "application/json"
        connection.request(route.method, where + (f"?{urlencode(given)}" if given else ""), data, headers)
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
            raise Unreachable(f"the file {target.ca} cannot be used to check the server: {error}") from error
        return http.client.HTTPSConnection(target.host, target.port, timeout=timeout, context=context)

    def _unreachable(self, error: Exception) -> Unreachable:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Unreachable(f"the daemon at {self.target} does not answer: {said}")


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _problem(status: int, data: bytes) -> Problem:
    try:
        return from_json(data, ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        said: Any = data[:200].decode("utf-8", "replace").strip() or http.client.responses.get(status, "")
        return Problem("error", f"the server answered {status}: {said}")


def local_socket(folder: Path) -> Target:
    """The socket of the daemon whose run folder this is."""
    return Target(path=str(folder / "irqbal.sock"))
