"""The guard over what an installed irqbal uses notices what is gone, new or replaced."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from own_folders import InstalledIrqbal


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    run, state = tmp_path / "run/irqbal", tmp_path / "lib/irqbal"
    for folder in (run, state):
        folder.mkdir(parents=True)
    (run / "originals.jsonl").write_text("{}\n")
    (state / "history.sqlite").write_text("SQLite")
    return run, state


@pytest.fixture
def installed(folders: tuple[Path, Path]) -> Iterator[InstalledIrqbal]:
    found = InstalledIrqbal(*folders)
    yield found
    found.close()


def test_nothing_is_said_of_what_stayed(installed: InstalledIrqbal) -> None:
    assert len(installed.before) == 4 and installed.changed() == []


def test_what_is_gone_new_or_another_is_named(
    folders: tuple[Path, Path], installed: InstalledIrqbal
) -> None:
    run, state = folders
    (run / "originals.jsonl").unlink()
    (state / "history.sqlite").write_text("SQLite 3")
    (state / "tokens.json").write_text("[]")
    assert {Path(path).name for path in installed.changed()} >= {
        "originals.jsonl",
        "history.sqlite",
        "tokens.json",
    }


def test_a_daemon_that_runs_writes_its_files_itself(
    folders: tuple[Path, Path], installed: InstalledIrqbal
) -> None:
    run, state = folders
    (run / "lock").write_text(f"{os.getpid()}\n")
    (state / "history.sqlite").write_text("SQLite 3")
    assert installed.daemon() == os.getpid() and installed.changed() == []
    (run / "originals.jsonl").unlink()
    assert installed.changed() == [str(run / "originals.jsonl")]


def test_folders_that_are_not_there_are_not_made(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    found = InstalledIrqbal(tmp_path / "irqbal", tmp_path / "lib/irqbal")
    assert (found.before, found.changed(), found.daemon()) == ({}, [], None)
    found.close()
    assert not (tmp_path / "irqbal").exists()
