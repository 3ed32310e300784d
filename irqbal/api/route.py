"""What the contract states of one route, and the scopes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

PREFIX = "/api/v1"

Scope = Literal["public", "read", "override", "admin"]
SCOPES: tuple[Scope, ...] = ("public", "read", "override", "admin")
"""Each allows what those before it allow. `public` needs no token."""

COMMON_STATUSES = {200, 400, 403, 413}
"""Statuses of every route."""
TOKEN_STATUSES = {401, 429, 503}
"""Statuses of every route that needs a token."""


def allows(held: Scope, needed: Scope) -> bool:
    """Whether a token of scope `held` may do what needs the scope `needed`."""
    return SCOPES.index(held) >= SCOPES.index(needed)


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path.

    `answer` is the type of the JSON answer; None: the answer is no JSON, but of type `media`.
    `errors` are statuses besides those that follow from the other fields.
    `form`: the body is a form with a hex mask, as irq_manager's clients send it.
    `heavy`: reads much, so that few such requests run at a time.
    `hostless`: about the server or all of its hosts. Any other route answers 409 where no host is
    named and there are several, or where only the host's own daemon can do it.
    `per_host`: exists also below /api/v1/hosts/{host}.
    """

    name: str
    path: str
    summary: str
    answer: Any
    method: Literal["GET", "PUT", "POST", "DELETE"] = "GET"
    scope: Scope = "read"
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    body_required: bool = False
    errors: tuple[int, ...] = ()
    media: str = "application/json"
    form: bool = False
    heavy: bool = False
    hostless: bool = False
    per_host: bool = True

    def statuses(self, path: str) -> tuple[int, ...]:
        """Every status that it may have at one of its paths, sorted."""
        statuses = COMMON_STATUSES | set(self.errors)
        if "{" in path:
            statuses.add(404)
        if not self.hostless:
            statuses.add(409)
        if self.scope != "public":
            statuses |= TOKEN_STATUSES
        return tuple(sorted(statuses))

    @property
    def below_host(self) -> str | None:
        """The same route's path for one of many hosts; None if it has none."""
        return f"{PREFIX}/hosts/{{host}}{self.path.removeprefix(PREFIX)}" if self.per_host else None
