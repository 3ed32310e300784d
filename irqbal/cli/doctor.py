"""`irqbal policies --doctor`: of every installed policy, and every one that the configuration
names, whether it is used, and why not.
"""

from __future__ import annotations

from typing import Literal

import click
import msgspec

from irqbal.config.reader import format_problem
from irqbal.config.schema import Config, ConfiguredPolicy
from irqbal.plugins import discovery
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.problems import Node

Kind = Literal["policies", "observers"]
_CALLED: dict[Kind, frozenset[str]] = {
    "policies": frozenset({"irqbal_limit", "irqbal_place", "irqbal_identify"}),
    "observers": frozenset({"irqbal_cycle_done"}),
}
"""The hooks that are called at all in each child."""


class PluginProblem(msgspec.Struct, frozen=True):
    """One policy: where it comes from, what it is to irqbal, and whether that is as it should
    be.
    """

    name: str
    origin: str
    state: str
    good: bool = True


def examine(
    config: Config, name: str, found: dict[str, discovery.InstalledPlugin]
) -> list[PluginProblem]:
    """First what the configuration names, in its order, then what is only installed."""
    findings = []
    for key, items in (("policies", config.policies), ("observers", config.observers)):
        findings += _enabled(key, items, name, found)  # type: ignore[arg-type]
    enabled = {item.name for item in (*config.policies, *config.observers)}
    return findings + _others([item for item in found.values() if item.name not in enabled], name)


def _enabled(
    key: Kind,
    items: tuple[ConfiguredPolicy, ...],
    name: str,
    found: dict[str, discovery.InstalledPlugin],
) -> list[PluginProblem]:
    """What the YAML names: all of it must work."""
    entries = [
        PolicyEntry(found[item.name], index, item.options)
        for index, item in enumerate(items)
        if item.name in found
    ]
    troubles, hooks = _bind(entries, key, name)
    findings = []
    for index, item in enumerate(items):
        where = f"{key}[{index}], {name}:{item.options.line}"
        if item.name not in found:
            close = f"installed are {', '.join(found) or 'none'}"
            findings.append(
                PluginProblem(
                    item.name,
                    "not installed",
                    f"BROKEN ({where}): no installed package provides it; {close}",
                    False,
                )
            )
        elif index in troubles:
            findings.append(
                PluginProblem(
                    item.name,
                    _origin(found[item.name]),
                    f"BROKEN ({where}): {troubles[index]}",
                    False,
                )
            )
        elif not _CALLED[key] & set(hooks.get(index, ())):
            other = "observers" if key == "policies" else "policies"
            own = ", ".join(hook for hook in hooks.get(index, ()) if hook != "irqbal_options")
            said = (
                f"BROKEN ({where}): none of its hooks ({own}) is called there; name it under "
                f"`{other}`"
            )
            findings.append(PluginProblem(item.name, _origin(found[item.name]), said, False))
        else:
            findings.append(PluginProblem(item.name, _origin(found[item.name]), f"used ({where})"))
    return findings


def _others(items: list[discovery.InstalledPlugin], name: str) -> list[PluginProblem]:
    """What is installed and not named: what is wrong with it is worth a word, but nobody's
    trouble.
    """
    entries = [PolicyEntry(item, index, Node(1, {})) for index, item in enumerate(items)]
    troubles, _ = _bind(entries, "policies", name, lenient=True)
    findings = []
    for index, item in enumerate(items):
        state = f"not used: {name} does not name it"
        if index in troubles:
            state += f"; and it could not be: {troubles[index]}"
        findings.append(PluginProblem(item.name, _origin(item), state))
    return findings


def _origin(item: discovery.InstalledPlugin) -> str:
    return f"{' and '.join(item.distributions)}, module {item.module}"


def _bind(
    entries: list[PolicyEntry], key: Kind, name: str, lenient: bool = False
) -> tuple[dict[int, str], dict[int, tuple[str, ...]]]:
    """(what is wrong, by index; the hooks of what is not). `lenient`: options are not given, so
    what they lack is no trouble.
    """
    if not entries:
        return {}, {}
    policies = PolicySupervisor(entries, key)
    try:
        troubles: dict[int, str] = {}
        for problem in policies.bind():
            index = int(problem.key.partition("[")[2].partition("]")[0])
            if not lenient:
                troubles[index] = "; ".join(
                    filter(None, (troubles.get(index), format_problem(name, problem)))
                )
        hooks = policies.describe().hooks
        return troubles | {
            index: failure.reason for index, failure in policies.aside.items()
        }, hooks
    finally:
        policies.close()


def report(findings: list[PluginProblem]) -> int:
    """Print it; 1 if something that is enabled is broken."""
    for finding in findings:
        click.echo(f"{finding.name} ({finding.origin}): {finding.state}")
    broken = sum(not finding.good for finding in findings)
    if broken:
        click.echo(
            f"{broken} of what is enabled cannot be used; the daemon goes on without it", err=True
        )
    return 1 if broken else 0
