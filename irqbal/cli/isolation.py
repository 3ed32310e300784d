"""`irqbal verify --isolation`: what disturbs isolated CPUs, and who."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from irqbal.cli.common import Common
from irqbal.config.policy_options import isolated_cpus
from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.findings.disturbances import (
    Budgets,
    Disturbance,
    IrqLabel,
    blind_spots,
    cpus_text,
    disturbances,
    findings_of,
    unknown_budgets,
)
from irqbal.findings.finding import DescribedFinding
from irqbal.kernel.disturbance_window import WindowWatch, keep_away, read_counts
from irqbal.kernel.host import KernelHost
from irqbal.model.queues import queues_text
from irqbal.model.view import Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.process.signals import OrderlyEnd
from irqbal.render.console import console, echo, echo_json
from irqbal.render.finding_texts import describe
from irqbal.render.isolation import outcome, print_isolation
from irqbal.tracking.tracker import HostTracker
from irqbal.wire import to_json

DEFAULT_SECONDS = 10.0
_LIVE = Path("/")


class IsolationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for; `cpus` None: the isolated ones."""

    seconds: float
    cpus: CpuSet | None
    budgets: Budgets
    tracing: bool


class IsolationReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints. `traced`: tracing told who."""

    outcome: str
    seconds: float
    cpus: CpuSet
    traced: bool
    disturbances: Sequence[Disturbance]
    findings: Sequence[DescribedFinding]


def verify_isolation(common: Common, options: IsolationOptions, as_json: bool) -> int:
    """Watch the isolated CPUs, and print what came there. Returns 1 if something is over its
    budget. Raises HostError, ConfigError, click.UsageError.
    """
    extra = isolated_cpus(common.config())
    snapshot = HostTracker(KernelHost(common.root), 1.0).look(Ledger())
    cpus = _watched(snapshot, options.cpus, extra)
    labels = {irq.number: _label(snapshot, irq.number) for irq in snapshot.irqs}
    unknown = unknown_budgets(options.budgets, read_counts(common.root, cpus), labels)
    if unknown:
        raise click.UsageError(
            f"--allow: this host has no row, softirq or IRQ named {', '.join(unknown)}"
        )
    if common.root == _LIVE:
        keep_away(cpus)
    watch = WindowWatch(common.root, cpus)
    if options.tracing:
        echo(
            "irqbal: tracing tells who interrupts; to set and to remove it interrupts every CPU, "
            f"{cpus_text(cpus)} too, before and after the {options.seconds:g} s that are watched "
            "(--no-tracing does without)",
            err=True,
        )
    else:
        try:
            watch.clean()
        except HostError as error:
            echo(f"irqbal: {error}", err=True)
    # A signal that ends the process takes what was set up away first.
    with OrderlyEnd():
        window = watch.trace(options.seconds) if options.tracing else watch.count(options.seconds)
    found = disturbances(window.before, window.after, window.traced, labels, options.budgets)
    passed = round(window.after.time - window.before.time, 1)
    others = snapshot.online - snapshot.isolated - cpus
    findings = [
        describe(finding)
        for finding in (
            *findings_of(found, passed, cpus, others),
            *blind_spots(window.traced, window.reason, cpus),
        )
    ]
    if as_json:
        report = IsolationReport(
            outcome=outcome(found, bool(options.budgets)),
            seconds=passed,
            cpus=cpus,
            traced=window.traced is not None,
            disturbances=found,
            findings=findings,
        )
        echo_json(to_json(report))
    else:
        print_isolation(
            console(), found, findings, tuple(cpus), passed, budgeted=bool(options.budgets)
        )
    return int(any(one.is_over for one in found))


def _watched(snapshot: Snapshot, named: CpuSet | None, extra: CpuSet) -> CpuSet:
    """The CPUs to watch. Raises click.UsageError if there are none."""
    cpus = snapshot.isolated | extra if named is None else named
    if not cpus:
        raise click.UsageError(
            "no CPU of this host is isolated (isolcpus=, nohz_full=, a cgroup partition, or "
            "isolate_cores' cpus); --cpus names those to watch"
        )
    online = cpus & snapshot.online
    if not online:
        raise click.UsageError(f"none of the CPUs {cpus} is online")
    return online


def _label(snapshot: Snapshot, number: int) -> IrqLabel:
    irq = snapshot.irq_by_number[number]
    queues = queues_text(irq.queues)
    text = f"{irq.action}, {queues}" if queues and queues != irq.action else irq.action
    return IrqLabel(text, irq.unmovable, (irq.action, *irq.action.split(",")))
