"""Certificates for tests, made by the `openssl` command."""

from __future__ import annotations

import subprocess
from pathlib import Path

NEW_EC = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
"""The words of `openssl` for a new key on a curve and its certificate."""


def openssl(*words: str | Path, folder: Path | None = None) -> None:
    """Run openssl, in this folder."""
    subprocess.run(
        ["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True, timeout=60
    )
