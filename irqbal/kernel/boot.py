"""`/proc/sys/kernel/random/boot_id`: a random id that the kernel makes at each boot
(drivers/char/random.c; Documentation/admin-guide/sysctl/kernel.rst).
"""

from __future__ import annotations

from pathlib import Path

from irqbal.kernel.files import text_or

PATHS = ("proc/sys/kernel/random/boot_id",)
"""Files below the root that this module reads (see `host.READERS`)."""


def read_boot_id(root: Path) -> str:
    """The id of this boot; empty in a tree that lacks it."""
    return text_or(root / PATHS[0])
