"""The HTTP server: listeners, limits, and one handler for every route of the contract."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from tornado.http1connection import HTTP1Connection
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream, StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler, stream_request_body

from irqbal.api.admission import ConnectionLimit, HeavyRequests
from irqbal.api.auth import AccessControl, Peer, peer_of
from irqbal.api.backend import ApiError, Backend, Caller, Subscription
from irqbal.api.context import HANDLERS, Cache, Raw, RequestContext, Stream
from irqbal.api.contract import Route, Scope
from irqbal.api.dashboard.pages import DashboardFile, page
from irqbal.api.router import Router
from irqbal.api.routes import every as _every
from irqbal.errors import (
    HistoryError,
    HostBusyError,
    HostError,
    IrqbalError,
    PolicyHostError,
    StateFileError,
)
from irqbal.wire import dec_hook, to_json

assert _every, "importing the routes declares their handlers"

log = logging.getLogger(__name__)

MAX_BODY = 1 << 20
MAX_HEADER = 16 << 10
IDLE = 30.0
"""Seconds that a connection may take for a request's headers, or between two requests."""
BODY_SECONDS = 15.0
WRITE_SECONDS = 30.0
"""Seconds that a client gets to take an answer, or an event; then it is cut off."""

HEADERS = {
    "Server": "irqbal",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class Shared(msgspec.Struct, frozen=True):
    """What all requests share."""

    backend: Backend
    gate: AccessControl
    router: Router
    cache: Cache
    heavy: HeavyRequests


class Server(HTTPServer):
    """Serves a backend on any number of sockets. More connections than it can hold are closed at
    once.
    """

    def initialize(  # type: ignore[override]
        self, shared: Shared, door: ConnectionLimit, tls: ssl.SSLContext | None = None
    ) -> None:
        """One server a kind of listener: with TLS or without."""
        application = Application(
            [(r".*", _Handler, {"shared": shared})],
            log_function=lambda handler: None,
            default_handler_class=_Handler,
            default_handler_args={"shared": shared},
        )
        self._door = door
        super().initialize(
            application,
            ssl_options=tls,
            max_body_size=MAX_BODY,
            max_header_size=MAX_HEADER,
            idle_connection_timeout=IDLE,
            body_timeout=BODY_SECONDS,
            max_buffer_size=2 * MAX_BODY,
        )

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """See who it is, and refuse what is too many."""
        try:
            peer = peer_of(stream.socket)
        except OSError:
            stream.close()
            return
        if not self._door.enter(peer):
            stream.close()
            return
        stream.irqbal_peer = peer  # type: ignore[attr-defined]
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        """One less."""
        self._door.leave(server_conn.stream.irqbal_peer)  # type: ignore[attr-defined]
        super().on_close(server_conn)


@stream_request_body
class _Handler(RequestHandler):
    """One request: look up, let in, decode, call, encode. Every answer from here has a JSON body,
    errors too.
    """

    _route: Route | None = None
    _refused: ApiError | None = None

    def initialize(self, shared: Shared) -> None:
        self._shared = shared
        self._body = bytearray()
        self._parameters: dict[str, str] = {}
        self._caller = Caller("anonymous", "?")
        self._page: DashboardFile | None = None
        self._events: Subscription | None = None

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Before the body is read: who asks, and may he. Nobody's body is kept who may not; it is
        only read, if it is of a size, so that the answer is not lost with the connection.
        """
        try:
            self._let_in()
        except ApiError as error:
            self._refused = error
            if error.status in (400, 413) or "Expect" in self.request.headers:
                self._fail(error)

    def _let_in(self) -> None:
        request, gate = self.request, self._shared.gate
        peer = self._peer()
        self._check_length(request)
        host = request.headers.get("Host")
        gate.check_host(host, peer)
        method = request.method or ""
        writes = method not in ("GET", "HEAD", "OPTIONS")
        if request.headers.get("Origin") is not None or writes:
            gate.check_origin(
                request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site"), host, writes
            )
        self._page = page(request.path) if method in ("GET", "HEAD") else None
        if self._page is not None:
            return
        route = self._look_up(method, request.path)
        held, self._caller = gate.identify(request.headers.get("Authorization"), peer)
        gate.require(route.scope, self._widened(held, route, peer), self._caller)
        self._route = route

    def _peer(self) -> Peer:
        peer: Peer = self._connection().stream.irqbal_peer  # type: ignore[attr-defined]
        return peer

    def _connection(self) -> HTTP1Connection:
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        return connection

    def _widened(self, held: Scope | None, route: Route, peer: Peer) -> Scope | None:
        """irq_manager's client cannot send a token."""
        by_config = self._shared.gate.access.irq_manager_writes and peer.loopback and route.form
        return "override" if by_config and "Authorization" not in self.request.headers else held

    def _check_length(self, request: HTTPServerRequest) -> None:
        length = request.headers.get("Content-Length", "0")
        if (
            not length.isascii()
            or not length.isdecimal()
            or len(length) > 9
            or int(length) > MAX_BODY
        ):
            raise ApiError(
                413, "too-large", f"a body may have {MAX_BODY} bytes; nothing was changed"
            )

    def _look_up(self, method: str, path: str) -> Route:
        found: dict[str, tuple[Route, dict[str, str]]] = self._shared.router.find(path)
        if not found and page(path) is None:
            raise ApiError(
                404,
                "not-found",
                f"there is no {path[:100]}; GET /api/v1/openapi.json lists what there is",
            )
        asked = "GET" if method == "HEAD" else method
        if asked not in found:
            allowed = sorted([*found, *(["HEAD"] if "GET" in found else [])]) or ["GET", "HEAD"]
            message = f"{path[:100]} has no {method[:20]}; it has {', '.join(allowed)}"
            raise ApiError(405, "method", message, headers={"Allow": ", ".join(allowed)})
        route, self._parameters = found[asked]
        return route

    def data_received(self, chunk: bytes) -> None:
        """Part of the body; its length was checked, unless it came in chunks. What no route asked
        for is let fall.
        """
        if (
            self._route is not None
            and (self._route.body is not None or self._route.form)
            and len(self._body) <= MAX_BODY
        ):
            self._body += chunk

    async def _run(self) -> None:
        try:
            if self._refused is not None:
                await self._taken(self._fail(self._refused))
            elif self._page is not None:
                self.set_header("Content-Security-Policy", self._page.policy)
                await self._taken(self._send(200, Raw(self._page.body, self._page.media)))
            else:
                await self._ask()
        except StreamClosedError:
            return

    async def _ask(self) -> None:
        try:
            answer = await self._answer()
        except ApiError as error:
            sent = self._fail(error)
        except HostBusyError as error:
            busy = ApiError(503, "busy", str(error), headers={"Retry-After": "1"})
            sent = self._fail(busy)
        except (HistoryError, HostError, StateFileError, PolicyHostError) as error:
            sent = self._fail(ApiError(503, "unavailable", str(error)))
        except IrqbalError as error:
            sent = self._fail(ApiError(409, "refused", str(error)))
        else:
            if isinstance(answer, Stream):
                await self._stream(answer.events)
                return
            sent = self._send(200, answer)
        await self._taken(sent)

    get = head = put = post = delete = patch = options = _run

    async def _answer(self) -> object:
        route = self._route
        assert route is not None
        host = (
            None
            if route.hostless
            else await self._shared.backend.host(self._parameters.get("host"))
        )
        query = _query(self.request.query, route)
        body = _decoded(bytes(self._body), self.request.headers.get("Content-Type", ""), route)
        ignored = _unknown(bytes(self._body), route) if body is not None else ()
        call = RequestContext(
            self._shared.backend,
            host,
            self._caller,
            self._parameters,
            query,
            body,
            self._shared.cache,
            ignored,
        )
        if not route.heavy:
            return await HANDLERS[route.name](call)
        async with self._shared.heavy:
            return Raw(to_json(await HANDLERS[route.name](call)))

    async def _taken(self, sent: asyncio.Future[None] | None) -> None:
        """Wait for the client to take what it was sent; who does not is cut off, or its answers
        would pile up here.
        """
        if sent is None:
            return
        done, _ = await asyncio.wait({sent}, timeout=WRITE_SECONDS)
        if not done:
            self._connection().stream.close()
        await sent

    def _send(self, status: int, answer: object) -> asyncio.Future[None]:
        raw = answer if isinstance(answer, Raw) else Raw(to_json(answer))
        self.set_status(status)
        self.set_header("Content-Type", raw.media)
        self.set_header("Content-Length", str(len(raw.body)))
        return self.finish() if self.request.method == "HEAD" else self.finish(raw.body)

    def _fail(self, error: ApiError) -> asyncio.Future[None] | None:
        if self._finished:
            return None
        for name, value in error.headers.items():
            self.set_header(name, value)
        if error.status in (400, 413):
            # What is left of the body is not worth reading.
            self.set_header("Connection", "close")
        return self._send(error.status, error.body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """What Tornado itself refuses, and our own mistakes, in the same form."""
        if status_code == 405:
            # A method that Tornado does not know, so that `prepare` was never asked.
            try:
                self._look_up(self.request.method or "", self.request.path)
            except ApiError as error:
                self._fail(error)
            return
        message = "irqbal's own error: the log says more" if status_code >= 500 else self._reason
        self._fail(ApiError(status_code, "error", message))

    async def _stream(self, events: Subscription) -> None:
        self._events = events
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("X-Accel-Buffering", "no")
        if self.request.method == "HEAD":
            events.close()
            self.finish()
            return
        try:
            event: bytes | None = b": irqbal\n\n"
            while event is not None:
                self.write(event)
                # Waits for this reader alone; its queue fills meanwhile, and then it is dropped.
                await self._taken(self.flush())
                event = await events.next()
            await self._taken(self.finish())
        finally:
            events.close()

    def on_connection_close(self) -> None:
        """The listener left."""
        if self._events is not None:
            self._events.end()

    def compute_etag(self) -> None:
        """Answers change with every cycle: a hash of each would cost more than it saves."""

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """With its traceback, unless the client went away or asked what cannot be answered."""
        if not isinstance(value, StreamClosedError) and not (
            isinstance(value, HTTPError) and value.status_code < 500
        ):
            log.error(
                "%s %r failed", self.request.method, self.request.path, exc_info=(typ, value, tb)
            )


def _query(text: str, route: Route) -> Any:
    if route.query is None:
        return None
    values: dict[str, str] = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError as error:
        raise ApiError(400, "query", f"the query cannot be read: {error}") from error
    for name, value in pairs:
        if name in values:
            raise ApiError(400, "query", f"{name[:100]} stands twice; keep one")
        values[name] = value
    try:
        found = msgspec.convert(values, route.query, strict=False, dec_hook=dec_hook)
    except (msgspec.ValidationError, ValueError) as error:
        raise ApiError(400, "query", f"the query is not understood: {_said(error)}") from error
    for field in msgspec.structs.fields(route.query):
        if field.encode_name in values and getattr(found, field.name) is None:
            raise ApiError(
                400,
                "query",
                f"the query is not understood: {field.encode_name} is `null`; leave it out instead",
            )
    return found


def _decoded(data: bytes, media: str, route: Route) -> Any:
    """The body by the route's type. What is not known is not silently dropped: the type refuses, or
    the answer tells.
    """
    if len(data) > MAX_BODY:
        raise ApiError(413, "too-large", f"a body may have {MAX_BODY} bytes; nothing was changed")
    kind = media.partition(";")[0].strip().lower()
    if route.form:
        return _form(data, kind)
    if route.body is None or (not data and not route.body_required):
        return None
    if data and kind not in ("application/json", ""):
        raise ApiError(
            415,
            "media-type",
            f"the body must be application/json, not {kind[:100]}; nothing was changed",
        )
    try:
        return msgspec.json.decode(data, type=route.body, dec_hook=dec_hook)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ApiError(
            400, "body", f"the body is not understood: {_said(error)}; nothing was changed"
        ) from error


def _unknown(data: bytes, route: Route) -> tuple[str, ...]:
    """Fields of the body that this version does not know: a newer client's. They are ignored, and
    named in the answer.
    """
    if route.body is None:
        return ()
    known = {field.encode_name for field in msgspec.structs.fields(route.body)}
    return tuple(sorted(name[:100] for name in msgspec.json.decode(data) if name not in known))


def _form(data: bytes, kind: str) -> str:
    if kind != "application/x-www-form-urlencoded":
        raise ApiError(
            415,
            "media-type",
            "the body must be a form with the field `affinity`; nothing was changed",
        )
    try:
        fields = parse_qsl(
            data.decode(), keep_blank_values=True, max_num_fields=50, errors="strict"
        )
    except ValueError as error:
        raise ApiError(400, "body", "the form cannot be read; nothing was changed") from error
    found = [value for name, value in fields if name == "affinity"]
    if len(found) != 1:
        raise ApiError(
            400,
            "body",
            "the form must have the field `affinity`, a hex mask, once; nothing was changed",
        )
    return found[0]


def _said(error: BaseException) -> str:
    return str(error).replace("\n", " ")[:300]


def tls_context(cert: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 or later with this certificate. Raises OSError or ssl.SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context
