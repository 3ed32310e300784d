"""The dashboard's files in this folder: read once, and served without a token, since they hold no
data.
"""

from __future__ import annotations

import functools
import mimetypes
from importlib.resources import files

import msgspec

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
    "'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy: nothing from other hosts, no inline scripts or styles."""
_SUFFIXES = {".css", ".html", ".js", ".svg"}


class DashboardFile(msgspec.Struct, frozen=True):
    """One file, its media type, and its Content-Security-Policy."""

    body: bytes
    media: str
    policy: str


ONE_HOST = b' data-hosts="one"'
"""What index.html says of a daemon's own page, which need not ask which host to show."""


@functools.cache
def pages(central: bool) -> dict[str, DashboardFile]:
    """The files by URL path: index.html at `/`, the others at `/dashboard/NAME`. `central`: of a
    server that may have many hosts.
    """
    by_path = {}
    for item in files(__package__).iterdir():
        suffix = "." + item.name.rpartition(".")[2]
        if item.is_file() and suffix in _SUFFIXES:
            media = mimetypes.guess_type(item.name)[0] or "application/octet-stream"
            if media.startswith("text/") or "javascript" in media:
                media += "; charset=utf-8"
            path = "/" if item.name == "index.html" else f"/dashboard/{item.name}"
            body = item.read_bytes()
            if central and path == "/":
                body = body.replace(ONE_HOST, b"")
            by_path[path] = DashboardFile(body, media, POLICY)
    return by_path


def page(path: str, central: bool) -> DashboardFile | None:
    """The file at this URL path, or None."""
    return pages(central).get(path)
