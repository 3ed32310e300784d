"""Whether a server speaks TLS or plain HTTP, asked on a connection of its own when one of the two
did not work.

A plain HTTP server waits for the end of what it takes for a request when it gets a TLS handshake,
and says nothing: without this question the client would wait until its timeout.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import time

PATIENCE = 1.0
"""Seconds to wait for a handshake's answer before the server is asked for plain HTTP."""
_PROBE = b"GET / HTTP/1.0\r\n\r\n"
_MOST = 3.0
"""Seconds that one question may take."""


class WrongProtocol(Exception):
    """The server speaks plain HTTP, and TLS was tried."""


class CheckedHttps(http.client.HTTPSConnection):
    """HTTPS that notices a server of plain HTTP at once, instead of after the timeout."""

    def __init__(self, host: str, port: int, timeout: float, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls = context
        self._seconds = timeout

    def connect(self) -> None:
        """Connect, and shake hands. Raises OSError, WrongProtocol."""
        http.client.HTTPConnection.connect(self)
        raw = self.sock
        try:
            self.sock = self._tls.wrap_socket(
                raw, server_hostname=self.host, do_handshake_on_connect=False
            )
        except BaseException:
            raw.close()
            raise
        self._shake_hands(self.sock)

    def _shake_hands(self, sock: ssl.SSLSocket) -> None:
        started, asked = time.monotonic(), False
        sock.setblocking(False)
        while True:
            wanted = select.POLLIN
            try:
                sock.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLWantWriteError:
                wanted = select.POLLOUT
            except ssl.SSLCertVerificationError:
                raise
            except (ssl.SSLError, ConnectionError) as error:
                if speaks_http(self.host, self.port):
                    raise WrongProtocol from error
                raise
            left = self._seconds - (time.monotonic() - started)
            if left <= 0:
                raise TimeoutError
            poller = select.poll()
            poller.register(sock, wanted)
            ready = poller.poll((left if asked else min(left, PATIENCE)) * 1000)
            if not ready and not asked:
                asked = True
                if speaks_http(self.host, self.port):
                    raise WrongProtocol
        sock.settimeout(self._seconds)


def speaks_http(host: str, port: int) -> bool:
    """Whether the server answers plain HTTP. No token is sent."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=_MOST) as sock,
    ):
        sock.sendall(_PROBE)
        return sock.recv(5) == b"HTTP/"
    return False


def speaks_tls(host: str, port: int) -> bool:
    """Whether the server answers a TLS handshake, whoever it is. Nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=_MOST) as sock,
        context.wrap_socket(sock, server_hostname=host),
    ):
        return True
    return False
