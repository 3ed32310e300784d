"""Which scope a request holds, by its token or by the user of the Unix socket."""

from __future__ import annotations

import grp
import logging
import os
import time

import msgspec

from irqbal.api.backend import ApiError, Caller
from irqbal.api.http.peer import Peer, user_name
from irqbal.api.http.token_failures import TokenFailures
from irqbal.api.route import SCOPES, Scope, allows
from irqbal.errors import IrqbalError
from irqbal.state.tokens import Tokens

log = logging.getLogger(__name__)

GROUP = "irqbal"
"""Members of this group hold the scope `admin` on the Unix socket."""
REALM = 'Bearer realm="irqbal"'


class AnonymousAccess(msgspec.Struct, frozen=True, kw_only=True):
    """The scopes of requests without a token (None: not even reading): from loopback or the Unix
    socket, and from other addresses. `irq_manager_writes`: irq_manager's client may set masks from
    loopback.
    """

    local: Scope | None
    remote: Scope | None
    irq_manager_writes: bool


class Identity(msgspec.Struct, frozen=True):
    """The scope that a request holds (None: not even reading), and its author."""

    scope: Scope | None
    caller: Caller


class AccessControl:
    """Identifies the author of each request, and compares the scope held with the one needed."""

    def __init__(self, anonymous: AnonymousAccess, tokens: Tokens, failures: TokenFailures) -> None:
        self._anonymous, self._tokens, self._failures = anonymous, tokens, failures
        # Once: a directory service may take long to answer.
        self._group = _group_id()

    def identify(self, authorization: str | None, peer: Peer, form: bool) -> Identity:
        """The author of a request with this Authorization header; `form`: the route is one by which
        irq_manager's client sets masks. Raises ApiError for a wrong token.
        """
        if authorization is not None:
            return self._by_token(authorization, peer)
        if peer.uid is not None:
            caller = Caller(user_name(peer.uid), peer.where)
            if peer.uid in (0, os.geteuid()) or self._group in peer.groups:
                return Identity("admin", caller)
            return Identity(self._anonymous.local, caller)
        caller = Caller("anonymous", peer.address)
        if form and peer.loopback and self._anonymous.irq_manager_writes:
            # That client cannot send a token.
            return Identity("override", caller)
        return Identity(self._anonymous.local if peer.loopback else self._anonymous.remote, caller)

    def require(self, needed: Scope, identity: Identity) -> None:
        """Raises ApiError unless the scope is enough: 401 without a token, 403 with one."""
        held, caller = identity.scope, identity.caller
        if needed == "public" or (held is not None and allows(held, needed)):
            return
        if caller.who.startswith("token "):
            raise ApiError(
                403,
                "forbidden",
                f"{caller.who} has the scope {held}, this needs {needed}: "
                f"make another with `irqbal token add NAME --scope {needed}`",
            )
        raise ApiError(
            401,
            "unauthorized",
            f"this needs a token with the scope {needed}: `Authorization: Bearer …`; "
            f"{self._tokens.where}",
            headers={"WWW-Authenticate": REALM},
        )

    def _by_token(self, authorization: str, peer: Peer) -> Identity:
        scheme, _, text = authorization.partition(" ")
        try:
            token = (
                self._tokens.find(text.strip(), time.time()) if scheme.lower() == "bearer" else None
            )
        except IrqbalError as error:
            log.error("%s; every token is refused until then", error)
            raise ApiError(
                503, "tokens", "the tokens cannot be read; the daemon's log says why"
            ) from error
        if token is not None and token.scope in SCOPES:
            return Identity(token.scope, Caller(f"token {token.name}", peer.where))
        self._failures.count(peer.host)
        raise ApiError(
            401,
            "unauthorized",
            "this token is not valid: it was revoked, has expired, or never existed",
            headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
        )


def _group_id() -> int | None:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
