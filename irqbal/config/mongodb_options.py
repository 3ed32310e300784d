"""The section `history.mongodb`, and the driver's arguments that follow from it.

Does not import pymongo, which is an optional dependency.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from irqbal.errors import ConfigError
from irqbal.wire import Duration

SCHEMES = ("mongodb://", "mongodb+srv://")
"""Prefixes of MongoDB's connection strings."""
FORBIDDEN = frozenset('/\\. "$\0')
"""Characters that MongoDB forbids in a database name."""
MAX_NAME = 63
"""Most characters of a database name (MongoDB: fewer than 64 bytes)."""
MIN_KEEP = Duration(3600)
"""Shortest `keep`: below, MongoDB could delete records before the shipper has written a batch."""


class MongodbOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The MongoDB that the history is shipped to."""

    url: Annotated[
        str,
        Meta(
            description="mongodb://host:27017 or mongodb+srv://…, with options of the driver if "
            "needed"
        ),
    ]
    database: Annotated[str, Meta(description="name of the database")] = "irqbal"
    keep: Annotated[
        Duration, Meta(description="how long MongoDB keeps samples and decisions; 1h or more")
    ] = Duration(90 * 86400)
    username: Annotated[str, Meta(description="user to log in as")] = ""
    password_file: Annotated[str, Meta(description="a file whose first line is the password")] = ""
    tls_ca: Annotated[
        str, Meta(description="file with the CA certificates of the server, PEM; turns TLS on")
    ] = ""
    tls_cert: Annotated[
        str, Meta(description="file with the client's certificate and key, PEM; turns TLS on")
    ] = ""

    def __post_init__(self) -> None:
        """Raises ValueError with a sentence."""
        if not self.url.startswith(SCHEMES) or self.url in SCHEMES:
            raise ValueError("url must begin with mongodb:// or mongodb+srv:// and name a server")
        if not self.database or len(self.database) > MAX_NAME or FORBIDDEN & set(self.database):
            raise ValueError(
                f"{self.database!r} is not a database name: write 1 to {MAX_NAME} characters, none "
                'of them / \\ . " $ or a space'
            )
        if self.keep < MIN_KEEP:
            raise ValueError(
                f"keep: {self.keep} is too short: MongoDB would delete records on arrival; write "
                f"{MIN_KEEP} or more"
            )
        if self.password_file and not self.username:
            raise ValueError("password_file is set without username; set both")

    def __repr__(self) -> str:
        return f"MongodbOptions({self.redacted_url()}/{self.database})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.redacted_url()), ("database", self.database)]

    @classmethod
    def from_url(cls, url: str) -> MongodbOptions:
        """Options from a URL alone; its path is the database. Raises ValueError with a sentence."""
        path = url.partition("://")[2].partition("?")[0].partition("/")[2]
        return cls(url, path) if path else cls(url)

    def redacted_url(self) -> str:
        """The URL without what may be secret: user, password and options."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rsplit('@', 1)[-1].split('/')[0].split('?')[0]}"


def is_mongodb_url(url: str) -> bool:
    """Whether this is a connection string of MongoDB, by its scheme."""
    return url.startswith(SCHEMES)


def driver_arguments(options: MongodbOptions) -> dict[str, Any]:
    """Keyword arguments of pymongo's clients. Raises ConfigError if a file that the options name
    cannot be read.
    """
    arguments: dict[str, Any] = {
        "host": options.url,
        "appname": "irqbal",
        "serverSelectionTimeoutMS": 5000,
        "connectTimeoutMS": 5000,
        "socketTimeoutMS": 30_000,
        "maxPoolSize": 2,
        "retryWrites": True,
        "tz_aware": True,
    }
    for key, name, path in (
        ("tlsCAFile", "tls_ca", options.tls_ca),
        ("tlsCertificateKeyFile", "tls_cert", options.tls_cert),
    ):
        if path:
            _read(name, path)
            arguments |= {"tls": True, key: path}
    if options.username:
        arguments["username"] = options.username
    if options.password_file:
        arguments["password"] = (
            _read("password_file", options.password_file).split("\n")[0].rstrip("\r")
        )
    return arguments


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ConfigError(
            [f"history.mongodb.{name}: {path} cannot be read: {error.strerror}"]
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"history.mongodb.{name}: {path} is not text"]) from error
