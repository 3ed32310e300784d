"""The two folders that a daemon keeps its files in."""

from __future__ import annotations

from pathlib import Path

import msgspec

RUN_DIR = Path("/run/irqbal")
"""The `run` folder on the live host: a tmpfs, empty after a boot, as all IRQ masks are reset."""


class Folders(msgspec.Struct, frozen=True):
    """`state` must survive a boot: overrides, tokens, costs, history. `run` need not: lock,
    originals, ledger.
    """

    state: Path
    run: Path
