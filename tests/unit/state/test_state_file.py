"""Whatever lies where irqbal's own files do is read, or refused with a sentence."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from irqbal.errors import StateFileError
from irqbal.load.estimator import LearnedCosts
from irqbal.planner.ledger import Ledger
from irqbal.state import state_file, tokens
from irqbal.state.costs_file import COSTS, load_costs, save_costs
from irqbal.state.ledger_file import LEDGER, load_ledger
from irqbal.state.originals import OriginalsFile
from irqbal.state.override_file import OVERRIDES, load_overrides


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(state_file.MAX_SIZE + 1)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


STRANGE: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.write_bytes(b""),
    "no JSON": lambda path: path.write_bytes(b"\xff\xfe\0"),
    "another shape": lambda path: path.write_text('[7, "x"]'),
    "numbers without end": lambda path: path.write_text(f"[{'9' * 100_000}]"),
    "a nest": lambda path: path.write_text("[" * 200_000),
    "a nest within": lambda path: path.write_text('{"ledger": ' + "[" * 200_000),
    "more than irqbal writes": huge,
    "a folder": lambda path: path.mkdir(),
    "a FIFO": os.mkfifo,
    "a socket": listening,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_irqbal_can_do_without_is_moved_aside_with_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    for name in (COSTS, LEDGER):
        STRANGE[what](tmp_path / name)
    with caplog.at_level(logging.WARNING):
        assert load_costs(tmp_path) == LearnedCosts()
        assert load_ledger(tmp_path, "boot", {}) == Ledger()
    assert len(caplog.records) == 2, caplog.text
    # A socket cannot be opened at all.
    assert len(list(tmp_path.glob("*.damaged-*"))) == (0 if what == "a socket" else 2)
    save = load_costs(tmp_path)
    if what != "a socket":
        save_costs(tmp_path, save)


@pytest.mark.parametrize("what", STRANGE)
def test_what_people_decided_is_never_dropped_silently(tmp_path: Path, what: str) -> None:
    for name, load in ((OVERRIDES, load_overrides), (tokens.FILE, tokens.load)):
        STRANGE[what](tmp_path / name)
        with pytest.raises(StateFileError, match=name) as caught:
            load(tmp_path)
        assert what == "a socket" or "move it away" in str(caught.value)


@pytest.mark.parametrize("what", ["no JSON", "a nest", "numbers without end", "another shape"])
def test_a_line_of_originals_that_is_none_hides_no_other(tmp_path: Path, what: str) -> None:
    originals = OriginalsFile(tmp_path, Path("/"), "boot")
    originals._path.parent.mkdir(parents=True, exist_ok=True)
    STRANGE[what](originals._path)
    assert list(OriginalsFile(tmp_path, Path("/"), "boot").originals()) == []
