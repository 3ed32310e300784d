"""`irqbal verify`."""

from __future__ import annotations

import click

from irqbal.cli.common import Common, balancer_of, command_options, one_cycle, seconds_option
from irqbal.findings.verify import verify
from irqbal.kernel import other_writers
from irqbal.render.console import console
from irqbal.render.finding_texts import describe
from irqbal.render.findings import print_findings
from irqbal.wire import to_json


@click.command("verify")
@command_options
@seconds_option(1.0)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(common: Common, seconds: float, as_json: bool) -> int:
    """Check the host, and list what is wrong or could be faster, each with advice.

    Nothing is written. Exit status 1 if there is any finding.
    """
    balancer = balancer_of(common, dry_run=True)
    result = one_cycle(balancer, seconds, "verify")
    others = other_writers.running(common.root) + other_writers.configured(common.root)
    findings = verify(result.planned_on, result.record.plan, others)
    if as_json:
        click.echo(to_json([describe(finding) for finding in findings]).decode())
    elif findings:
        print_findings(console(), findings)
    else:
        click.echo("No findings.")
    return int(bool(findings))
