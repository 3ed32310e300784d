"""A host of a central store can be read, not changed."""

from __future__ import annotations

from typing import Any

import pytest

from irqbal.api.answer_cache import AnswerCache
from irqbal.api.backend import ApiError, Caller, ReadHost
from irqbal.api.context import RequestContext
from irqbal.central.host import StoredHost
from irqbal.history.host_status import HostFacts, KnownHost


def context(host: ReadHost) -> RequestContext:
    backend: Any = None
    return RequestContext(
        backend=backend,
        target=host,
        caller=Caller("ci", "here"),
        path={},
        query=None,
        body=None,
        unknown_fields=(),
        cache=AnswerCache(),
    )


def test_a_stored_host_is_refused_what_only_its_daemon_can_do() -> None:
    server: Any = None
    host = StoredHost(server, KnownHost(HostFacts("db1", 0.0)), 0.0)
    with pytest.raises(ApiError) as caught:
        context(host).control("plan")
    error = caught.value.body.error
    assert (caught.value.status, error.code) == (409, "central")
    assert "db1 shipped and cannot plan; ask the daemon on db1 itself" in error.message
    assert error.message.endswith("nothing was changed")
