"""`irqbal policies`."""

from __future__ import annotations

import json
from typing import Any

import click

from irqbal.cli.common import Common, command_options
from irqbal.cli.doctor import examine, report
from irqbal.plugins import discovery
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor
from irqbal.problems import Node
from irqbal.render.console import echo


@click.command("policies")
@command_options
@click.option(
    "--doctor",
    is_flag=True,
    help="Report for each whether it is used, and if not, why; exit status 1 if an enabled one is "
    "broken.",
)
def command(common: Common, doctor: bool) -> int:
    """List the installed policies, whether each is enabled, and its options with their defaults and
    meaning.
    """
    config = common.config()
    if doctor:
        return report(examine(config, common.name, discovery.find()))
    enabled = {item.name for item in (*config.policies, *config.observers)}
    installed = discovery.find()
    entries = [
        PolicyEntry(item, index, Node(1, {}))
        for index, item in enumerate(installed.values())
        if not item.clash
    ]
    policies = PolicySupervisor(entries)
    try:
        problems = {problem.key.split("]")[0]: problem for problem in policies.bind(PATIENCE)}
        described = policies.describe()
    finally:
        policies.close()
    for index, item in enumerate(installed.values()):
        state = "enabled" if item.name in enabled else "not enabled"
        echo(f"{item.name} ({', '.join(item.distributions)}): {state}")
        if item.clash:
            echo(f"  cannot be used: {item.clash}")
        elif index in policies.aside and policies.aside[index].code != "options":
            echo(f"  cannot be used: {policies.aside[index].reason}")
        elif index in described.schemas:
            echo(f"  {described.about[index]}")
            _print_options(json.loads(described.schemas[index]))
        elif f"policies[{index}" in problems:
            echo(f"  needs options: {problems[f'policies[{index}'].text}")
    return 0


def _print_options(schema: dict[str, Any]) -> None:
    definitions = schema.get("$defs", {})
    for name, field in schema.get("properties", {}).items():
        default = (
            json.dumps(field["default"], ensure_ascii=False) if "default" in field else "required"
        )
        echo(f"    {name}: {field.get('description', '')} (default {default})")
        inner = field.get("items", {}).get("$ref", "").rpartition("/")[2]
        for key, part in definitions.get(inner, {}).get("properties", {}).items():
            echo(f"      {key}: {part.get('description', '')}")
