"""A small HTTP client over the daemon's Unix socket."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import TypeVar

import msgspec

from irqbal.errors import IrqbalError
from irqbal.wire import from_json

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds to wait for an answer."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Error(msgspec.Struct):
    code: str
    message: str


class _ErrorBody(msgspec.Struct):
    error: _Error


def ask(socket_path: Path, method: str, path: str, kind: type[T]) -> T:
    """One request. Raises IrqbalError with what the daemon said, or why it could not be reached."""
    connection = _UnixConnection(socket_path)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise IrqbalError(f"the daemon at {socket_path} does not answer: {error.strerror or error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise IrqbalError(from_json(body, _ErrorBody).error.message)
    return from_json(body, kind)
