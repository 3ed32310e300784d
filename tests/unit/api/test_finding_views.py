"""A host's findings as the API answers them, ships them and counts them."""

from __future__ import annotations

import msgspec
import pytest

from irqbal.api.counters import CycleCounters
from irqbal.api.examples import STATUS, VIEW
from irqbal.api.finding_views import MOST_SHOWN, findings_answer, stored_answer
from irqbal.api.metrics import Exporter, MetricsSource
from irqbal.api.responses import FindingsAnswer
from irqbal.central.fleet import host_view
from irqbal.findings.host_state import HostState
from irqbal.findings.verify import Context
from irqbal.history.host_status import RecentEvents, facts_of, findings_of, status_documents
from irqbal.service import fleet_status

FAILED = MOST_SHOWN + 50
"""More things to do than an answer lists."""


@pytest.fixture
def found() -> FindingsAnswer:
    failed = {f"policy{number}": "it took too long" for number in range(FAILED)}
    return findings_answer(VIEW, HostState(failed=failed, paused=True), Context())


def test_what_an_answer_does_not_list_is_counted(found: FindingsAnswer) -> None:
    assert len(found.findings) == MOST_SHOWN
    assert found.counts["policy-failed"] == FAILED and found.counts["paused"] == 1
    assert found.count == sum(found.counts.values()) > MOST_SHOWN
    assert str(FAILED) in found.sentence


def test_metrics_count_what_an_answer_does_not_list(found: FindingsAnswer) -> None:
    source = MetricsSource(STATUS, VIEW, 0, findings=found)
    text = Exporter(CycleCounters(), lambda: source).text().decode()
    assert f'irqbal_findings{{code="policy-failed",severity="warning"}} {FAILED}.0' in text
    assert 'irqbal_findings{code="paused",severity="notice"} 1.0' in text


def test_a_central_server_says_what_the_host_says(found: FindingsAnswer) -> None:
    own = fleet_status.host_view(STATUS, VIEW, found, RecentEvents())
    status = fleet_status.host_status(STATUS, VIEW, found, (), RecentEvents())
    document = status_documents(STATUS.host, status)["fleet"]
    facts = facts_of(document)
    listed = host_view(facts, facts.wall)
    assert (listed.findings, listed.verdict) == (own.findings, own.verdict) == (found.count, "act")
    answer = stored_answer(facts.verdict, findings_of(document), facts.counts or {}, facts.wall)
    assert msgspec.structs.replace(answer, at=found.at) == found


def test_a_code_of_a_newer_daemon_is_a_notice() -> None:
    answer = stored_answer("look", (), {"a-code-of-later": 2}, 0.0)
    assert (answer.count, answer.sentence) == (2, "This host works; 2 things are worth a look.")
