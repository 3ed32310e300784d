"""The lock: one irqbal a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.errors import LockError
from irqbal.state.lock import Lock, lock_holder


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    Lock(tmp_path).release()
    assert lock_holder(tmp_path) is None
    Lock(tmp_path).release()


def test_locks_of_two_roots_do_not_meet(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "a"), Lock(tmp_path / "b")
    first.release()
    second.release()


def test_a_lock_that_cannot_be_opened_is_an_error_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LockError, match="file/lock cannot be opened"):
        Lock(tmp_path / "file")
