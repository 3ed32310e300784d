"""`tokens.json`: the API's tokens, in the state folder, readable by root alone.

The file holds only the SHA-256 of each token. A token has 256 random bits, so its plain hash cannot
be reversed by guessing. `admin.token` holds in clear the token that the daemon creates at its first
start; the client of root reads it there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from irqbal.errors import IrqbalError
from irqbal.process.private_folder import make_folder
from irqbal.state import durable
from irqbal.state.json_list import load_list
from irqbal.wire import to_json

FILE = "tokens.json"
"""File name, in the state folder."""
LOCK = "tokens.lock"
"""File name, in the state folder: held while the tokens are changed."""
ADMIN_FILE = "admin.token"
"""File name, in the state folder; one line."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)


class TokensNotWrittenError(IrqbalError):
    """The tokens could not be changed; the old ones stand."""


class Token(msgspec.Struct, frozen=True):
    """What is stored of a token. Times are seconds since the epoch; `expires` None: never."""

    name: str
    scope: str
    digest: str
    created: float
    expires: float | None = None


def digest(text: str) -> str:
    """The SHA-256 of a token's text, in hex."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def load(folder: Path) -> tuple[Token, ...]:
    """All stored tokens; none if there is no file. Raises StateFileError if the file is unreadable
    or damaged: then no token is valid.
    """
    remedy = "move it away, and create new tokens with `irqbal token add`"
    return load_list(folder / FILE, Token, remedy)


def add(folder: Path, name: str, scope: str, expires: float | None) -> str:
    """Create a token and return its text, which cannot be shown again. `expires`: seconds since
    the epoch. Raises IrqbalError if the name is invalid or in use, or the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise IrqbalError(
            f"{name!r} is not a valid token name: use letters, digits and . _ @ - (at most 64)"
        )
    with _alone(folder):
        tokens = load(folder)
        if any(token.name == name for token in tokens):
            raise IrqbalError(
                f"a token named {name} already exists: revoke it first, or choose another name"
            )
        text = f"irqbal_{secrets.token_urlsafe(32)}"
        _store(folder, [*tokens, Token(name, scope, digest(text), time.time(), expires)])
    return text


def revoke(folder: Path, name: str) -> None:
    """Delete a token. Raises IrqbalError if there is none of that name, or if it could not be
    deleted.
    """
    try:
        with _alone(folder):
            tokens = load(folder)
            left = [token for token in tokens if token.name != name]
            if len(left) == len(tokens):
                raise IrqbalError(f"there is no token named {name}; `irqbal token list` lists them")
            _store(folder, left)
            if name == "admin":
                (folder / ADMIN_FILE).unlink(missing_ok=True)
    except TokensNotWrittenError as error:
        raise IrqbalError(f"{error}; the token {name} still works") from error


def ensure_admin(folder: Path) -> None:
    """Create the admin token if there is no token file yet. Raises IrqbalError."""
    if (folder / FILE).exists():
        return
    text = add(folder, "admin", "admin", None)
    try:
        durable.replace(folder / ADMIN_FILE, f"{text}\n".encode())
    except OSError as error:
        raise IrqbalError(f"{folder / ADMIN_FILE} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes the tokens meanwhile. Raises TokensNotWrittenError."""
    path = folder / LOCK
    try:
        make_folder(folder)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise TokensNotWrittenError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _store(folder: Path, tokens: Iterable[Token]) -> None:
    try:
        durable.replace(folder / FILE, to_json(tuple(tokens)))
    except OSError as error:
        raise TokensNotWrittenError(
            f"{folder / FILE} cannot be written: {error.strerror}"
        ) from error


class Tokens:
    """The tokens of a state folder; the file is read again after it changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._version: tuple[int, int, int] | None = None
        """mtime (ns), size and inode of the file that was read; zeros: there was none."""
        self._by_digest: dict[str, Token] = {}

    @property
    def where(self) -> str:
        """How a user gets a token, as part of a sentence."""
        return (
            f"on the host itself, root finds one in {self._folder / ADMIN_FILE}, and `irqbal "
            "token add` creates more"
        )

    def find(self, text: str, now: float) -> Token | None:
        """The token with this text, or None if there is none or it has expired at `now` (seconds
        since the epoch). Raises IrqbalError.
        """
        try:
            status = (self._folder / FILE).stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
        except OSError:
            version = (0, 0, 0)
        if version != self._version:
            self._by_digest = {token.digest: token for token in load(self._folder)}
            self._version = version
        token = self._by_digest.get(digest(text))
        if token is None or (token.expires is not None and token.expires <= now):
            return None
        return token
