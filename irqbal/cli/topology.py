"""`irqbal topology`."""

from __future__ import annotations

import click

from irqbal.cli.common import Common, command_options
from irqbal.kernel.host import KernelHost
from irqbal.planner.ledger import Ledger
from irqbal.render.console import console, echo_json
from irqbal.render.topology import print_topology
from irqbal.tracking.tracker import HostTracker
from irqbal.wire import builtins, to_json


@click.command("topology")
@command_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the snapshot as JSON; `queue` is an IRQ's only queue, `queues` are all.",
)
def command(common: Common, as_json: bool) -> None:
    """Show NUMA nodes, CPUs, devices, queues and IRQs as a tree."""
    snapshot = HostTracker(KernelHost(common.root), 10.0).look(Ledger())
    if as_json:
        shown = builtins(snapshot)
        for irq, one in zip(snapshot.irqs, shown["irqs"], strict=True):
            one["queue"] = builtins(irq.queue)
        echo_json(to_json(shown))
    else:
        print_topology(console(), snapshot)
