"""These tests move this machine's own interrupts. Every mask is put back; each test has empty
folders where irqbal keeps its state.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import machine
from own_folders import InstalledIrqbal, empty_folders


@pytest.fixture(scope="session", autouse=True)
def no_daemon(installed_irqbal: InstalledIrqbal) -> None:
    """A daemon of this machine would take for drift what these tests do."""
    pid = installed_irqbal.daemon()
    assert pid is None, f"an irqbal runs on this machine (pid {pid}): stop it for these tests"


@pytest.fixture(autouse=True)
def fresh_folders(own_folders: None) -> Iterator[None]:
    """No test finds another's originals or ledger."""
    with empty_folders():
        yield


@pytest.fixture(autouse=True)
def own_masks(fresh_folders: None) -> Iterator[dict[int, str]]:
    """The machine's masks before, put back after."""
    before = machine.masks()
    yield before
    machine.put_back(before)
