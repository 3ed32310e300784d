"""The daemon's Unix socket, for root alone: `irqbal restore` asks here, so that two never write at once.

`/run/irqbal/irqbal.sock`: GET /api/v1/status; POST /api/v1/restore, /pause, /resume and /cycle. Errors have the body
{"error": {"code", "message"}}.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import msgspec
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

from irqbal.errors import IrqbalError
from irqbal.model import Outcome, Record
from irqbal.wire import to_json

log = logging.getLogger(__name__)

SOCKET = "irqbal.sock"


class Backend(Protocol):
    """What the socket may ask of the daemon."""

    last: Record | None

    @property
    def paused(self) -> bool:
        """Whether the daemon only looks."""

    async def restore(self) -> tuple[Outcome, ...]:
        """Put all originals back and pause."""

    def pause(self) -> None:
        """Write nothing until `resume`."""

    def resume(self) -> None:
        """Go on."""

    def ask(self, cause: str) -> None:
        """Run a cycle now."""


class Status(msgspec.Struct, frozen=True):
    """Whether the daemon is paused, and its last cycle."""

    paused: bool
    record: Record | None


class LocalApi:
    """Serves on the socket until closed."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        self._path = folder / SOCKET
        routes = [
            (r"/api/v1/status", _StatusHandler, {"backend": backend}),
            (r"/api/v1/(restore|pause|resume|cycle)", _ActionHandler, {"backend": backend}),
        ]
        application = Application(routes, default_handler_class=_Unknown, log_function=lambda handler: None)
        self._server = HTTPServer(application, max_body_size=1 << 16, idle_connection_timeout=10)
        self._server.add_socket(bind_unix_socket(str(self._path), mode=0o600))

    def close(self) -> None:
        """Stop listening and take the socket away."""
        self._server.stop()
        self._path.unlink(missing_ok=True)


class _Handler(RequestHandler):
    backend: Backend

    def initialize(self, backend: Backend) -> None:
        self.backend = backend

    def reply(self, body: object, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(to_json(body))

    def write_error(self, status_code: int, **kwargs: object) -> None:
        names = {404: ("not-found", "there is no such path"), 405: ("method", "this path has no such method")}
        code, message = names.get(status_code, ("error", self._reason))
        self.reply({"error": {"code": code, "message": message}}, status_code)


class _Unknown(_Handler):
    def initialize(self) -> None:  # type: ignore[override]
        pass

    def prepare(self) -> None:
        self.send_error(404)


class _StatusHandler(_Handler):
    def get(self) -> None:
        self.reply(Status(self.backend.paused, self.backend.last))


class _ActionHandler(_Handler):
    async def post(self, action: str) -> None:
        if action == "restore":
            try:
                self.reply(await self.backend.restore())
            except IrqbalError as error:
                self.reply({"error": {"code": "restore", "message": str(error)}}, 500)
            return
        if action == "pause":
            self.backend.pause()
        elif action == "resume":
            self.backend.resume()
        else:
            self.backend.ask("request")
        self.reply(Status(self.backend.paused, self.backend.last))
