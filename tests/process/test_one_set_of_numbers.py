"""Whatever shows loads shows the same ones: the headline, CPUs, IRQs and metrics are of one moment,
and no part is more than its whole.
"""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from machine import wait_for
from served import Served, serve

MOMENTS = 20
LOAD = "irqbal_cpu_interrupt_load_ratio"
SPECS = ("1x4,nic=4x1,traffic=bursts,seed=5", "2x8x2,nodes=2,nic=16x2,traffic=hopping,seed=5")


def _moment(served: Served) -> tuple[Any, Any, Any, str] | None:
    """Status, CPUs, IRQs and metrics, all of one moment; None if another one came meanwhile."""
    status = served.get("/api/v1/status")
    cpus, irqs = served.get("/api/v1/cpus"), served.get("/api/v1/irqs")
    metrics = served.ask("GET", "/metrics", where="unix").body.decode()
    again = served.get("/api/v1/status")
    return (
        None
        if again["last"]["measured"] != status["last"]["measured"]
        else (status, cpus, irqs, metrics)
    )


@pytest.mark.parametrize("spec", SPECS)
def test_at_every_moment_headline_map_tables_and_metrics_agree(spec: str) -> None:
    with serve(spec=spec, rest="interval: 500ms\nhistory: {every: 10s}\n") as served:
        wait_for(lambda: served.get("/api/v1/status")["last"]["cycle"] > 3, served.log)
        seen: set[str] = set()
        end = time.monotonic() + 300
        while len(seen) < MOMENTS:
            assert time.monotonic() < end, len(seen)
            found = _moment(served)
            if found is None or found[0]["last"]["measured"] in seen:
                time.sleep(0.1)
                continue
            status, cpus, irqs, metrics = found
            seen.add(status["last"]["measured"])
            hottest = max(cpu["load"] for cpu in cpus)
            assert status["last"]["busiest"] == pytest.approx(hottest, abs=0.01)
            parts = dict.fromkeys((cpu["number"] for cpu in cpus), 0.0)
            for irq in irqs:
                numbers = _cpus(irq["effective"])
                for number in numbers:
                    parts[number] += irq["load"] / len(numbers)
            for cpu in cpus:
                assert parts[cpu["number"]] <= cpu["load"] + 1e-5, cpu
                told = sum(
                    float(value)
                    for value in re.findall(
                        rf'^{LOAD}{{[^}}]*cpu="{cpu["number"]}"[^}}]*}} (\S+)$',
                        metrics,
                        re.MULTILINE,
                    )
                )
                assert told == pytest.approx(cpu["load"], abs=0.01)


def _cpus(text: str) -> list[int]:
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
