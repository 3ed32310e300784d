"""Tornado's side of one request: admit, read the body, call the route's handler, send the answer.

Every answer has a JSON body, errors too, except for the dashboard's files, metrics and events.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler, stream_request_body

from irqbal.api.answer_cache import AnswerCache
from irqbal.api.backend import ApiError, Backend, Subscription
from irqbal.api.context import Raw, RequestContext, Stream
from irqbal.api.dashboard.pages import DashboardFile
from irqbal.api.http import limits
from irqbal.api.http.admission import ConnectionLimit, client_of
from irqbal.api.http.compression import LEAST_COMPRESSED, accepts_gzip, compressed
from irqbal.api.http.decoding import decode_body, decode_query
from irqbal.api.http.peer import Peer
from irqbal.api.http.request_gate import Admission, RequestGate
from irqbal.api.routes.table import HANDLERS
from irqbal.api.sharing import FairTurns, requester
from irqbal.errors import (
    HistoryError,
    HostBusyError,
    HostError,
    IrqbalError,
    PolicyHostError,
    StateFileError,
)
from irqbal.wire import to_json

log = logging.getLogger(__name__)

HEADERS = {
    "Server": "irqbal",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Headers of every answer."""
UNREAD_BODY = (400, 413)
"""Statuses after which the rest of the body is not read, and the connection is closed."""


class ApiServices(msgspec.Struct, frozen=True):
    """What all requests of the API share."""

    backend: Backend
    gate: RequestGate
    cache: AnswerCache
    heavy: FairTurns


