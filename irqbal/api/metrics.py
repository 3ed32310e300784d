"""The metrics: names, help and values, from the record and snapshot of the last cycle.

Values are by CPU or by IRQ, never by IRQ and CPU: 2,000 IRQs on 512 CPUs would be a million series.
The daemon imports this module at the first scrape, because prometheus_client takes memory and time
that an unscraped daemon saves.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from irqbal.api.backend import View
from irqbal.api.counters import BUCKETS, CycleCounters
from irqbal.api.examples import STATUS, VIEW
from irqbal.api.responses import FindingsAnswer, Status
from irqbal.findings.finding import severity_of
from irqbal.findings.host_state import VERDICTS
from irqbal.model.plain_text import plain
from irqbal.version import __version__


class MetricsSource(msgspec.Struct, frozen=True):
    """What the values are read from, besides the counters. `view` is None before the first
    cycle.
    """

    status: Status
    view: View | None
    auth_failures: int
    findings: FindingsAnswer | None = None


class Exporter(Collector):
    """Encodes the metrics on demand. `read` returns the present source."""

    def __init__(self, counters: CycleCounters, read: Callable[[], MetricsSource]) -> None:
        self._counters, self._read = counters, read
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._encoded: tuple[MetricsSource, bytes] | None = None

    def text(self) -> bytes:
        """Prometheus' text format; encoded only if something changed."""
        source = self._read()
        if self._encoded is None or not _same(self._encoded[0], source):
            self._encoded = (source, generate_latest(self._registry))
        return self._encoded[1]

    def collect(self) -> Iterable[Metric]:
        """All families."""
        source = self._read()
        yield from self._counted(source.auth_failures)
        yield from _states(source.status)
        if source.view is not None:
            yield from _measured(source.view, source.status)
        yield from _findings(source.findings)

    def _counted(self, auth_failures: int) -> Iterator[Metric]:
        counters = self._counters
        yield _counter("irqbal_cycles", "Cycles since the start.", counters.cycles)
        seconds = HistogramMetricFamily(
            "irqbal_cycle_duration_seconds", "Duration of a cycle, in seconds."
        )
        bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
        seconds.add_metric(
            [], list(zip(bounds, map(float, counters.buckets), strict=True)), counters.seconds
        )
        yield seconds
        yield _counters(
            "irqbal_moves",
            "IRQs that a plan moved, by policy and the result of the write.",
            ["policy", "result"],
            sorted(counters.moves.items()),
        )
        refusals = [([code], count) for code, count in sorted(counters.refusals.items())]
        yield _counters(
            "irqbal_refusals",
            "Refusals, by reason; one that stands for several cycles counts once.",
            ["reason"],
            refusals,
        )
        yield _counter("irqbal_drift", "Masks that another program changed.", counters.drift)
        failures = sorted(counters.failures.items())
        text = "Policy failures, by policy and kind."
        yield _counters("irqbal_policy_failures", text, ["policy", "kind"], failures)
        yield _counter("irqbal_auth_failures", "Requests with a wrong token.", auth_failures)


def _same(one: MetricsSource, other: MetricsSource) -> bool:
    """Views are compared by identity: comparing two snapshots would take longer than encoding."""
    return one.view is other.view and (one.status, one.auth_failures, one.findings) == (
        other.status,
        other.auth_failures,
        other.findings,
    )


