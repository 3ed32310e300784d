"""What is: status, IRQs, CPUs, devices, policies, plans, hosts, metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import click

from irqbal.api.contract import requests, responses
from irqbal.client.cli import tables
from irqbal.client.cli.csv_table import cell, table_of, write_csv
from irqbal.client.cli.params import DEVICE, IRQ, POLICY
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.wire import to_json

MOST_YAML = 200_000
"""Characters; what the API takes."""


@click.command("status", cls=Command)
@with_session
def status(session: Session) -> None:
    """The daemon in a few lines."""
    session.show(
        session.client.fetch("status"),
        responses.Status,
        tables.status,
        lambda item: table_of(responses.Status, [item]),
    )


@click.command("irqs", cls=Command)
@click.option(
    "--device", type=DEVICE, help="Of this device: its address, driver, interface or disk."
)
@click.option("--policy", type=POLICY, help="Placed by this policy (`override`: by a person).")
@click.option(
    "--movable/--unmovable", default=None, help="Only those that can, or cannot, be moved."
)
@click.option(
    "--cpu", type=click.IntRange(0, 1 << 20), help="Only those that are delivered to this CPU."
)
@with_session
def irqs(
    session: Session, device: str | None, policy: str | None, movable: bool | None, cpu: int | None
) -> None:
    """IRQs: where each is, how busy, and who placed it.

    CPUS is its mask, ON where its interrupts are delivered.
    A narrow terminal leaves columns out; JSON and CSV have all of them.
    """
    data = session.client.fetch(
        "irqs", query={"device": device, "policy": policy, "movable": movable, "cpu": cpu}
    )
    session.show(
        data,
        tuple[responses.IrqView, ...],
        tables.irqs,
        lambda items: table_of(responses.IrqView, items),
    )


@click.command("cpus", cls=Command)
@with_session
def cpus(session: Session) -> None:
    """CPUs: the place and the interrupt load of each."""
    data = session.client.fetch("cpus")
    session.show(
        data,
        tuple[responses.CpuView, ...],
        tables.cpus,
        lambda items: table_of(responses.CpuView, items),
    )


@click.command("devices", cls=Command)
@with_session
def devices(session: Session) -> None:
    """PCI devices with their interfaces, disks and IRQs."""
    data = session.client.fetch("devices")
    session.show(
        data,
        tuple[responses.DeviceView, ...],
        tables.devices,
        lambda items: table_of(responses.DeviceView, items),
    )


@click.command("explain", cls=Command)
@click.argument("irq", type=IRQ)
@with_session
def explain(session: Session, irq: str) -> None:
    """Why an IRQ is where it is: limits, claims, refusals."""
    data = session.client.fetch("explain", {"irq": irq})
    session.show(data, responses.Explanation, tables.explanation, _steps)


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
    """Installed policies, in order, with their options."""
    data = session.client.fetch("policies")
    session.show(
        data,
        tuple[responses.PolicyView, ...],
        tables.policies,
        lambda items: table_of(responses.PolicyView, items),
    )


@click.command("plan", cls=Command)
@click.option("--now", is_flag=True, help="Not the last cycle's, but what would be done now.")
@click.option(
    "-c",
    "--config",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path, allow_dash=True),
    help="What would be done now with the policies of this YAML file (- for standard input).",
)
@with_session
def plan(session: Session, now: bool, file: Path | None) -> None:
    """The last plan, or a dry run: what moves, and why.

    Nothing is written.
    """
    if file is not None:
        data = session.client.fetch("dry_run", body=requests.PlanBody(yaml=_text(file)))
    else:
        data = (
            session.client.fetch("dry_run", body=requests.PlanBody())
            if now
            else session.client.fetch("plan")
        )
    session.show(
        data, responses.PlanAnswer, lambda out, item: tables.cycle(out, item.cycle), plan_rows
    )


def _text(file: Path) -> str:
    try:
        with click.open_file(str(file), encoding="utf-8") as opened:
            text = opened.read(MOST_YAML + 1)
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise click.UsageError(f"{file} cannot be read: {said}") from error
    if len(text) > MOST_YAML:
        raise click.UsageError(f"{file} has more than {MOST_YAML} characters")
    return str(text)


PLAN_HEADER = ("what", "irq", "name", "from", "to", "policy", "reason", "code", "result", "detail")


def plan_rows(item: responses.PlanAnswer) -> Iterator[Sequence[str]]:
    """What a plan holds, a line each; what is right already too."""
    yield from cycle_rows(item.cycle)
    for kept in item.kept:
        yield [
            "right",
            str(kept.irq),
            "",
            cell(kept.cpus),
            cell(kept.cpus),
            kept.policy,
            kept.reason,
            "",
            "",
            "",
        ]


def cycle_rows(item: responses.Cycle) -> Iterator[Sequence[str]]:
    """What a cycle did and refused, a line each."""
    yield PLAN_HEADER
    yield from move_rows(item.moves)
    for one in item.steering:
        about = f"{one.interface}/{one.queue}"
        yield [
            one.setting,
            "",
            about,
            one.before,
            one.after,
            one.policy,
            one.reason,
            "",
            one.result,
            one.detail,
        ]
    if item.default is not None:
        change = item.default
        yield [
            "default",
            "",
            "",
            cell(change.before),
            cell(change.after),
            change.policy,
            change.reason,
            "",
            change.result,
            "",
        ]
    for no in item.refused:
        yield [
            "refused",
            cell(no.irq),
            no.name,
            "",
            "",
            no.policy,
            no.reason,
            no.code,
            "refused",
            no.advice,
        ]
    for failure in item.failures:
        yield [
            "failure",
            "",
            "",
            "",
            "",
            failure.policy,
            failure.reason,
            failure.code,
            "set aside" if failure.aside else "",
            "",
        ]
    for note in item.notes:
        yield ["note", cell(note.irq), "", "", "", note.policy, note.text, "", "", note.advice]


def move_rows(moves: Iterable[responses.MoveView]) -> Iterator[Sequence[str]]:
    """Moves, a line each."""
    for one in moves:
        yield [
            "move",
            str(one.irq),
            one.name,
            cell(one.before),
            cell(one.after),
            one.policy,
            one.reason,
            one.code,
            one.result,
            one.detail,
        ]


@click.command("hosts", cls=Command)
@with_session
def hosts(session: Session) -> None:
    """Hosts of a central server; --host HOST asks one.

    DRIFT and FAILED are of the last 24 hours; REMOTE are queues off their NIC's node, ISOLATED IRQs
    that fire on isolated CPUs.
    """
    data = session.client.fetch("hosts")
    session.show(
        data,
        tuple[responses.HostView, ...],
        tables.hosts,
        lambda items: table_of(responses.HostView, items),
    )


@click.command("fleet", cls=Command)
@click.option(
    "--code",
    type=click.Choice(get_args(requests.FindingCode)),
    help="Only of this kind: NICs with remote queues, IRQs that fire on isolated CPUs, and so on.",
)
@click.option("--named", metavar="TEXT", help="Only of hosts whose name holds this text.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="At most so many.",
)
@with_session
def fleet(session: Session, code: str | None, named: str | None, limit: int) -> None:
    """What is not as it should be, on all hosts that the server tells about."""
    data = session.client.fetch("findings", query={"code": code, "host": named, "limit": limit})
    session.show(
        data,
        tuple[responses.FindingView, ...],
        tables.findings,
        lambda items: table_of(responses.FindingView, items),
    )


@click.command("metrics", cls=Command)
@with_session
def metrics(session: Session) -> None:
    """What Prometheus reads, or its samples as JSON or CSV."""
    text = session.client.text("metrics")
    if session.form == "table":
        click.echo(text, nl=False)
        return
    from prometheus_client.parser import text_string_to_metric_families

    samples = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
    ]
    if session.form == "json":
        click.echo(
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
