"""`irqbal policies --doctor`: whether each policy that is installed, or named in the configuration,
is used, and why not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from irqbal.config.reader import format_problem
from irqbal.config.schema import Config, ConfiguredPolicy
from irqbal.plugins.discovery import InstalledPlugin
from irqbal.plugins.protocol import PolicyEntry
from irqbal.plugins.supervisor import NOT_READY, PATIENCE, Section, supervised
from irqbal.problems import LocatedProblem, Node
from irqbal.render.console import echo

_CALLED: dict[Section, frozenset[str]] = {
    "policies": frozenset({"irqbal_limit", "irqbal_place", "irqbal_identify"}),
    "observers": frozenset({"irqbal_cycle_done"}),
}
"""The hooks that are called for each list of the YAML, besides irqbal_options."""
_BINDINGS = 3
"""Policies, observers, and what is only installed: they share the time that one command takes."""


class PluginProblem(msgspec.Struct, frozen=True):
    """The report on one policy: where it comes from, whether it is used, and whether that is as the
    configuration says.
    """

    name: str
    origin: str
    state: str
    good: bool = True


class _Binding(msgspec.Struct, frozen=True):
    """Why plugins could not be bound, and the hooks of those that could, by index."""

    troubles: Mapping[int, str]
    hooks: Mapping[int, tuple[str, ...]]


def examine(
    config: Config, file: str, installed: Mapping[str, InstalledPlugin]
) -> list[PluginProblem]:
    """The report on what the configuration names, in its order, and then on what is only installed.
    `file` is the configuration's name.
    """
    reports = [
        *_enabled("policies", config.policies, file, installed),
        *_enabled("observers", config.observers, file, installed),
    ]
    enabled = {item.name for item in (*config.policies, *config.observers)}
    others = [plugin for plugin in installed.values() if plugin.name not in enabled]
    return [*reports, *_others(others, file)]


def _enabled(
    section: Section,
    items: Sequence[ConfiguredPolicy],
    file: str,
    installed: Mapping[str, InstalledPlugin],
) -> Iterator[PluginProblem]:
    """What a list of the YAML names: every entry must be usable."""
    entries = [
        PolicyEntry(installed[item.name], index, item.options)
        for index, item in enumerate(items)
        if item.name in installed
    ]
    binding = _bind(entries, section, file)
    for index, item in enumerate(items):
        where = f"{section}[{index}], {file}:{item.options.line}"
        if item.name not in installed:
            reason = (
                f"no installed package provides it; installed are {', '.join(installed) or 'none'}"
            )
            yield PluginProblem(item.name, "not installed", f"BROKEN ({where}): {reason}", False)
            continue
        reason = binding.troubles.get(index) or _uncalled(section, binding.hooks.get(index, ()))
        state = f"BROKEN ({where}): {reason}" if reason else f"used ({where})"
        yield PluginProblem(item.name, _origin(installed[item.name]), state, not reason)


def _uncalled(section: Section, hooks: Sequence[str]) -> str:
    """Why a plugin is useless in this list of the YAML; empty if one of its hooks is called."""
    if _CALLED[section] & set(hooks):
        return ""
    other = "observers" if section == "policies" else "policies"
    own = ", ".join(hook for hook in hooks if hook != "irqbal_options")
    return f"none of its hooks ({own}) is called there; name it under `{other}`"


def _others(plugins: Sequence[InstalledPlugin], file: str) -> Iterator[PluginProblem]:
    """What is installed and not named. A fault there is reported, and harms nothing."""
    entries = [PolicyEntry(plugin, index, Node(1, {})) for index, plugin in enumerate(plugins)]
    binding = _bind(entries, "policies", file, check_options=False)
    for index, plugin in enumerate(plugins):
        state = f"not used: {file} does not name it"
        if index in binding.troubles:
            state += f"; and it could not be: {binding.troubles[index]}"
        yield PluginProblem(plugin.name, _origin(plugin), state)


def _origin(plugin: InstalledPlugin) -> str:
    rivals = f"; {', '.join(plugin.rivals)} claims its name in vain" if plugin.rivals else ""
    return f"{' and '.join(plugin.distributions)}, module {plugin.module}{rivals}"


def _bind(
    entries: list[PolicyEntry], section: Section, file: str, check_options: bool = True
) -> _Binding:
    if not entries:
        return _Binding({}, {})
    policies = supervised(section, entries)
    try:
        problems = policies.bind(PATIENCE / _BINDINGS)
        hooks = policies.hooks()
        troubles = _by_index(problems, file) if check_options else {}
        waiting = set(policies.starting)
        names = {entry.index: entry.plugin.name for entry in entries}
        troubles |= {index: NOT_READY for index, name in names.items() if name in waiting}
        troubles |= {
            index: failure.reason
            for index, failure in policies.aside.items()
            if failure.code != "options"
        }
        return _Binding(troubles, hooks)
    finally:
        policies.close()


def _by_index(problems: Sequence[LocatedProblem], file: str) -> dict[int, str]:
    """The problems with options, by the index in keys such as `policies[2].spread_by_rate`."""
    texts: dict[int, list[str]] = {}
    for problem in problems:
        index = int(problem.key.partition("[")[2].partition("]")[0])
        texts.setdefault(index, []).append(format_problem(file, problem))
    return {index: "; ".join(items) for index, items in texts.items()}


def report(problems: Sequence[PluginProblem]) -> int:
    """Print the report. Returns 1 if a policy that the configuration names is broken, else 0."""
    for problem in problems:
        echo(f"{problem.name} ({problem.origin}): {problem.state}")
    broken = sum(not problem.good for problem in problems)
    if broken:
        echo(f"{broken} of what is enabled cannot be used; the daemon goes on without it", err=True)
    return 1 if broken else 0
