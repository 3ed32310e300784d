"""`irqbal check`."""

from __future__ import annotations

import click

from irqbal.cli.common import Common, command_options
from irqbal.config import reader
from irqbal.config.schema import ConfiguredPolicy
from irqbal.errors import ConfigError
from irqbal.plugins import discovery
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PATIENCE, Section, supervised


@click.command("check")
@command_options
def command(common: Common) -> int:
    """Check the configuration, with the options of its policies.

    Every problem is printed as `file:line: key: what is wrong`. Exit status 2 if there is one.
    """
    config = common.config()
    problems: list[str] = []
    installed = discovery.find()
    sections: tuple[tuple[Section, tuple[ConfiguredPolicy, ...]], ...] = (
        ("policies", config.policies),
        ("observers", config.observers),
    )
    for key, items in sections:
        entries = []
        for index, item in enumerate(items):
            where = f"{common.name}:{item.options.line}: {key}[{index}].{item.name}"
            found = installed.get(item.name)
            if found is None:
                problems.append(
                    f"{where}: no installed package provides it; installed are "
                    f"{', '.join(installed) or 'none'}"
                )
            elif found.clash:
                problems.append(f"{where}: {found.clash}")
            else:
                entries.append(PolicyEntry(found, index, item.options))
        problems += _bound(entries, common.name, key, items)
    if problems:
        raise ConfigError(problems)
    click.echo(
        f"{common.name}: valid; {len(config.policies)} policies, {len(config.observers)} observers"
    )
    return 0


def _bound(
    entries: list[PolicyEntry],
    name: str,
    key: Section,
    items: tuple[ConfiguredPolicy, ...],
) -> list[str]:
    """Problems of these policies' options and of their packages, each as a line to print."""
    if not entries:
        return []
    policies = supervised(key, entries)
    try:
        found = [reader.format_problem(name, problem) for problem in policies.bind(PATIENCE)]
        for index, failure in policies.aside.items():
            if failure.code == "options":
                continue
            line = items[index].options.line
            found.append(f"{name}:{line}: {key}[{index}].{failure.policy}: {failure.reason}")
    finally:
        policies.close()
    return found
