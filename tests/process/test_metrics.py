"""Metrics as Prometheus takes them: promtool's judgement, counters that never fall, names and help
in one place.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from irqbal.api.counters import BUCKETS
from irqbal.api.metrics import families
from served import Served, serve

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve() as found:
        yield found


def scrape(served: Served) -> str:
    found = served.ask("GET", "/metrics")
    assert (
        found.status == 200
        and found.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    )
    return found.body.decode()


def counters(text: str) -> Samples:
    """Values that must never decrease: counters, and the parts of a histogram."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.type in ("counter", "histogram")
    }


def test_promtool_reports_no_problem(served: Served) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=scrape(served),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_family_is_one_that_the_documents_name(served: Served) -> None:
    known = {name.removesuffix("_total"): (kind, text) for name, kind, text in families()}
    found = {
        family.name: (family.type, family.documentation)
        for family in text_string_to_metric_families(scrape(served))
    }
    assert found == known
    assert all(name.startswith("irqbal_") for name in known)


def test_counters_never_fall(served: Served) -> None:
    before = counters(scrape(served))
    assert before
    number = served.irq(index=3)["number"]
    for turn in range(6):
        served.ask("PUT", f"/api/v1/irqs/{number}/override", {"cpus": str(turn)}, where="unix")
        served.ask("GET", "/api/v1/status", token="a guess")
        if turn == 3:
            served.ask("POST", "/api/v1/restore", where="unix")
            served.ask("POST", "/api/v1/resume", where="unix")
        now = counters(scrape(served))
        fell = {
            key: (value, now.get(key))
            for key, value in before.items()
            if now.get(key, -1.0) < value
        }
        assert not fell
        before = now
        time.sleep(0.2)
    assert before[("irqbal_auth_failures_total", ())] >= 6
    assert before[("irqbal_moves_total", (("policy", "override"), ("result", "written")))] >= 4


def test_a_scrape_shows_what_is_now(served: Served) -> None:
    def value(name: str) -> float:
        return next(
            f.samples[0].value
            for f in text_string_to_metric_families(scrape(served))
            if f.name == name
        )

    cycles = value("irqbal_cycles")
    assert served.ask("POST", "/api/v1/pause", where="unix").status == 200
    assert value("irqbal_paused") == 1
    assert served.ask("POST", "/api/v1/resume", where="unix").status == 200
    assert value("irqbal_paused") == 0
    assert served.ask("POST", "/api/v1/cycle", where="unix").status == 200
    assert value("irqbal_cycles") > cycles
    assert abs(value("irqbal_last_cycle_timestamp_seconds") - time.time()) < 60


def test_a_histograms_buckets_are_cumulative(served: Served) -> None:
    family = next(
        f
        for f in text_string_to_metric_families(scrape(served))
        if f.name == "irqbal_cycle_duration_seconds"
    )
    buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
    assert [sample.labels["le"] for sample in buckets] == [*map(str, BUCKETS), "+Inf"]
    values = [sample.value for sample in buckets]
    assert values == sorted(values)
    assert values[-1] == next(
        sample.value for sample in family.samples if sample.name.endswith("_count")
    )


def test_no_metric_is_by_irq_and_cpu(served: Served) -> None:
    """With many IRQs and CPUs, their product would be too many series."""
    irqs, cpus = len(served.get("/api/v1/irqs")), 16
    series = [
        sample
        for family in text_string_to_metric_families(scrape(served))
        for sample in family.samples
    ]
    assert not [sample for sample in series if {"irq", "cpu"} <= set(sample.labels)]
    assert len(series) < 100 + 2 * irqs + 4 * cpus
