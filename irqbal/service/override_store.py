"""The overrides in force, and their file."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from irqbal.errors import StateFileError
from irqbal.model.view import Override
from irqbal.state.override_file import save_overrides

log = logging.getLogger(__name__)


class OverrideStore:
    """Holds the overrides in force. Changes are stored before they take effect. Without a folder (a
    dry run) the overrides exist in memory only.
    """

    def __init__(self, folder: Path | None = None, overrides: Iterable[Override] = ()) -> None:
        self._folder = folder
        self.current = tuple(overrides)
        """The overrides in force."""
        self._expired: tuple[Override, ...] = ()

    def of(self, identity: str) -> Override | None:
        """The override of the IRQ with this identity, or None."""
        return next((item for item in self.current if item.identity == identity), None)

    def put(self, override: Override) -> None:
        """Add this override; it replaces an earlier one of the same IRQ. If it raises
        StateFileError, nothing was changed.
        """
        others = (item for item in self.current if item.identity != override.identity)
        self._replace((*others, override))

    def remove(self, identity: str) -> None:
        """Remove the override of the IRQ with this identity. If it raises StateFileError, nothing
        was changed.
        """
        self._replace(tuple(item for item in self.current if item.identity != identity))

    def store_again(self) -> None:
        """Write the file, which is gone. Raises StateFileError."""
        self._save(self.current)

    def take_expired(self) -> tuple[Override, ...]:
        """The overrides that expired since the last call."""
        expired, self._expired = self._expired, ()
        return expired

    def expire(self, wall: float) -> None:
        """Remove the overrides that expired by `wall` (seconds since the epoch)."""
        expired = tuple(
            item for item in self.current if item.expires is not None and item.expires <= wall
        )
        if expired:
            self.current = tuple(item for item in self.current if item not in expired)
            self._expired += expired
            try:
                self._save(self.current)
            except StateFileError as error:
                # The file holds their time of expiry, so they do not return with the next start.
                log.warning("%s", error)

    def _replace(self, overrides: tuple[Override, ...]) -> None:
        self._save(overrides)
        self.current = overrides

    def _save(self, overrides: tuple[Override, ...]) -> None:
        if self._folder is not None:
            save_overrides(self._folder, overrides)
