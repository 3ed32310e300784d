"""The lock: one irqbal a host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from irqbal.errors import LockError
from irqbal.state.lock import Lock, lock_holder

HOLD = """
import sys, time
from pathlib import Path
from irqbal.state.lock import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_with_the_holders_pid_until_the_first_ends(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    assert lock_holder(folder) is None
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"held\n"
            assert lock_holder(folder) == other.pid
            with pytest.raises(
                LockError, match=rf"another irqbal runs on this host \(pid {other.pid}, "
            ):
                Lock(folder)
        finally:
            other.send_signal(signal.SIGKILL)
        other.wait()
    assert lock_holder(folder) is None
    lock = Lock(folder)
    assert lock_holder(folder) == os.getpid()
    lock.release()


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
