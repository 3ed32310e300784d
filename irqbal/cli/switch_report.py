"""What `irqbal switch` prints."""

from __future__ import annotations

from msgspec.structs import replace

from irqbal.errors import IrqbalError
from irqbal.findings.forecast import forecast
from irqbal.model.view import Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger
from irqbal.render.console import echo
from irqbal.render.forecast import outlook_sentence
from irqbal.service.what_if import plan_with, policies_of
from irqbal.switching.observation import Observed
from irqbal.switching.record import SwitchRecord


def print_observed(name: str, seen: Observed) -> None:
    """What was seen of a balancer."""
    echo(
        f"{name}, {seen.seconds:.0f} s: the busiest CPU spends {seen.busiest:.0%} of its time on "
        f"interrupts, {seen.imbalance:.2f} times the least possible; {seen.moves:.0f} moves an "
        f"hour; {seen.drops:.1f} packets a second dropped"
    )


def forecast_of(text: str, snapshot: Snapshot) -> str:
    """What irqbal would do with this configuration, in a sentence."""
    try:
        settled = replace(snapshot, settling=True)
        plan = plan_with(policies_of(text), settled, Ledger(), Settings())
    except IrqbalError as error:
        return f"irqbal: no plan could be made beforehand: {error}"
    settings = len(plan.steering) + (plan.default is not None)
    return (
        f"irqbal would make {len(plan.moves)} moves and {settings} settings. "
        f"{outlook_sentence(forecast(snapshot, plan))}"
    )


def print_outcome(record: SwitchRecord | None) -> None:
    """How a switch ended."""
    if record is None:
        echo("There is no switch.")
        return
    if record.before is not None:
        print_observed("irqbalance", record.before)
    if record.after is not None:
        print_observed("irqbal", record.after)
    if record.phase == "confirmed":
        echo(
            "irqbal stays: it starts at boot, irqbalance is disabled. `irqbal switch --back` goes "
            "back."
        )
    elif record.left:
        echo(
            f"Back at irqbalance: {record.reason}. Units and configuration are as they were; not "
            f"all masks could be put back: {record.left}. irqbalance places these IRQs, or a "
            "reboot resets them."
        )
    else:
        echo(
            f"Back at irqbalance: {record.reason}. Units, configuration and masks are as they were."
        )
