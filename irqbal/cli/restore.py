"""`irqbal restore`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from irqbal.api.contract import responses
from irqbal.cli.common import Common, command_options
from irqbal.client.http import Client, local_socket
from irqbal.kernel.host import KernelHost
from irqbal.model.plan import Outcome
from irqbal.render.console import echo
from irqbal.service.assembly import folders
from irqbal.service.restore import forget_restored, restore_originals
from irqbal.state.lock import Lock, lock_holder
from irqbal.state.originals import OriginalsFile


@click.command("restore")
@command_options
def command(common: Common) -> int:
    """Put back the original value of every mask and setting that irqbal changed since boot.

    A running daemon does this on request, and then pauses. Exit status 1 if a value could not be
    put back.
    """
    places = folders(common.config(), common.root)
    if lock_holder(places.run) is not None:
        answer = Client(local_socket(places.run)).ask("restore", responses.RestoreAnswer)
        outcomes: Sequence[Outcome | responses.OutcomeView] = answer.outcomes
        echo(
            "The running daemon put them back. It is paused until it is resumed or restarted.",
            err=True,
        )
    else:
        lock = Lock(places.run)
        try:
            host = KernelHost(common.root)
            originals = OriginalsFile(places.run, common.root, host.boot_id)
            outcomes = restored = restore_originals(host, originals)
            forget_restored(originals, restored)
        finally:
            lock.release()
    return _report(outcomes)


def _report(outcomes: Sequence[Outcome | responses.OutcomeView]) -> int:
    for outcome in outcomes:
        about = (
            outcome.identity if outcome.irq is None else f"IRQ {outcome.irq} ({outcome.identity})"
        )
        detail = outcome.found if outcome.result in ("written", "unchanged") else outcome.detail
        echo(f"{about}: {outcome.result}: {detail}")
    if not outcomes:
        echo("Nothing to restore: irqbal has changed nothing since boot.")
    return int(any(outcome.result in ("refused", "transient", "differs") for outcome in outcomes))