@stream_request_body
class ApiRequestHandler(RequestHandler):
    """One request. Tornado calls `prepare` when the headers were read, `data_received` for each
    chunk of the body, and the method's function at its end.
    """

    def initialize(self, services: ApiServices, connections: ConnectionLimit) -> None:
        """Tornado's constructor: once a request."""
        self._services, self._connections = services, connections
        self._body = bytearray()
        self._admitted: Admission | DashboardFile | ApiError | None = None
        self._events: Subscription | None = None

    def set_default_headers(self) -> None:
        """Of every answer."""
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Admit or refuse the request. The body of a refused one is read and discarded: a client
        that still sends would not see the answer. Too large ones are not read.
        """
        try:
            self._admitted = self._services.gate.admit(self.request, self._peer())
            caller = self._admitted.caller if isinstance(self._admitted, Admission) else None
            who = client_of(self._peer(), caller)
            requester.set(who)
            self._connections.admitted(self._connection().stream, who)
        except ApiError as error:
            self._admitted = error
            if error.status in UNREAD_BODY or "Expect" in self.request.headers:
                self._send_error(error)

    def _peer(self) -> Peer:
        peer: Peer = self._connection().stream.irqbal_peer  # type: ignore[attr-defined]
        return peer

    def _connection(self) -> HTTP1Connection:
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        return connection

    def data_received(self, chunk: bytes) -> None:
        """Collect the body if the route has one. A chunked body has no Content-Length: it is
        collected until it is too large.
        """
        admitted = self._admitted
        if not isinstance(admitted, Admission) or len(self._body) > limits.MAX_BODY:
            return
        if admitted.route.body is not None or admitted.route.form:
            self._body += chunk

    def on_finish(self) -> None:
        """The answer was written."""
        self._connections.answered(self._connection().stream)

    async def _run(self) -> None:
        admitted = self._admitted
        try:
            if isinstance(admitted, ApiError):
                await self._received(self._send_error(admitted))
            elif isinstance(admitted, DashboardFile):
                self.set_header("Content-Security-Policy", admitted.policy)
                await self._received(self._send(200, Raw(admitted.body, admitted.media)))
            else:
                assert admitted is not None
                await self._answer(admitted)
        except StreamClosedError:
            return

    get = head = put = post = delete = patch = options = _run

    async def _answer(self, admission: Admission) -> None:
        try:
            answer = await self._call(admission)
        except ApiError as error:
            sent = self._send_error(error)
        except HostBusyError as error:
            busy = ApiError(503, "busy", str(error), headers={"Retry-After": "1"})
            sent = self._send_error(busy)
        except (HistoryError, HostError, StateFileError, PolicyHostError) as error:
            sent = self._send_error(ApiError(503, "unavailable", str(error)))
        except IrqbalError as error:
            sent = self._send_error(ApiError(409, "refused", str(error)))
        else:
            if isinstance(answer, Stream):
                await self._stream(answer.events)
                return
            sent = self._send(200, answer)
        await self._received(sent)

    async def _call(self, admission: Admission) -> object:
        """The answer of the route's handler. Raises ApiError, or another IrqbalError."""
        services, route = self._services, admission.route
        target = (
            None
            if route.hostless
            else await services.backend.host(admission.parameters.get("host"))
        )
        query = decode_query(self.request.query, route)
        body = decode_body(bytes(self._body), self.request.headers.get("Content-Type", ""), route)
        context = RequestContext(
            backend=services.backend,
            target=target,
            caller=admission.caller,
            path=admission.parameters,
            query=query,
            body=body.value,
            unknown_fields=body.unknown_fields,
            cache=services.cache,
        )
        handler = HANDLERS[route.name]
        if not route.heavy:
            return await handler(context)
        async with services.heavy:
            return Raw(to_json(await handler(context)))

    async def _received(self, sent: asyncio.Future[None] | None) -> None:
        """Wait until the client has received what was sent (None: it was sent before). A client
        that does not is disconnected: its answers would pile up in memory.
        """
        if sent is None:
            return
        done, _ = await asyncio.wait({sent}, timeout=limits.WRITE_SECONDS)
        if not done:
            self._connection().stream.close()
        await sent

    def _send(self, status: int, answer: object) -> asyncio.Future[None]:
        raw = answer if isinstance(answer, Raw) else Raw(to_json(answer))
        self.set_status(status)
        self.set_header("Content-Type", raw.media)
        body = raw.body
        if len(body) >= LEAST_COMPRESSED:
            self.set_header("Vary", "Accept-Encoding")
            if accepts_gzip(self.request.headers.get("Accept-Encoding", "")):
                self.set_header("Content-Encoding", "gzip")
                body = compressed(body, kept=isinstance(self._admitted, DashboardFile))
        self.set_header("Content-Length", str(len(body)))
        return self.finish() if self.request.method == "HEAD" else self.finish(body)

    def _send_error(self, error: ApiError) -> asyncio.Future[None] | None:
        if self._finished:
            return None
        for name, value in error.headers.items():
            self.set_header(name, value)
        if error.status in UNREAD_BODY:
            self.set_header("Connection", "close")
        return self._send(error.status, error.body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Errors of Tornado and of irqbal's own code, in the API's form."""
        if status_code == 405:
            # Tornado refuses a method that it does not know before it calls `prepare`.
            try:
                self._services.gate.find_route(self.request.method or "", self.request.path)
            except ApiError as error:
                self._send_error(error)
            return
        message = "irqbal's own error: the log says more" if status_code >= 500 else self._reason
        self._send_error(ApiError(status_code, "error", message))

    async def _stream(self, events: Subscription) -> None:
        self._events = events
        self.set_header("Content-Type", "text/event-stream")
        # nginx would collect events before it passes them on.
        self.set_header("X-Accel-Buffering", "no")
        if self.request.method == "HEAD":
            events.close()
            self.finish()
            return
        try:
            event: bytes | None = b": irqbal\n\n"
            while event is not None:
                self.write(event)
                # While this client is slow, its queue fills, and it is dropped.
                await self._received(self.flush())
                event = await events.next()
            await self._received(self.finish())
        finally:
            events.close()

    def on_connection_close(self) -> None:
        """Unsubscribe a listener that left."""
        if self._events is not None:
            self._events.close()

    def compute_etag(self) -> None:
        """None: answers change with every cycle, so that their hashes would cost more than they
        save.
        """

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log irqbal's own errors with their traceback; not those of clients that left or sent what
        is no HTTP request.
        """
        if isinstance(value, StreamClosedError):
            return
        if isinstance(value, HTTPError) and value.status_code < 500:
            return
        log.error("%s %r failed", self.request.method, self.request.path, exc_info=(typ, value, tb))
