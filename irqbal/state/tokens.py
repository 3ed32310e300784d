"""Tokens on disk: `tokens.json` in the state folder, readable by root alone; only their SHA-256 is
kept.

A token holds 256 random bits, so that a plain hash of it cannot be reversed by guessing.
`admin.token` holds the one that the daemon makes at its first start, in clear, for root: the client
finds it by itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from irqbal.errors import IrqbalError
from irqbal.wire import from_json, to_json

FILE = "tokens.json"
ADMIN_FILE = "admin.token"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)


class Token(msgspec.Struct, frozen=True):
    """A token by its hash. Times are seconds since the epoch; `expires` None: never."""

    name: str
    scope: str
    digest: str
    created: float
    expires: float | None = None


def digest(text: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def load(folder: Path) -> tuple[Token, ...]:
    """All tokens. Raises IrqbalError if the file is there and cannot be read: then nobody's token
    may count.
    """
    path = folder / FILE
    try:
        return from_json(path.read_bytes(), tuple[Token, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise IrqbalError(f"{path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IrqbalError(
            f"{path} is damaged ({error}); move it away, and make new tokens with `irqbal token "
            "add`"
        ) from error


def add(folder: Path, name: str, scope: str, expires: float | None) -> str:
    """Make a token and return it; it cannot be shown again. Raises IrqbalError."""
    if not _NAME.fullmatch(name):
        raise IrqbalError(
            f"{name!r} is no name for a token: use letters, digits, and . _ @ - (at most 64)"
        )
    tokens = load(folder)
    if any(token.name == name for token in tokens):
        raise IrqbalError(
            f"there is a token {name} already: revoke it first, or choose another name"
        )
    text = f"irqbal_{secrets.token_urlsafe(32)}"
    _store(folder, [*tokens, Token(name, scope, digest(text), time.time(), expires)])
    return text


def revoke(folder: Path, name: str) -> None:
    """Take a token away. Raises IrqbalError if there is none of that name."""
    tokens = load(folder)
    left = [token for token in tokens if token.name != name]
    if len(left) == len(tokens):
        raise IrqbalError(f"there is no token {name}; `irqbal token list` shows them")
    _store(folder, left)
    if name == "admin":
        (folder / ADMIN_FILE).unlink(missing_ok=True)


def ensure_admin(folder: Path) -> None:
    """At the first start: an admin token for root. Raises IrqbalError."""
    if (folder / FILE).exists():
        return
    text = add(folder, "admin", "admin", None)
    try:
        _write(folder / ADMIN_FILE, f"{text}\n".encode())
    except OSError as error:
        raise IrqbalError(f"{folder / ADMIN_FILE} cannot be written: {error.strerror}") from error


def _store(folder: Path, tokens: Iterable[Token]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / FILE, to_json(tuple(tokens)))
    except OSError as error:
        raise IrqbalError(f"{folder / FILE} cannot be written: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    part.replace(path)


class Tokens:
    """The tokens of a state folder, read again whenever the file changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[int, int, int] | None = None
        self._by_digest: dict[str, Token] = {}

    @property
    def where(self) -> str:
        """Where somebody who has none gets one."""
        return (
            f"on the host itself, root finds one in {self._folder / ADMIN_FILE}, and `irqbal "
            "token add` makes more"
        )

    def find(self, text: str, now: float) -> Token | None:
        """The token with this text, unless it has expired at `now` (seconds since the epoch).
        Raises IrqbalError.
        """
        try:
            found = (self._folder / FILE).stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            seen = (0, 0, 0)
        if seen != self._seen:
            self._by_digest = {token.digest: token for token in load(self._folder)}
            self._seen = seen
        token = self._by_digest.get(digest(text))
        return (
            None if token is None or (token.expires is not None and token.expires <= now) else token
        )
