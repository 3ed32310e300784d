"""`irqbal policies`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
import msgspec

from irqbal.api.responses import PolicyView
from irqbal.cli.common import Common, command_options
from irqbal.cli.doctor import examine, report
from irqbal.config.schema import Config
from irqbal.plugins import discovery
from irqbal.plugins.discovery import InstalledPlugin
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, PolicySupervisor
from irqbal.problems import Node, without_lines
from irqbal.render.console import echo, echo_json
from irqbal.render.progress import working
from irqbal.wire import to_json


@click.command("policies")
@command_options
@click.option(
    "--doctor",
    is_flag=True,
    help="Report for each whether it is used, and if not, why; exit status 1 if an enabled one is "
    "broken.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a list of policies in JSON, as the API has it."
)
def command(common: Common, doctor: bool, as_json: bool) -> int:
    """List the installed policies, whether each is enabled, and its options with their defaults and
    meaning.
    """
    config = common.config()
    if doctor and as_json:
        raise click.UsageError("--doctor prints a report: leave --json out")
    installed = discovery.find()
    if doctor:
        with working("examining the policies"):
            problems = examine(config, common.name, installed)
        return report(problems)
    with working("starting the policies"):
        found = _described(config, installed)
    if as_json:
        echo_json(to_json([item.view for item in found]))
        return 0
    for item in found:
        view = item.view
        state = "enabled" if view.enabled else "not enabled"
        origin = ", ".join(view.distributions) or "not installed"
        echo(f"{view.name} ({origin}): {state}")
        if view.problem:
            echo(f"  {'needs options' if item.needs_options else 'cannot be used'}: {view.problem}")
        elif view.options_schema is not None:
            echo(f"  {view.about}")
            _print_options(view.options_schema)
    return 0


class _Listed(msgspec.Struct, frozen=True):
    """A policy in the list. `needs_options`: that is its problem."""

    view: PolicyView
    needs_options: bool = False


def _described(config: Config, installed: Mapping[str, InstalledPlugin]) -> list[_Listed]:
    """Every installed policy and observer, in the order of their names, and those that the
    configuration names and nobody has installed.
    """
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
    positions = {item.name: index for index, item in enumerate(config.policies)}
    enabled = {item.name: item.options for item in (*config.policies, *config.observers)}
    listed = []
    for index, item in enumerate(installed.values()):
        needed = problems.get(f"policies[{index}")
        aside = policies.aside.get(index)
        failed = "" if aside is None or aside.code == "options" else aside.reason
        schema = described.schemas.get(index)
        options = enabled.get(item.name)
        view = PolicyView(
            name=item.name,
            distributions=item.distributions,
            enabled=item.name in enabled,
            about=described.about.get(index, ""),
            options=None if options is None else without_lines(options),
            options_schema=None if schema is None else json.loads(schema),
            position=positions.get(item.name),
            problem=item.clash or failed or (needed.text if needed and schema is None else ""),
        )
        listed.append(_Listed(view, bool(view.problem) and not item.clash and not failed))
    return listed + [
        _Listed(_missing(name, without_lines(options), positions.get(name)))
        for name, options in enabled.items()
        if name not in installed
    ]


def _missing(name: str, options: object, position: int | None) -> PolicyView:
    return PolicyView(
        name=name,
        distributions=(),
        enabled=True,
        about="",
        options=options,
        options_schema=None,
        position=position,
        problem="no installed package provides it; install one, or do not name the policy",
    )


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
