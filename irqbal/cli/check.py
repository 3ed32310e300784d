"""`irqbal check`."""

from __future__ import annotations

import time

import click

from irqbal.cli.common import Common, command_options
from irqbal.config import reader
from irqbal.config.schema import Config, ConfiguredPolicy
from irqbal.errors import ConfigError
from irqbal.plugins import discovery
from irqbal.plugins.observer_supervisor import ObserverSupervisor
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import (
    NOT_READY,
    PATIENCE,
    PolicySupervisor,
    Section,
    supervised,
)
from irqbal.render.console import echo


@click.command("check")
@command_options
def command(common: Common) -> int:
    """Check the configuration, with the options of its policies.

    Every problem is printed as `file:line: key: what is wrong`. Exit status 2 if there is one.
    """
    wrong: ConfigError | None = None
    try:
        config = common.config()
    except ConfigError as error:
        if not isinstance(error.readable, Config):
            raise
        # Its policies' options are checked all the same, so that all problems are told at once.
        config, wrong = error.readable, error
    problems: list[str] = []
    installed = discovery.find()
    sections: tuple[tuple[Section, tuple[ConfiguredPolicy, ...]], ...] = (
        ("policies", config.policies),
        ("observers", config.observers),
    )
    asked = []
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
        if entries:
            asked.append((supervised(key, entries), key, items))
    # All of them have one time together.
    end = time.monotonic() + PATIENCE
    try:
        for policies, _, _ in asked:
            policies.spawn()
        for policies, key, items in asked:
            problems += _bound(policies, common.name, key, items, end - time.monotonic())
    finally:
        for policies, _, _ in asked:
            policies.close()
    if wrong is not None:
        raise ConfigError(reader.all_problems(wrong, ConfigError(problems)))
    if problems:
        raise ConfigError(problems)
    echo(
        f"{common.name}: valid; {len(config.policies)} policies, {len(config.observers)} observers"
    )
    return 0


def _bound(
    policies: PolicySupervisor | ObserverSupervisor,
    name: str,
    key: Section,
    items: tuple[ConfiguredPolicy, ...],
    patience: float,
) -> list[str]:
    """Problems of these policies' options and of their packages, each as a line to print."""
    found = [reader.format_problem(name, problem) for problem in policies.bind(patience)]
    for index, failure in policies.aside.items():
        if failure.code == "options":
            continue
        line = items[index].options.line
        found.append(f"{name}:{line}: {key}[{index}].{failure.policy}: {failure.reason}")
    found += [f"{name}: {key}: {who}: {NOT_READY}" for who in policies.starting]
    return found
