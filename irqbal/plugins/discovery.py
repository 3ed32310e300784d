"""Finding installed plugins from their metadata; nothing of theirs is imported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import importlib.metadata

GROUP = "irqbal"
"""The entry-point group in which distributions name their plugins."""


class InstalledPlugin(msgspec.Struct, frozen=True):
    """An installed entry point: the plugin's name, its module, and the distributions that provide
    it, each as name and version.
    """

    name: str
    module: str
    distributions: tuple[str, ...]

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
    if entry_points is None:
        # Imported here, since policy hosts import this module and never search: the reader of
        # metadata would only cost them memory.
        import importlib.metadata

        entry_points = importlib.metadata.entry_points(group=GROUP)
    plugins: dict[str, InstalledPlugin] = {}
    for entry in entry_points:
        dist = entry.dist
        provider = (
            f"{dist.metadata['Name']} {dist.version}"
            if dist is not None
            else "an unknown distribution"
        )
        known = plugins.get(entry.name)
        if known is None:
            plugins[entry.name] = InstalledPlugin(entry.name, entry.value, (provider,))
        elif provider not in known.distributions:
            plugins[entry.name] = InstalledPlugin(
                entry.name, known.module, (*known.distributions, provider)
            )
    return dict(sorted(plugins.items()))
