"""The section `history.mongodb`, checked, and what it means to the driver. Does not import
pymongo.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from irqbal.errors import ConfigError
from irqbal.wire import Duration

SCHEMES = ("mongodb://", "mongodb+srv://")
FORBIDDEN = frozenset('/\\. "$\0')
HOUR = 3600.0


class MongodbOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the history is shipped to."""

    url: Annotated[
        str,
        Meta(
            description="mongodb://host:27017 or mongodb+srv://…; options of the driver may follow "
            "it"
        ),
    ]
    database: Annotated[str, Meta(description="its name")] = "irqbal"
    keep: Annotated[
        Duration, Meta(description="how long MongoDB keeps samples and decisions; 1h or more")
    ] = Duration(90 * 86400)
    username: Annotated[str, Meta(description="whom to log in as")] = ""
    password_file: Annotated[str, Meta(description="a file whose first line is the password")] = ""
    tls_ca: Annotated[
        str, Meta(description="certificates (PEM) that sign the server's; turns TLS on")
    ] = ""
    tls_cert: Annotated[
        str, Meta(description="the client's own certificate and key in one PEM file; turns TLS on")
    ] = ""

    def __post_init__(self) -> None:
        """Raises ValueError with a sentence."""
        if not self.url.startswith(SCHEMES) or self.url in SCHEMES:
            raise ValueError("url must begin with mongodb:// or mongodb+srv:// and name a server")
        if not self.database or len(self.database) > 63 or FORBIDDEN & set(self.database):
            raise ValueError(
                f"{self.database!r} cannot be a database's name: 1 to 63 characters, none of them "
                '/ \\ . " $ or a space'
            )
        if self.keep < HOUR:
            raise ValueError(
                f"keep: {self.keep} is too short: MongoDB would delete records as they come; write "
                "1h or more"
            )
        if self.password_file and not self.username:
            raise ValueError("password_file is given without username: whose password is it?")

    def __repr__(self) -> str:
        return f"MongoOptions({self.shown()}/{self.database})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.shown()), ("database", self.database)]

    @classmethod
    def of_url(cls, url: str) -> MongodbOptions:
        """What a URL alone says; its path is the database. Raises ValueError with a sentence."""
        path = url.partition("://")[2].partition("?")[0].partition("/")[2]
        return cls(url, path) if path else cls(url)

    def shown(self) -> str:
        """The URL without what may be secret: no user, no password, no options."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rsplit('@', 1)[-1].split('/')[0].split('?')[0]}"


def settings(options: MongodbOptions) -> dict[str, Any]:
    """The driver's arguments. Raises ConfigError if a file that is named cannot be read."""
    found: dict[str, Any] = {
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
            found |= {"tls": True, key: path}
    if options.username:
        found["username"] = options.username
    if options.password_file:
        found["password"] = (
            _read("password_file", options.password_file).split("\n")[0].rstrip("\r")
        )
    return found


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ConfigError(
            [f"history.mongodb.{name}: {path} cannot be read: {error.strerror}"]
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"history.mongodb.{name}: {path} is not text"]) from error
