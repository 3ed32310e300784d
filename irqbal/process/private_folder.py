"""Folders that are their owner's alone."""

from __future__ import annotations

import contextlib
from pathlib import Path


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Make this folder with this mode, and those above it that are missing for their owner alone;
    `Path.mkdir(parents=True)` makes these with the process's umask. Folders that are there stay as
    they are. Raises OSError.
    """
    for folder in reversed(path.parents):
        if not folder.is_dir():
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
    path.mkdir(mode=mode, exist_ok=True)
