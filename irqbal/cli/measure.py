"""`irqbal measure`."""

from __future__ import annotations

import click

from irqbal.cli.common import Common, Seconds, command_options
from irqbal.errors import HostError
from irqbal.kernel.host import KernelHost
from irqbal.kernel.tracefs import TracefsMeasurement
from irqbal.model.readings import Measured
from irqbal.render.console import console
from irqbal.render.progress import working
from irqbal.render.tables import Column, print_rows


@click.command("measure")
@command_options
@click.option(
    "--seconds",
    type=Seconds(0.1, 60),
    default=1.0,
    show_default=True,
    help="How long to measure.",
)
def command(common: Common, seconds: float) -> None:
    """Measure the time that each IRQ's handler and each kind of softirq takes, with the kernel's
    own histograms (tracefs).

    Each interrupt takes slightly longer meanwhile, so measure for a short time. Everything that is
    set up in tracefs is removed again.
    """
    tracing = TracefsMeasurement(common.root)
    with working(f"measuring for {seconds:g} s"):
        measured = tracing.measure(seconds)
    if measured is None:
        raise HostError(f"nothing was measured: {tracing.reason}")
    _print(
        measured, {facts.number: facts.action for facts in KernelHost(common.root).census().irqs}
    )


def _print(measured: Measured, names: dict[int, str]) -> None:
    out = console()
    rows = [
        [
            str(irq),
            names.get(irq, ""),
            str(measured.hits[irq]),
            f"{spent / measured.seconds * 100:.3f}",
            f"{spent / max(1, measured.hits[irq]) * 1e6:.1f}",
        ]
        for irq, spent in sorted(measured.handlers.items(), key=lambda item: -item[1])
    ]
    heads = [
        Column("IRQ", right=True),
        Column("NAME"),
        *(Column(head, right=True) for head in ("RUNS", "% OF A CPU", "µs A RUN")),
    ]
    print_rows(out, heads, rows)
    soft = [
        [name, str(cpu), f"{spent / measured.seconds * 100:.3f}"]
        for name, cpus in measured.softirqs.items()
        for cpu, spent in cpus.items()
    ]
    heads = [Column("SOFTIRQ"), Column("CPU", right=True), Column("% OF THE CPU", right=True)]
    print_rows(out, heads, sorted(soft, key=lambda row: -float(row[2])))
    if measured.dropped:
        out.print(
            f"{measured.dropped} events did not fit into a histogram: these figures lack them."
        )