def _counter(name: str, text: str, value: float) -> Metric:
    family = CounterMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _counters(
    name: str, text: str, labels: Sequence[str], counts: Iterable[tuple[Sequence[str], float]]
) -> Metric:
    """A counter with labels; `counts` are the labels' values, and the count of each."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in counts:
        family.add_metric([plain(value) for value in values], count)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _findings(answer: FindingsAnswer | None) -> Iterator[Metric]:
    """The verdict, and the findings by code: what `irqbal-client HOST PORT findings` lists."""
    verdict = GaugeMetricFamily(
        "irqbal_verdict",
        "1 for the verdict on the host: well, look (something could be better), or act.",
        labels=["verdict"],
    )
    if answer is not None:
        for word in VERDICTS:
            verdict.add_metric([word], int(word == answer.verdict))
    yield verdict
    family = GaugeMetricFamily(
        "irqbal_findings",
        "What a person should know or do, by code and severity (warning, notice).",
        labels=["code", "severity"],
    )
    if answer is not None:
        for code, count in sorted(answer.counts.items()):
            family.add_metric([code, severity_of(code)], count)
    yield family


def _states(status: Status) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "irqbal_build_info",
        "Always 1; the labels are the versions that run.",
        labels=["version", "api", "python"],
    )
    info.add_metric([__version__, status.api, platform.python_version()], 1)
    yield info
    yield _gauge(
        "irqbal_start_time_seconds",
        "Time of the daemon's start, in seconds since the epoch.",
        float(status.started),
    )
    yield _gauge("irqbal_paused", "1 while irqbal is paused.", int(status.paused))
    yield _gauge("irqbal_dry_run", "1 while irqbal writes nothing.", int(status.dry_run))
    yield _gauge(
        "irqbal_interval_seconds", "Time between two cycles, in seconds.", float(status.interval)
    )
    yield _gauge("irqbal_overrides", "Overrides in force.", status.overrides)
    aside = GaugeMetricFamily(
        "irqbal_policy_set_aside", "1 for a policy that failed and is skipped.", labels=["policy"]
    )
    for failure in status.aside:
        aside.add_metric([plain(failure.policy)], 1)
    yield aside
    history = status.history
    yield _gauge(
        "irqbal_outbox_items",
        "Samples and decisions that wait to be shipped to MongoDB.",
        history.outbox,
    )
    yield _gauge(
        "irqbal_history_waiting_items",
        "Samples and decisions that wait in memory for the disk.",
        history.waiting,
    )
    yield _counter(
        "irqbal_history_dropped_items",
        "Samples and decisions that were dropped because there was no room.",
        history.dropped,
    )
    if status.last is not None:
        yield _gauge(
            "irqbal_last_cycle_timestamp_seconds",
            "Time of the last cycle, in seconds since the epoch.",
            float(status.last.at),
        )


def _measured(view: View, status: Status) -> Iterator[Metric]:
    record, snapshot = view.record, view.snapshot
    yield _gauge(
        "irqbal_imbalance_ratio",
        "Busiest CPU's interrupt load divided by a lower bound of it; 1 is the optimum.",
        0.0 if status.last is None else status.last.imbalance,
    )
    yield _gauge(
        "irqbal_refused_irqs",
        "IRQs whose placement is refused now.",
        len({item.irq for item in record.plan.refused}),
    )
    load = GaugeMetricFamily(
        "irqbal_cpu_interrupt_load_ratio",
        "Share of a CPU's time in hard (irq) and soft (softirq) interrupts, and in threaded NAPI "
        "(threads).",
        labels=["cpu", "context"],
    )
    for cpu in snapshot.cpus:
        if cpu.online:
            load.add_metric([str(cpu.number), "irq"], cpu.irq_time)
            load.add_metric([str(cpu.number), "softirq"], cpu.softirq_time)
            if cpu.threads > 0:
                load.add_metric([str(cpu.number), "threads"], cpu.threads)
    yield load
    totals = CounterMetricFamily(
        "irqbal_irq_interrupts",
        "Interrupts of an IRQ over all CPUs since it was set up, modulo 2^32.",
        labels=["irq", "name", "device"],
    )
    for irq in snapshot.irqs:
        total = view.totals.get(irq.number)
        if total is not None:
            totals.add_metric([str(irq.number), plain(irq.action), plain(irq.device or "")], total)
    yield totals


def families() -> list[tuple[str, str, str]]:
    """(name, type, help) of every metric, for the documents."""
    exporter = Exporter(CycleCounters(), lambda: MetricsSource(STATUS, VIEW, 0))
    return [
        (
            f"{metric.name}_total" if metric.type == "counter" else metric.name,
            metric.type,
            metric.documentation,
        )
        for metric in exporter.collect()
    ]
