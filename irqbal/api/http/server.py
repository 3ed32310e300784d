"""The HTTP server: connections, their peers, and the limits of requests."""

from __future__ import annotations

import ssl
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.web import Application

from irqbal.api.http import limits
from irqbal.api.http.admission import ConnectionLimit
from irqbal.api.http.peer import peer_of
from irqbal.api.http.request_handler import ApiRequestHandler, ApiServices


class Server(HTTPServer):
    """Serves the API on any number of sockets, all with TLS or all without. Connections that find
    no room are closed at once.
    """

    def initialize(  # type: ignore[override]
        self, services: ApiServices, connections: ConnectionLimit, tls: ssl.SSLContext | None = None
    ) -> None:
        """Tornado's constructor."""
        application = Application(
            [(r".*", ApiRequestHandler, {"services": services, "connections": connections})],
            log_function=lambda handler: None,
            default_handler_class=ApiRequestHandler,
            default_handler_args={"services": services, "connections": connections},
        )
        self._connection_limit = connections
        super().initialize(
            application,
            ssl_options=tls,
            max_body_size=limits.MAX_BODY,
            max_header_size=limits.MAX_HEADER,
            idle_connection_timeout=limits.IDLE,
            body_timeout=limits.BODY_SECONDS,
            max_buffer_size=2 * limits.MAX_BODY,
        )

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Note the peer of a new connection, or close it."""
        try:
            peer = peer_of(stream.socket)
        except OSError:
            stream.close()
            return
        if not self._connection_limit.enter(stream, peer):
            stream.close()
            return
        stream.irqbal_peer = peer  # type: ignore[attr-defined]
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        """A connection was closed."""
        self._connection_limit.leave(server_conn.stream)  # type: ignore[attr-defined]
        super().on_close(server_conn)
