"""What all state files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from irqbal.cpuset import CpuSet
from irqbal.history.sqlite.database import FILE
from irqbal.history.sqlite.store import WritableSqliteHistory
from irqbal.model.readings import Original
from irqbal.model.view import Override
from irqbal.state import durable, tokens
from irqbal.state.lock import Lock
from irqbal.state.originals import OriginalsFile
from irqbal.state.override_file import save_overrides


def test_the_files_are_for_root_alone(tmp_path: Path) -> None:
    OriginalsFile(tmp_path, Path("/"), "boot").save([Original("a", 7, "0-3")])
    save_overrides(tmp_path, [Override("a", CpuSet.of(1))])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("how", ["replace", "append", "history", "token", "lock"])
def test_a_state_folder_is_its_owners_alone_however_it_is_made(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "state"
    before = os.umask(0o022)
    try:
        if how == "history":
            WritableSqliteHistory(folder / FILE).close()
        elif how == "lock":
            # The run folder of another root lies in the state folder.
            Lock(folder / "run").release()
        elif how == "token":
            tokens.add(folder, "one", "read", None)
        else:
            getattr(durable, how)(folder / "file", b"x")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
