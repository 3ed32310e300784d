"""The commands of irq_manager's client, under the same names, over irq_manager's HTTP paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
from rich.console import Console

from irqbal.api.contract import requests, responses
from irqbal.client.cli import tables
from irqbal.client.cli.control import put
from irqbal.client.cli.csv_table import table_of
from irqbal.client.cli.params import IRQ
from irqbal.client.cli.session import Command, Session, with_session
from irqbal.client.cli.values import CPUS, MASK, WHEN
from irqbal.cpuset import CpuSet
from irqbal.render.console import echo, plain
from irqbal.render.tables import Column, print_rows
from irqbal.wire import When

REASON = "cpu_affinity of irqbal-client"
"""Stored with an override that cpu_affinity sets."""


def _fetch(
    session: Session, name: str, device: str = "", query: dict[str, object] | None = None
) -> bytes:
    if session.client.on:
        raise click.UsageError(
            "irq_manager's commands know one host: leave --on out, or use irqs, cpus and override"
        )
    return session.client.fetch(name, {"device": device} if device else {}, query)


@click.command("list_devices", cls=Command)
@with_session
def list_devices(session: Session) -> None:
    """List devices, by their names in the last column of /proc/interrupts."""

    def show(out: Console, item: responses.LegacyDevices) -> None:
        echo(f"There are {len(item.devices)} devices on '{session.client.target}'")
        for name in item.devices:
            echo(f"    - {plain(name)}")

    def rows(item: responses.LegacyDevices) -> Iterator[Sequence[str]]:
        yield ["device"]
        yield from ([name] for name in item.devices)

    session.show(_fetch(session, "legacy_devices"), responses.LegacyDevices, show, rows)


@click.command("cpu_count", cls=Command)
@with_session
def cpu_count(session: Session) -> None:
    """Print how many CPUs are online."""

    def show(out: Console, item: responses.LegacyCpus) -> None:
        echo(f"Number of CPUs on {session.host} is: {item.cpu_count}")

    session.show(
        _fetch(session, "legacy_cpu_count"),
        responses.LegacyCpus,
        show,
        lambda item: table_of(responses.LegacyCpus, [item]),
    )


@click.command("device_detail", cls=Command)
@click.argument("device", type=IRQ)
@click.option(
    "-s",
    "--start-datetime",
    "start",
    type=WHEN,
    help="The beginning: YYYYMMDD-HHMMSS, ISO 8601, or 2h for two hours ago.",
)
@click.option("-e", "--end-datetime", "end", type=WHEN, help="The end. Default: now.")
@with_session
def device_detail(session: Session, device: str, start: When | None, end: When | None) -> None:
    """Show the interrupt totals of a device over time.

    DEVICE is its name, or its IRQ's number.
    """
    data = _fetch(session, "legacy_device", device, {"start_dt": start, "end_dt": end})
    session.show(data, tuple[responses.LegacyRow, ...], _details, _detail_rows)


def _details(out: Console, items: Sequence[responses.LegacyRow]) -> None:
    """CPUs without an interrupt are left out."""
    if not items:
        tables.say(
            out,
            "No interrupts of this device were recorded in that time: --start-datetime 30d looks "
            "further back, and `status` shows whether the daemon records.",
        )
        return
    columns = (
        Column("irq_no", right=True),
        Column("cpu_interrupts", wrap=True),
        Column("interrupt_type", wrap=True, drop=1),
        Column("device", wrap=True),
        Column("created_at"),
    )
    rows = []
    for item in items:
        counts = ", ".join(f"{cpu}: {count}" for cpu, count in item.cpu_interrupts.items() if count)
        rows.append(
            (str(item.irq_no), counts or "none", item.interrupt_type, item.device, item.created_at)
        )
    print_rows(out, columns, rows)


def _detail_rows(items: Sequence[responses.LegacyRow]) -> Iterator[Sequence[str]]:
    cpus = list(dict.fromkeys(cpu for item in items for cpu in item.cpu_interrupts))
    yield ["irq_no", "interrupt_type", "device", "created_at", *(f"cpu{cpu}" for cpu in cpus)]
    for item in items:
        counts = [str(item.cpu_interrupts.get(cpu, "")) for cpu in cpus]
        yield [str(item.irq_no), item.interrupt_type, item.device, item.created_at, *counts]


@click.command("cpu_affinity", cls=Command)
@click.argument("device", type=IRQ)
@click.option(
    "-a", "--affinity", "mask", type=MASK, help="Set this hex mask, such as ff or 1,00000000."
)
@click.option("--cpus", type=CPUS, help="Set these CPUs, such as 0-3,8.")
@with_session
def cpu_affinity(session: Session, device: str, mask: CpuSet | None, cpus: CpuSet | None) -> int:
    """Show the CPU affinity of a device, or set it as an override.

    DEVICE is its name, or its IRQ's number. The override outranks every policy until it is cleared.
    """
    if mask is not None and cpus is not None:
        raise click.UsageError("give either --affinity or --cpus, not both")
    wanted = mask if mask is not None else cpus
    if wanted is not None:
        return put(session, device, requests.OverrideBody(wanted, None, REASON))

    def show(out: Console, item: responses.LegacyAffinity) -> None:
        tables.say(
            out,
            f"CPU affinity of '{device}' is: {item.affinity} (CPUs "
            f"{CpuSet.from_mask(item.affinity) or 'none'})",
        )

    session.show(
        _fetch(session, "legacy_affinity", device),
        responses.LegacyAffinity,
        show,
        lambda item: table_of(responses.LegacyAffinity, [item]),
    )
    return 0
