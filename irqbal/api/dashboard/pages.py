"""The dashboard's files, as they lie in this folder: read once, served to anybody, since they hold
no data.
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
"""Nothing from other hosts, nothing inline."""
_SHOWN = {".css", ".html", ".js", ".svg"}


class DashboardFile(msgspec.Struct, frozen=True):
    """One file, its type, and what its page may load."""

    body: bytes
    media: str
    policy: str


@functools.cache
def pages() -> dict[str, DashboardFile]:
    """Files by path: `/` and `/dashboard/NAME`."""
    found = {}
    for item in files(__package__).iterdir():
        suffix = "." + item.name.rpartition(".")[2]
        if item.is_file() and suffix in _SHOWN:
            media = mimetypes.guess_type(item.name)[0] or "application/octet-stream"
            charset = (
                "; charset=utf-8" if media.startswith("text/") or "javascript" in media else ""
            )
            path = "/" if item.name == "index.html" else f"/dashboard/{item.name}"
            found[path] = DashboardFile(item.read_bytes(), media + charset, POLICY)
    return found


def page(path: str) -> DashboardFile | None:
    """The file at this path, or None."""
    return pages().get(path)
