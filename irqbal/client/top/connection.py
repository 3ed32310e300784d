"""The requests of `top`, with a token that may be given while it runs. The token is held in memory
only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from irqbal.client.http import Client, RequestRefused

T = TypeVar("T")

NOT_VALID = "your token is not valid any more: reading goes on without one"


def needs_token(error: Exception) -> bool:
    """Whether this refusal would be none with another token."""
    return isinstance(error, RequestRefused) and (
        error.status == 401 or error.problem.code == "forbidden"
    )


class TopConnection:
    """One daemon. `notice` is told that a token was dropped; any thread may call it."""

    def __init__(self, client: Client, notice: Callable[[str], None]) -> None:
        self.client, self._notice = client, notice

    @property
    def now(self) -> float:
        """The time by the daemon's clock, in seconds since the epoch."""
        return time.time() + self.client.clock_skew

    def read(
        self,
        name: str,
        kind: type[T],
        path: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> T:
        """Call a route that only reads. A token that is not valid is dropped where reading needs
        none. Raises DaemonUnreachable, RequestRefused.
        """
        client = self.client
        try:
            return client.ask(name, kind, path, query)
        except RequestRefused as error:
            if error.status != 401 or not client.has_token:
                raise
            without = client.with_token("")
            try:
                answer = without.ask(name, kind, path, query)
            except RequestRefused as second:
                # What was wrong with the token says more than that one is needed.
                raise (error if second.status == 401 else second) from None
        # Another one may have been given meanwhile.
        if self.client is client:
            self.client = without
            self._notice(NOT_VALID)
        return answer

    def with_token(self, token: str) -> Client:
        """A client with this token. The connection keeps its own until `keep`."""
        return self.client.with_token(token)

    def keep(self, client: Client) -> None:
        """Use this client from now on."""
        self.client = client
