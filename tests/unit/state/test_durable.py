"""What all state files share."""

from __future__ import annotations

from pathlib import Path

from irqbal.cpuset import CpuSet
from irqbal.model.readings import Original
from irqbal.model.view import Override
from irqbal.state.originals import OriginalsFile
from irqbal.state.override_file import save_overrides


def test_the_files_are_for_root_alone(tmp_path: Path) -> None:
    OriginalsFile(tmp_path, Path("/"), "boot").save([Original("a", 7, "0-3")])
    save_overrides(tmp_path, [Override("a", CpuSet.of(1))])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
