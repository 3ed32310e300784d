"""Network addresses as the configuration and the commands write them."""

from __future__ import annotations

import ipaddress

import msgspec

UNIX = "unix:"
"""Prefix of a Unix socket's address; its path follows."""
MAX_SOCKET_PATH = 102
"""Most bytes of a Unix socket's path; below the kernel's limit of 107 (sun_path, unix(7))."""
MAX_PORT = 65535
"""Highest TCP port."""


class TcpAddress(msgspec.Struct, frozen=True):
    """A host (name or address, IPv6 without brackets) and a port; port 0: any free one."""

    host: str
    port: int


def parse_listen(text: str) -> TcpAddress | None:
    """Parse `HOST:PORT` or `[IPv6]:PORT`; None for `unix:PATH`. Raises ValueError with a
    sentence.
    """
    if text.startswith(UNIX):
        path = text.removeprefix(UNIX)
        if not path.startswith("/") or len(path.encode()) > MAX_SOCKET_PATH:
            raise ValueError(
                f"{text!r}: a socket's path must be absolute and at most {MAX_SOCKET_PATH} bytes "
                "long"
            )
        return None
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        # An IPv6 address without brackets: its last group may be taken for the port.
        host = ""
    if not host or not port.isascii() or not port.isdecimal() or int(port) > MAX_PORT:
        raise ValueError(
            f"{text!r} is not an address: write HOST:PORT, [IPv6]:PORT or unix:PATH, such as "
            "127.0.0.1:8080"
        )
    return TcpAddress(host, int(port))


def is_loopback(host: str) -> bool:
    """Whether this is `localhost` or a loopback address (127.0.0.0/8, ::1, or the former mapped to
    IPv6). A scope id after `%` is ignored; other names are never resolved.
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
