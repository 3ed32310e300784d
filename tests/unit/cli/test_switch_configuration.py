"""Which configuration `irqbal switch` writes where the service reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.cli import switch
from irqbal.cli.common import Common
from irqbal.errors import HostError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "etc/irqbal.yaml"
    path.parent.mkdir()
    monkeypatch.setattr(switch, "DEFAULT_CONFIG", path)
    return path


def test_one_that_is_there_is_used_as_it_is(place: Path, tmp_path: Path) -> None:
    place.write_text("interval: 3s\n")
    assert switch.new_configuration(Common(tmp_path, place, False)) == ""
    with pytest.raises(HostError, match="move it away"):
        switch.new_configuration(Common(tmp_path, tmp_path / "other.yaml", False))


def test_a_file_that_is_named_becomes_the_services(place: Path, tmp_path: Path) -> None:
    named = tmp_path / "other.yaml"
    named.write_text("interval: 5s\n")
    assert switch.new_configuration(Common(tmp_path, named, False)) == "interval: 5s\n"
    with pytest.raises(HostError, match="cannot be read"):
        switch.new_configuration(Common(tmp_path, tmp_path / "nosuch.yaml", False))


def test_irqbalances_own_is_converted(place: Path, tmp_path: Path) -> None:
    (tmp_path / "etc/default").mkdir(parents=True)
    (tmp_path / "etc/default/irqbalance").write_text("IRQBALANCE_BANNED_CPULIST=3\n")
    text = switch.new_configuration(Common(tmp_path, None, False))
    assert "banned_cpus" in text and "3" in text


def test_without_any_irqbal_starts_with_its_defaults(place: Path, tmp_path: Path) -> None:
    assert switch.new_configuration(Common(tmp_path, None, False)).startswith("# irqbal's defaults")
