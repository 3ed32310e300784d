"""The OpenAPI document against the daemon that serves it: made-up requests, right and wrong ones
(`make schemathesis` sends more).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemathesis_run import patient, run
from served import Served, serve


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve(command=patient()) as found:
        yield found


@pytest.mark.parametrize("scope", ["admin", "none"])
def test_every_answer_is_one_that_the_document_allows(served: Served, scope: str) -> None:
    """No 5xx but the 503 that is documented, no other status, no other body; what violates the
    document is refused.
    """
    # Below /hosts/{host} are the same handlers once more.
    result = run(
        served, 1, served.admin if scope == "admin" else "", "/events$|/hosts/", fixed=True
    )
    assert result.status == 0, result.text[-6000:]
    assert result.cases > 300
    assert "Traceback" not in served.said() and " ERROR " not in served.said()
