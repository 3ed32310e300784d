"""`irqbal verify`."""

from __future__ import annotations

import click

from irqbal.cli.common import Common, balancer_of, command_options, one_cycle, seconds_option
from irqbal.findings.verify import Context, verify
from irqbal.kernel import other_writers
from irqbal.problems import Node
from irqbal.render.console import console, echo_json
from irqbal.render.finding_texts import describe
from irqbal.render.findings import print_findings
from irqbal.wire import to_json


@click.command("verify")
@command_options
@seconds_option(1.0)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(common: Common, seconds: float, as_json: bool) -> int:
    """Check the host, and list what is wrong or could be faster, each with advice.

    Nothing is written. Exit status 1 if there is a warning; what could only be faster is a notice.
    """
    balancer = balancer_of(common, dry_run=True)
    result = one_cycle(balancer, seconds, "verify")
    others = other_writers.running(common.root) + other_writers.configured(common.root)
    policies = {policy.name: policy.options for policy in common.config().policies}
    context = Context(
        plan=result.record.plan,
        writers=others,
        enabled=frozenset(policies),
        siblings=_option(policies.get("pin_nic_queues"), "smt") == "use",
    )
    findings = verify(result.planned_on, context)
    if as_json:
        echo_json(to_json([describe(finding) for finding in findings]))
    else:
        print_findings(console(), findings)
    return int(any(finding.severity == "warning" for finding in findings))


def _option(options: Node | None, key: str) -> object:
    """The value of a policy's option as written; None if it has its default."""
    value = None if options is None else options.value
    return value[key].value if isinstance(value, dict) and key in value else None
