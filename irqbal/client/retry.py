"""When a lost daemon is tried again."""

from __future__ import annotations

_PAUSES = (0.5, 1.0, 2.0, 5.0)
"""Seconds after the first failure, the second, and so on; the last one repeats."""
TEMPORARY = frozenset({429, 503})
"""HTTP statuses of refusals that may pass: too many requests, and not ready."""


def pause_after(failures: int) -> float:
    """Seconds to wait when `failures` attempts in a row failed before this one."""
    return _PAUSES[min(failures, len(_PAUSES) - 1)]
