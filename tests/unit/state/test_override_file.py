"""Overrides on disk: none is dropped silently."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.cpuset import CpuSet
from irqbal.errors import StateFileError
from irqbal.model.view import Override
from irqbal.state.override_file import OVERRIDES, load_overrides, save_overrides


def test_overrides_come_back_as_they_were_saved(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "when needed"
    wanted = (
        Override("a", CpuSet.parse("0-3,8"), "my mouse", "eve", 12.5),
        Override("b", CpuSet.of(1)),
    )
    assert load_overrides(folder) == ()
    save_overrides(folder, wanted)
    assert load_overrides(folder) == wanted
    save_overrides(folder, ())
    assert load_overrides(folder) == ()


@pytest.mark.parametrize(
    "junk", [b"", b"[{", b"{}", b'[{"identity": "a"}]', b"\xff", b'[{"identity":"a","cpus":"x"}]']
)
def test_damaged_overrides_are_refused_not_dropped(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / OVERRIDES).write_bytes(junk)
    with pytest.raises(StateFileError, match=r"is damaged .*move it away"):
        load_overrides(tmp_path)
