"""Where things lie in the checkout, for tests and tools."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TOP = TESTS.parent
HOSTS = TESTS / "hosts"
"""Captured trees of real hosts."""
