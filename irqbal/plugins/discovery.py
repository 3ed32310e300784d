"""Finding installed plugins from their metadata; nothing of theirs is imported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from irqbal import version

if TYPE_CHECKING:
    import importlib.metadata

GROUP = "irqbal"
"""The entry-point group in which distributions name their plugins."""
BUNDLED = ("isolate_cores", "pin_irqs", "pin_nic_queues", "spread_by_rate")
"""The modules of irqbal's own policies, in the package `irqbal_policies`."""


class InstalledPlugin(msgspec.Struct, frozen=True):
    """An installed entry point: the plugin's name, its module, and the distributions that provide
    it, each as name and version.

    `folder` holds the first distribution. `own`: the module is one of irqbal's own.
    `rivals` are distributions that claim the name of one of irqbal's own policies, in vain.
    """

    name: str
    module: str
    distributions: tuple[str, ...]
    folder: str = ""
    own: bool = False
    rivals: tuple[str, ...] = ()

    @property
    def clash(self) -> str:
        """What is wrong if more than one distribution provides the name, else empty."""
        if len(self.distributions) < 2:
            return ""
        return (
            f"the policy {self.name} is claimed by {' and '.join(self.distributions)}: "
            "uninstall one of them"
        )


def find(
    entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
) -> dict[str, InstalledPlugin]:
    """Every installed plugin by name, sorted. `entry_points` None: those of this interpreter."""
    plugins: dict[str, InstalledPlugin] = {}
    for entry in _installed() if entry_points is None else entry_points:
        dist = entry.dist
        provider, folder = "an unknown distribution", ""
        if dist is not None:
            provider = f"{dist.metadata['Name']} {dist.version}"
            folder = str(dist.locate_file(""))
        found = InstalledPlugin(entry.name, entry.value, (provider,), folder, _is_own(entry.value))
        known = plugins.get(entry.name)
        plugins[entry.name] = found if known is None else _merged(known, found)
    return dict(sorted(plugins.items()))


def _installed() -> Iterable[importlib.metadata.EntryPoint]:
    """Every entry point of irqbal's group. importlib.metadata.entry_points would leave out a
    distribution if another one calls itself by the same name.
    """
    # Imported here, since policy hosts import this module and never search: the reader of metadata
    # would only cost them memory.
    import importlib.metadata

    for dist in importlib.metadata.distributions():
        yield from dist.entry_points.select(group=GROUP)


def _merged(known: InstalledPlugin, found: InstalledPlugin) -> InstalledPlugin:
    """One plugin for two claims of one name: irqbal's own wins. Of two versions of a stranger's
    distribution the first counts, as for Python's imports. Others clash.
    """
    if known.own or found.own:
        ours, other = (known, found) if known.own else (found, known)
        if other.own or set(other.distributions) <= {*ours.distributions, *ours.rivals}:
            return ours
        return msgspec.structs.replace(ours, rivals=(*ours.rivals, *other.distributions))
    provider = found.distributions[0]
    if any(_name(provider) == _name(item) for item in known.distributions):
        return known
    return msgspec.structs.replace(known, distributions=(*known.distributions, provider))


def _name(provider: str) -> str:
    """A distribution's name without its version, as installers compare it (PEP 503)."""
    return provider.rpartition(" ")[0].lower().replace("_", "-").replace(".", "-")


def _is_own(module: str) -> bool:
    """Whether this is a module of irqbal's own. The file decides, since a distribution may call
    itself as it likes, and may put files into another one's package.
    """
    # Imported here for the same reason as above.
    import importlib.util

    package, _, name = module.partition(".")
    if package != "irqbal_policies" or name not in BUNDLED:
        return False
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return False
    home = Path(version.__file__).resolve().parent.parent
    folder = Path(spec.origin).resolve().parent
    return folder in (home / package, home / "policies" / package)
