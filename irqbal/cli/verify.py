"""`irqbal verify`."""

from __future__ import annotations

import click

from irqbal.api.contract import responses
from irqbal.api.finding_views import described_items
from irqbal.cli.common import (
    Common,
    Seconds,
    balancer_of,
    command_options,
    one_cycle,
    seconds_option,
)
from irqbal.cli.isolation import DEFAULT_SECONDS, IsolationOptions, verify_isolation
from irqbal.cli.params import BUDGET
from irqbal.client.cli.values import CPUS
from irqbal.client.http import Client, local_socket
from irqbal.config.policy_options import queues_may_share_cores
from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError
from irqbal.findings.finding import DescribedFinding, rank_of, worst_first
from irqbal.findings.host_state import HostState, look_at
from irqbal.findings.verify import Context, verify
from irqbal.kernel import other_writers
from irqbal.render.console import console, echo, echo_json
from irqbal.render.finding_texts import describe
from irqbal.render.findings import print_findings
from irqbal.service.assembly import folders
from irqbal.state.lock import lock_holder
from irqbal.wire import to_json


@click.command("verify")
@command_options
@seconds_option(1.0)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option(
    "--isolation",
    is_flag=False,
    flag_value=str(DEFAULT_SECONDS),
    type=Seconds(0.1, 3600),
    metavar="[SECONDS]",
    help="Watch the isolated CPUs instead, for so many seconds (10): what interrupts them, and "
    "who causes it.",
)
@click.option("--cpus", type=CPUS, help="With --isolation: watch these CPUs.")
@click.option(
    "--allow",
    "budgets",
    type=BUDGET,
    multiple=True,
    help="With --isolation: how often this row, softirq or IRQ may come to each CPU, such as "
    "LOC=10; `all=0` is for everything else. Repeatable.",
)
@click.option(
    "--no-tracing",
    is_flag=True,
    help="With --isolation: only count. Tracing tells who; it interrupts every CPU before and "
    "after the time that is watched.",
)
def command(
    common: Common,
    seconds: float,
    as_json: bool,
    isolation: float | None,
    cpus: CpuSet | None,
    budgets: tuple[tuple[str, int], ...],
    no_tracing: bool,
) -> int:
    """Say whether the host is well, and list what to do or could be faster, the worst first.

    Nothing is written. A running daemon is asked for what it knows: failed policies, overrides that
    end, drift, its history. Exit status 1 if there is a warning; what could only be faster is a
    notice.

    With --isolation it watches the isolated CPUs: IRQs, named rows, softirqs, who sends
    interrupts, and which tasks run there. Exit status 1 if something is over its --allow.
    """
    if isolation is not None:
        options = IsolationOptions(
            seconds=isolation, cpus=cpus, budgets=dict(budgets), tracing=not no_tracing
        )
        return verify_isolation(common, options, as_json)
    if cpus is not None or budgets or no_tracing:
        raise click.UsageError("--cpus, --allow and --no-tracing belong to --isolation")
    balancer = balancer_of(common, dry_run=True)
    result = one_cycle(balancer, seconds, "verify")
    record, snapshot = result.record, result.planned_on
    others = other_writers.running(common.root) + other_writers.configured(common.root)
    config = common.config()
    context = Context(
        plan=record.plan,
        writers=others,
        enabled=frozenset(policy.name for policy in config.policies),
        siblings=queues_may_share_cores(config),
    )
    state = HostState(
        problem=record.problem,
        failed={failure.policy: failure.reason for failure in record.plan.failures},
        spreading="spread_by_rate" in context.enabled if context.enabled is not None else False,
        refused=record.plan.refused,
        notes=record.plan.notes,
    )
    own = worst_first([*verify(snapshot, context), *look_at(snapshot, state)])
    findings = _with_daemons(common, [describe(finding) for finding in own])
    if as_json:
        echo_json(to_json(findings))
    else:
        print_findings(console(), findings)
    return int(any(finding.severity == "warning" for finding in findings))


OF_DAEMON = frozenset(
    (
        "no-plan",
        "policy-failed",
        "paused",
        "dry-run",
        "override-ends",
        "drift",
        "outbox",
        "no-history",
    )
)
"""Codes of what only a running daemon knows."""


def _with_daemons(common: Common, own: list[DescribedFinding]) -> list[DescribedFinding]:
    """The findings, with those of the daemon that runs here, the worst first."""
    run = folders(common.config(), common.root).run
    holder = lock_holder(run)
    try:
        answer = Client(local_socket(run)).ask("findings", responses.FindingsAnswer)
    except IrqbalError as error:
        if holder is None:
            # No daemon runs. A dry run holds no lock, but has a socket.
            return own
        echo(f"irqbal: the running daemon could not be asked: {error}", err=True)
        return own
    known = {(item.code, item.subject) for item in own}
    added = [
        item
        for item in described_items(answer)
        if item.code in OF_DAEMON and (item.code, item.subject) not in known
    ]
    return sorted([*added, *own], key=lambda item: rank_of(item.code))
