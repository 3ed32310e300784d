"""Importing plugins, checking their hooks and reading their options; done in the policy host."""

from __future__ import annotations

import importlib
import inspect
import re
import traceback
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

import msgspec
import pluggy

from irqbal import wire
from irqbal.errors import PluginError
from irqbal.model.policy import API_VERSION, Options
from irqbal.plugins import bounds, hookspecs
from irqbal.plugins.discovery import InstalledPlugin
from irqbal.plugins.hookspecs import HOOKS
from irqbal.plugins.protocol import PolicyEntry
from irqbal.problems import LocatedProblem, decode

_API = re.compile(r"(\d{1,4})(?:\.(\d{1,4}))?", re.ASCII)


class BoundPolicy(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One entry of the YAML's `policies` or `observers` with its module imported, its options read
    and its hooks by name.
    """

    name: str
    index: int
    module: ModuleType
    options: Any
    hooks: dict[str, Callable[..., Any]]

    def has(self, hook: str) -> bool:
        """Whether the plugin implements this hook."""
        return hook in self.hooks

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call one of the plugin's hooks; pluggy passes it only the arguments that it takes."""
        return self.hooks[hook](**arguments)


def bind(
    entry: PolicyEntry, problems: list[LocatedProblem], section: str = "policies"
) -> BoundPolicy | None:
    """Import an entry's plugin and read its options. `section` is the list in the YAML that holds
    the entry.

    Returns None after adding to `problems` if the options are wrong. Raises PluginError if the
    plugin cannot be used.
    """
    plugin = entry.plugin
    module = load(plugin)
    manager = pluggy.PluginManager("irqbal")
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=plugin.name)
    hooks = {
        name: getattr(manager.hook, name)
        for name in HOOKS
        if getattr(manager.hook, name).get_hookimpls()
    }
    kind = options_type(plugin, hooks)
    try:
        options = decode(entry.options, kind, f"{section}[{entry.index}].{plugin.name}", problems)
    except NotImplementedError as error:
        raise PluginError(
            f"{plugin.distributions[0]}: {plugin.module}: an option's type cannot be read from "
            f"YAML: {error}"
        ) from error
    if options is None:
        return None
    return BoundPolicy(
        name=plugin.name, index=entry.index, module=module, options=options, hooks=hooks
    )


def load(plugin: InstalledPlugin) -> ModuleType:
    """Import a plugin's module and check its hooks. Raises PluginError, which names the
    distribution.
    """
    provider = plugin.distributions[0]
    if plugin.clash:
        raise PluginError(plugin.clash)
    if ":" in plugin.module:
        raise PluginError(
            f"{provider}: the entry point {plugin.name} = {plugin.module} must name a module, not "
            "something in it"
        )
    try:
        module = importlib.import_module(plugin.module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise PluginError(
            f"{provider}: the policy {plugin.name} does not import: {describe_error(error)}"
        ) from error
    check_api(plugin, module)
    check_hooks(plugin, module)
    return module


def check_api(plugin: InstalledPlugin, module: ModuleType) -> None:
    """Raise PluginError if the module asks for a version of the API (`IRQBAL_API = "1"` or `"1.2"`)
    that this irqbal does not offer.
    """
    version = getattr(module, "IRQBAL_API", None)
    if version is None:
        return
    provider, ours = plugin.distributions[0], API_VERSION
    parsed = _API.fullmatch(version) if isinstance(version, str) else None
    if parsed is None:
        raise PluginError(
            f"{provider}: {plugin.module}.IRQBAL_API is {version!r:.80}; it must be text such as "
            f"{ours.partition('.')[0]!r}"
        )
    major, minor = (int(part) for part in ours.split("."))
    if int(parsed[1]) != major or int(parsed[2] or 0) > minor:
        older = (int(parsed[1]), int(parsed[2] or 0)) < (major, minor)
        advice = (
            f"install a version of {provider.rpartition(' ')[0]} for API {ours}"
            if older
            else "upgrade irqbal"
        )
        raise PluginError(
            f"{provider}: the policy {plugin.name} is written for irqbal's API {version}, and this "
            f"irqbal has {ours}: {advice}"
        )


def check_hooks(plugin: InstalledPlugin, module: ModuleType) -> None:
    """Raise PluginError if a hook is misspelt, not decorated, takes an argument that it does not
    have, or none is implemented.
    """
    provider = plugin.distributions[0]
    hooks = {
        name: function
        for name, function in sorted(vars(module).items())
        if _looks_like_hook(module, name, function)
    }
    for name, function in hooks.items():
        where = f"{provider}: {plugin.module}.{name}"
        if name not in HOOKS:
            raise PluginError(f"{where} is no hook of irqbal; hooks are {', '.join(HOOKS)}")
        if getattr(function, "irqbal_impl", None) is None:
            raise PluginError(f"{where} lacks @irqbal.hookimpl")
        _check_arguments(where, name, function)
    if not hooks:
        raise PluginError(f"{provider}: {plugin.module} implements no hook of irqbal")


def _looks_like_hook(module: ModuleType, name: str, function: Any) -> bool:
    """Whether a module's attribute is meant as a hook: by its name, or, if it is the module's own
    function, by its decorator.
    """
    if not callable(function):
        return False
    if name.startswith("irqbal_"):
        return True
    defined_here = inspect.isfunction(function) and function.__module__ == module.__name__
    return defined_here and getattr(function, "irqbal_impl", None) is not None


def _check_arguments(where: str, hook: str, function: Callable[..., Any]) -> None:
    """pluggy passes an argument by its name, and never one that has a default."""
    allowed = set(inspect.signature(getattr(hookspecs, hook)).parameters)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in allowed:
            raise PluginError(
                f"{where}({parameter.name}): this hook has no such argument; it has "
                f"{', '.join(sorted(allowed)) or 'none'}"
            )
        if parameter.default is not inspect.Parameter.empty:
            raise PluginError(
                f"{where}({parameter.name}) has a default: pluggy would pass nothing; take it "
                "without one"
            )


def options_type(plugin: InstalledPlugin, hooks: dict[str, Callable[..., Any]]) -> type[Options]:
    """The type that the plugin's irqbal_options returns; Options if it has none. Raises
    PluginError.
    """
    if "irqbal_options" not in hooks:
        return Options
    where = f"{plugin.distributions[0]}: {plugin.module}"
    try:
        kind = hooks["irqbal_options"]()
    except Exception as error:
        raise PluginError(f"{where}.irqbal_options failed: {describe_error(error)}") from error
    if not (isinstance(kind, type) and issubclass(kind, Options)):
        raise PluginError(f"{where}.irqbal_options must return a subclass of irqbal.Options")
    try:
        wire.schema_of(kind)
    except Exception as error:
        raise PluginError(
            f"{where}.{kind.__name__} has options that cannot be read from YAML: "
            f"{describe_error(error)}"
        ) from error
    return kind


def describe_error(error: BaseException) -> str:
    """An exception on one line: type, message, and the innermost file and line that are not
    irqbal's own.
    """
    outside = [
        f" ({frame.f_code.co_filename}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not _is_irqbal_or_import(frame)
    ]
    text = str(error).replace("\n", " ")[: bounds.MAX_LOGGED_LENGTH]
    return f"{type(error).__name__}: {text}{outside[-1] if outside else ''}"


def _is_irqbal_or_import(frame: FrameType) -> bool:
    """Judged by the module's name: a plugin may lie below a folder named irqbal, too."""
    name = str(frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] in ("irqbal", "importlib", "_frozen_importlib") or (
        frame.f_code.co_filename.startswith("<frozen importlib")
    )
