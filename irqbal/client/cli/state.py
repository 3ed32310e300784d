"""Commands that show a daemon's state: status, IRQs, CPUs, devices, policies, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from irqbal.api.contract import responses
from irqbal.client.cli import decision_tables, tables
from irqbal.client.cli.csv_table import cell, table_of, write_csv
from irqbal.client.cli.none_found import no_devices, no_irqs
from irqbal.client.cli.params import DEVICE, IRQ, POLICY
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.client.http import RequestRefused
from irqbal.render.console import console, echo, echo_json
from irqbal.wire import to_json

SHORT_LIST = 5
"""Findings that `status` shows."""


@click.command("status", cls=Command)
@with_session
def status(session: Session) -> None:
    """Show the daemon's state in a few lines, and what to do."""
    if session.form == "table":
        try:
            answer = session.client.ask("findings", responses.FindingsAnswer)
            tables.to_do(console(), answer, SHORT_LIST)
        except RequestRefused as error:
            # A daemon that has just started has none yet, an older one knows no such route.
            if error.status not in (404, 503):
                raise
    session.show_one(session.client.fetch("status"), responses.Status, tables.status)


@click.command("findings", cls=Command)
@with_session
def findings(session: Session) -> None:
    """Say whether the host is well, and list what to do, the worst first."""
    session.show(
        session.client.fetch("findings"),
        responses.FindingsAnswer,
        tables.host_findings,
        lambda answer: table_of(responses.FindingItem, answer.findings),
    )


@click.command("irqs", cls=Command)
@click.option(
    "--device",
    type=DEVICE,
    help="Only IRQs of this device, named by its PCI address, driver, interface or disk.",
)
@click.option(
    "--policy",
    type=POLICY,
    help="Only IRQs that this policy placed; `override` for those with an override.",
)
@click.option(
    "--movable/--unmovable", default=None, help="Only IRQs that can be moved, or only the others."
)
@click.option(
    "--cpu", type=click.IntRange(0, 1 << 20), help="Only IRQs that are delivered to this CPU."
)
@with_session
def irqs(
    session: Session, device: str | None, policy: str | None, movable: bool | None, cpu: int | None
) -> None:
    """List IRQs: affinity, load, and the policy that placed each.

    CPUS is the affinity, ON the effective affinity.
    A narrow terminal leaves columns out; JSON and CSV have all of them.
    """
    data = session.client.fetch(
        "irqs", query={"device": device, "policy": policy, "movable": movable, "cpu": cpu}
    )
    session.show_list(
        data, responses.IrqView, tables.irqs, lambda: no_irqs(session.client, device, policy)
    )


@click.command("cpus", cls=Command)
@with_session
def cpus(session: Session) -> None:
    """List CPUs: topology and interrupt load."""
    session.show_list(session.client.fetch("cpus"), responses.CpuView, tables.cpus)


@click.command("devices", cls=Command)
@with_session
def devices(session: Session) -> None:
    """List PCI devices with their interfaces, disks and IRQs."""
    session.show_list(
        session.client.fetch("devices"), responses.DeviceView, tables.devices, no_devices
    )


@click.command("explain", cls=Command)
@click.argument("irq", type=IRQ)
@click.option("--now", is_flag=True, help="By a new plan, not by the one that placed it.")
@with_session
def explain(session: Session, irq: str, now: bool) -> None:
    """Explain why an IRQ is where it is: limits, claims, refusals of the plan that placed it."""
    data = session.client.fetch("explain", {"irq": irq}, {"now": now})
    session.show(data, responses.Explanation, decision_tables.explanation, _steps)


def _steps(item: responses.Explanation) -> Iterator[Sequence[str]]:
    yield ["irq", "name", "policy", "what", "cpus", "reason"]
    for step in item.steps:
        yield [
            str(item.irq.number),
            item.irq.name,
            step.policy,
            step.what,
            cell(step.cpus),
            step.reason,
        ]


@click.command("policies", cls=Command)
@with_session
def policies(session: Session) -> None:
    """List installed policies, the enabled ones first, with their options."""
    session.show_list(session.client.fetch("policies"), responses.PolicyView, tables.policies)


@click.command("metrics", cls=Command)
@with_session
def metrics(session: Session) -> None:
    """Print the daemon's metrics.

    In Prometheus' text format, or as samples in JSON or CSV.
    """
    text = session.client.text("metrics")
    if session.form == "table":
        echo(text, nl=False)
        return
    from prometheus_client.parser import text_string_to_metric_families

    samples = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
    ]
    if session.form == "json":
        echo_json(
            to_json(
                [{"name": one.name, "labels": one.labels, "value": one.value} for one in samples]
            )
        )
        return
    header = ["name", "labels", "value"]
    write_csv(
        [
            header,
            *(
                [
                    one.name,
                    " ".join(f"{key}={value}" for key, value in one.labels.items()),
                    repr(one.value),
                ]
                for one in samples
            ),
        ]
    )
