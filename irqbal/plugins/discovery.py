"""Finding, loading and binding policies. Finding reads metadata and imports nothing; loading and
binding happen in the child.
"""

from __future__ import annotations

import importlib
import inspect
import re
import traceback
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import pluggy

from irqbal import wire
from irqbal.errors import PluginError
from irqbal.model.policy import API_VERSION, Options
from irqbal.plugins import hookspecs
from irqbal.problems import LocatedProblem, Node, decode

if TYPE_CHECKING:
    import importlib.metadata

GROUP = "irqbal"
_API = re.compile(r"(\d{1,4})(?:\.(\d{1,4}))?", re.ASCII)
HOOKS = ("irqbal_options", "irqbal_limit", "irqbal_place", "irqbal_identify", "irqbal_cycle_done")


class Found(msgspec.Struct, frozen=True):
    """An installed entry point: the policy's name, its module, and the distributions that claim it
    (name and version).
    """

    name: str
    module: str
    distributions: tuple[str, ...]

    @property
    def clash(self) -> str:
        """A sentence if more than one distribution claims the name, else empty."""
        if len(self.distributions) < 2:
            return ""
        return (
            f"the policy {self.name} is claimed by {' and '.join(self.distributions)}: "
            "uninstall one of them"
        )


def find(entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> dict[str, Found]:
    """Every installed policy by name, from metadata alone."""
    if entry_points is None:
        # Only here: the child in which policies run finds nothing by itself, and need not hold what
        # reads metadata.
        import importlib.metadata

        entry_points = importlib.metadata.entry_points(group=GROUP)
    found: dict[str, Found] = {}
    for entry in entry_points:
        dist = entry.dist
        who = (
            f"{dist.metadata['Name']} {dist.version}"
            if dist is not None
            else "an unknown distribution"
        )
        before = found.get(entry.name)
        if before is None:
            found[entry.name] = Found(entry.name, entry.value, (who,))
        elif who not in before.distributions:
            found[entry.name] = Found(entry.name, before.module, (*before.distributions, who))
    return dict(sorted(found.items()))


class BoundPolicy:
    """One entry of the YAML's `policies` (or `observers`), bound: its hooks, its options, and a
    name for messages.
    """

    def __init__(
        self,
        name: str,
        index: int,
        module: ModuleType,
        options: Any,
        hooks: dict[str, Callable[..., Any]],
    ):
        self.name = name
        self.index = index
        self.module = module
        self.options = options
        self.hooks = hooks

    def has(self, hook: str) -> bool:
        """Whether the policy implements this hook."""
        return hook in self.hooks

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call one of the policy's hooks; pluggy hands over those arguments that it takes."""
        return self.hooks[hook](**arguments)


def load(found: Found) -> ModuleType:
    """Import a policy's module and check its hooks. Raises PluginError naming the distribution."""
    who = found.distributions[0]
    if found.clash:
        raise PluginError(found.clash)
    if ":" in found.module:
        raise PluginError(
            f"{who}: the entry point {found.name} = {found.module} must name a module, not "
            "something in it"
        )
    try:
        module = importlib.import_module(found.module)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise PluginError(
            f"{who}: the policy {found.name} does not import: {describe(error)}"
        ) from error
    check_api(found, module)
    check_hooks(found, module)
    return module


def check_api(found: Found, module: ModuleType) -> None:
    """A module that says what it was written for (`IRQBAL_API = "1"` or `"1.2"`) is refused where
    irqbal does not offer that.
    """
    wanted = getattr(module, "IRQBAL_API", None)
    if wanted is None:
        return
    who, ours = found.distributions[0], API_VERSION
    parsed = _API.fullmatch(wanted) if isinstance(wanted, str) else None
    if parsed is None:
        raise PluginError(
            f"{who}: {found.module}.IRQBAL_API is {wanted!r:.80}; it must be text such as "
            f"{ours.partition('.')[0]!r}"
        )
    major, minor = (int(part) for part in ours.split("."))
    if int(parsed[1]) != major or int(parsed[2] or 0) > minor:
        older = (int(parsed[1]), int(parsed[2] or 0)) < (major, minor)
        what = (
            f"install a version of {who.rpartition(' ')[0]} for API {ours}"
            if older
            else "upgrade irqbal"
        )
        raise PluginError(
            f"{who}: the policy {found.name} is written for irqbal's API {wanted}, and this irqbal "
            f"has {ours}: {what}"
        )


def check_hooks(found: Found, module: ModuleType) -> None:
    """Refuse misspelt and undecorated hooks, unknown arguments, and defaults where pluggy would
    pass nothing.
    """
    who = found.distributions[0]
    implemented = 0
    for name in sorted(vars(module)):
        function = getattr(module, name)
        own = inspect.isfunction(function) and function.__module__ == module.__name__
        if not name.startswith("irqbal_") and not (
            own and getattr(function, "irqbal_impl", None) is not None
        ):
            continue
        if not callable(function) or inspect.ismodule(function):
            continue
        if name not in HOOKS:
            raise PluginError(
                f"{who}: {found.module}.{name} is no hook of irqbal; hooks are {', '.join(HOOKS)}"
            )
        if getattr(function, "irqbal_impl", None) is None:
            raise PluginError(f"{who}: {found.module}.{name} lacks @irqbal.hookimpl")
        allowed = set(inspect.signature(getattr(hookspecs, name)).parameters)
        for parameter in inspect.signature(function).parameters.values():
            where = f"{found.module}.{name}({parameter.name})"
            if parameter.name not in allowed:
                raise PluginError(
                    f"{who}: {where}: this hook has no such argument; it has "
                    f"{', '.join(sorted(allowed)) or 'none'}"
                )
            if parameter.default is not inspect.Parameter.empty:
                raise PluginError(
                    f"{who}: {where} has a default: pluggy would pass nothing; take it without one"
                )
        implemented += 1
    if not implemented:
        raise PluginError(f"{who}: {found.module} implements no hook of irqbal")


def bind(
    found: Found,
    index: int,
    options: Node,
    problems: list[LocatedProblem],
    section: str = "policies",
) -> BoundPolicy | None:
    """Load what a section of the configuration names, and read its options. Raises PluginError;
    returns None after adding problems with the options.
    """
    module = load(found)
    manager = pluggy.PluginManager("irqbal")
    manager.add_hookspecs(hookspecs)
    manager.register(module, name=found.name)
    hooks = {
        name: getattr(manager.hook, name)
        for name in HOOKS
        if getattr(manager.hook, name).get_hookimpls()
    }
    kind = options_type(found, hooks)
    try:
        value = decode(options, kind, f"{section}[{index}].{found.name}", problems)
    except NotImplementedError as error:
        raise PluginError(
            f"{found.distributions[0]}: {found.module}: an option's type cannot be read from YAML: "
            f"{error}"
        ) from error
    return None if value is None else BoundPolicy(found.name, index, module, value, hooks)


def options_type(found: Found, hooks: dict[str, Callable[..., Any]]) -> type[Options]:
    """The type that the policy's irqbal_options returns, or one without fields. Raises
    PluginError.
    """
    if "irqbal_options" not in hooks:
        return Options
    who = found.distributions[0]
    try:
        kind = hooks["irqbal_options"]()
    except Exception as error:
        raise PluginError(
            f"{who}: {found.module}.irqbal_options failed: {describe(error)}"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Options)):
        raise PluginError(
            f"{who}: {found.module}.irqbal_options must return a subclass of irqbal.Options"
        )
    try:
        wire.schema_of(kind)
    except Exception as error:
        raise PluginError(
            f"{who}: {found.module}.{kind.__name__} has options that cannot be read from YAML: "
            f"{describe(error)}"
        ) from error
    return kind


def describe(error: BaseException) -> str:
    """An exception with the place in the stranger's code that raised it, on one line."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [
        frame
        for frame in frames
        if "/irqbal/" not in frame.filename and "importlib" not in frame.filename
    ]
    where = f" ({outside[-1].filename}:{outside[-1].lineno})" if outside else ""
    text = str(error).replace("\n", " ")[:300]
    return f"{type(error).__name__}: {text}{where}"
