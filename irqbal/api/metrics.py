"""The metrics: names, help and values in one place; made from the same record and snapshot that
everything else shows.

Per CPU and per IRQ, never IRQ × CPU: that product is what exporters of interrupts are known to fall
over. Imported when somebody first asks: the library takes memory and time that a daemon nobody
scrapes need not spend.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator

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
from irqbal.api.responses import Status
from irqbal.version import __version__


class Exporter(Collector):
    """Makes the text on demand. `look` gives the present status, the last view (None before the
    first cycle) and failed logins.
    """

    def __init__(
        self, tally: CycleCounters, look: Callable[[], tuple[Status, View | None, int]]
    ) -> None:
        self._tally, self._look = tally, look
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._made: tuple[Status, View | None, int, bytes] | None = None

    def text(self) -> bytes:
        """Prometheus' text format; made anew only if something changed."""
        status, view, failures = self._look()
        made = self._made
        if made is None or made[1] is not view or (made[0], made[2]) != (status, failures):
            made = self._made = (status, view, failures, generate_latest(self._registry))
        return made[3]

    def collect(self) -> Iterable[Metric]:
        """All families."""
        status, view, failures = self._look()
        yield from self._counted(failures)
        yield from _states(status)
        if view is not None:
            yield from _measured(view)

    def _counted(self, auth_failures: int) -> Iterator[Metric]:
        tally = self._tally
        yield _counter("irqbal_cycles", "Cycles that were run.", tally.cycles)
        seconds = HistogramMetricFamily(
            "irqbal_cycle_duration_seconds", "Time that a cycle took, in seconds."
        )
        bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
        seconds.add_metric(
            [], list(zip(bounds, map(float, tally.buckets), strict=True)), tally.seconds
        )
        yield seconds
        moves = CounterMetricFamily(
            "irqbal_moves",
            "Masks that a plan moved, by policy and the kernel's answer.",
            labels=["policy", "result"],
        )
        for (policy, result), count in sorted(tally.moves.items()):
            moves.add_metric([policy, result], count)
        yield moves
        refusals = CounterMetricFamily(
            "irqbal_refusals", "Refusals that began, by reason.", labels=["reason"]
        )
        for code, count in sorted(tally.refusals.items()):
            refusals.add_metric([code], count)
        yield refusals
        yield _counter("irqbal_drift", "Masks that somebody else changed.", tally.drift)
        failed = CounterMetricFamily(
            "irqbal_policy_failures",
            "Failures of policies, by policy and kind.",
            labels=["policy", "kind"],
        )
        for (policy, kind), count in sorted(tally.failures.items()):
            failed.add_metric([policy, kind], count)
        yield failed
        yield _counter("irqbal_auth_failures", "Requests with a wrong token.", auth_failures)


def _counter(name: str, text: str, value: float) -> Metric:
    family = CounterMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], value)
    return family


def _states(status: Status) -> Iterator[Metric]:
    info = GaugeMetricFamily(
        "irqbal_build_info",
        "Always 1; the labels say what runs.",
        labels=["version", "api", "python"],
    )
    info.add_metric([__version__, status.api, platform.python_version()], 1)
    yield info
    yield _gauge(
        "irqbal_start_time_seconds",
        "When the daemon started, in seconds since the epoch.",
        float(status.started),
    )
    yield _gauge("irqbal_paused", "1 while irqbal is paused.", int(status.paused))
    yield _gauge("irqbal_dry_run", "1 while irqbal writes nothing.", int(status.dry_run))
    yield _gauge(
        "irqbal_interval_seconds", "Time between two cycles, in seconds.", float(status.interval)
    )
    yield _gauge("irqbal_overrides", "Present overrides.", status.overrides)
    aside = GaugeMetricFamily(
        "irqbal_policy_set_aside", "1 for a policy that is not asked any more.", labels=["policy"]
    )
    for failure in status.aside:
        aside.add_metric([failure.policy], 1)
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
        "Samples and decisions that were lost for want of room.",
        history.dropped,
    )
    if status.last is not None:
        yield _gauge(
            "irqbal_last_cycle_timestamp_seconds",
            "When the last cycle was, in seconds since the epoch.",
            float(status.last.at),
        )


def _measured(view: View) -> Iterator[Metric]:
    record, snapshot = view.record, view.snapshot
    yield _gauge(
        "irqbal_imbalance_ratio",
        "Busiest CPU's interrupt load over the lower bound; 1 is as good as can be.",
        record.imbalance,
    )
    yield _gauge(
        "irqbal_refused_irqs",
        "IRQs with a refusal that stands.",
        len({item.irq for item in record.plan.refused}),
    )
    load = GaugeMetricFamily(
        "irqbal_cpu_interrupt_load_ratio",
        "Share of a CPU's time in hard and in soft interrupts.",
        labels=["cpu", "context"],
    )
    for cpu in snapshot.cpus:
        if cpu.online:
            load.add_metric([str(cpu.number), "irq"], cpu.irq_time)
            load.add_metric([str(cpu.number), "softirq"], cpu.softirq_time)
    yield load
    totals = CounterMetricFamily(
        "irqbal_irq_interrupts",
        "Interrupts of an IRQ over all CPUs since it was set up, modulo 2^32.",
        labels=["irq", "name", "device"],
    )
    for irq in snapshot.irqs:
        total = view.totals.get(irq.number)
        if total is not None:
            totals.add_metric([str(irq.number), irq.action, irq.device or ""], total)
    yield totals


def families() -> list[tuple[str, str, str]]:
    """(name, type, help) of every metric, for the documents."""
    from irqbal.api.examples import STATUS, VIEW

    exporter = Exporter(CycleCounters(), lambda: (STATUS, VIEW, 0))
    found = []
    for metric in exporter.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        found.append((name, metric.type, metric.documentation))
    return found
