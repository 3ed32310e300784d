"""The lock: one irqbal a host."""

from __future__ import annotations

import os
import subprocess
import sys
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


def _flock_as_nobody(path: Path, mode: str) -> subprocess.Popen[bytes]:
    """A program of another user that locks a file, and says so."""
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    script = f"exec 9{mode}{path}; flock -n 9 && echo locked; exec sleep 600"
    return subprocess.Popen([*words, "sh", "-c", script], stdout=subprocess.PIPE)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A folder that every user may enter."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o001 == 0:
            folder.chmod(0o755)
    return tmp_path


@pytest.mark.root("acts as another user")
def test_nobody_else_can_hold_the_lock(public: Path) -> None:
    Lock(public).release()
    assert (public / "lock").stat().st_mode & 0o777 == 0o600
    other = _flock_as_nobody(public / "lock", "<")
    try:
        assert other.stdout is not None and other.stdout.readline() == b""
        Lock(public).release()
    finally:
        other.kill()
        other.communicate()


@pytest.mark.root("acts as another user")
def test_a_lock_that_another_user_holds_is_made_anew(public: Path) -> None:
    """As an earlier version left it: every user could open it."""
    (public / "lock").write_text("")
    (public / "lock").chmod(0o644)
    other = _flock_as_nobody(public / "lock", "<")
    try:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        lock = Lock(public)
        assert lock_holder(public) == os.getpid()
        assert (public / "lock").stat().st_mode & 0o777 == 0o600
        lock.release()
    finally:
        other.kill()
        other.communicate()


@pytest.mark.root("acts as another user")
def test_who_may_not_open_the_lock_still_learns_who_holds_it(public: Path) -> None:
    lock = Lock(public)
    code = "import sys; from pathlib import Path; from irqbal.state.lock import lock_holder; "
    code += "import os; os.setresuid(65534, 65534, 65534); print(lock_holder(Path(sys.argv[1])))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(public)], check=True, capture_output=True, text=True
    )
    lock.release()
    assert done.stdout.strip() == str(os.getpid())


_ASKS = """
import sys
from pathlib import Path
from irqbal.state.lock import lock_holder
print("asking", flush=True)
while True: lock_holder(Path(sys.argv[1]))
"""


def test_asking_who_holds_the_lock_refuses_nobody_who_starts(tmp_path: Path) -> None:
    Lock(tmp_path).release()
    asks = subprocess.Popen([sys.executable, "-c", _ASKS, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert asks.stdout is not None and asks.stdout.readline() == b"asking\n"
        for _ in range(5000):
            Lock(tmp_path).release()
    finally:
        asks.kill()
        asks.communicate()
