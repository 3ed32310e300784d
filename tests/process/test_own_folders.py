"""What the tests write where irqbal keeps its state stays among the tests."""

from __future__ import annotations

import subprocess

import pytest

from own_folders import INSTALLED, InstalledIrqbal, empty_folders

pytestmark = pytest.mark.root("mounts folders of its own")


def test_children_see_the_tests_own_folders_and_the_machine_does_not(
    installed_irqbal: InstalledIrqbal,
) -> None:
    for folder in INSTALLED:
        (folder / "of-a-test").touch()
        assert "of-a-test" in subprocess.check_output(["ls", folder], text=True)
    assert not [path for path in installed_irqbal.listing() if path.endswith("of-a-test")]


def test_empty_folders_take_away_what_was_put_there() -> None:
    with empty_folders():
        for folder in INSTALLED:
            assert list(folder.iterdir()) == []
            (folder / "of-one-test").touch()
    assert not any((folder / "of-one-test").exists() for folder in INSTALLED)
