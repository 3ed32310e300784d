"""State files with other processes: a full disk, a lock that another holds, the token command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from irqbal.errors import LockError
from irqbal.state import tokens
from irqbal.state.lock import Lock, lock_holder
from irqbal.state.tokens import Tokens
from machine import irqbal

FULL = """
import sys
from pathlib import Path
from irqbal.errors import StateFileError
from irqbal.model.readings import Original
from irqbal.state.ledger_file import save_ledger
from irqbal.state.originals import OriginalsFile
from irqbal.state.override_file import load_overrides, save_overrides
from irqbal.model.view import Override
from irqbal.cpuset import CpuSet
from irqbal.planner.ledger import Ledger, LedgerEntry

folder = Path(sys.argv[1])
saved = OriginalsFile(folder, Path("/"), "boot")
many = [Original(f"irq {i}", i, "0-7") for i in range(500)]
saved.save(many[:1])
save_overrides(folder, [Override("kept", CpuSet.of(1))])
(folder / "hog").write_bytes(b"x" * 4096)
before = (folder / "originals.jsonl").read_bytes()
for work in (
    lambda: saved.save(many),
    lambda: save_overrides(folder, [Override(f"irq {i}", CpuSet.of(1)) for i in range(100)]),
    lambda: save_ledger(folder, "boot", Ledger({str(i): LedgerEntry(written="0-7") for i in range(200)}), {}),
):
    try:
        work()
    except StateFileError as error:
        print("refused:", error)
assert (folder / "originals.jsonl").read_bytes() == before
assert list(saved.originals()) == ["irq 0"], "nothing is relied on that was not saved"
assert list(OriginalsFile(folder, Path("/"), "boot").originals()) == ["irq 0"]
assert [item.identity for item in load_overrides(folder)] == ["kept"]
assert not list(folder.glob("*.part")), "half a file takes up the room that is missing"
(folder / "hog").unlink()
saved.save(many[:20])
assert len(OriginalsFile(folder, Path("/"), "boot").originals()) == 20
print("room again")
"""  # noqa: E501


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
@pytest.mark.root("mounts a small file system")
def test_without_room_nothing_is_saved_relied_on_or_damaged(tmp_path: Path) -> None:
    script = tmp_path / "full.py"
    script.write_text(FULL)
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-e",
            "-c",
            f"mount -t tmpfs -o size=16k none {folder}; exec {sys.executable} {script} {folder}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["refused:", "refused:", "refused:", "room"]
    assert "so nothing was written" in lines[0] and "No space left" in lines[0]


HOLD = """
import sys, time
from pathlib import Path
from irqbal.state import tokens
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


def test_the_token_command(tmp_path: Path) -> None:
    config = tmp_path / "irqbal.yaml"
    config.write_text(f"state_dir: {tmp_path / 'state'}\n")
    words = ("-c", str(config))
    assert "no tokens" in irqbal("token", "list", *words).stdout
    text = irqbal(
        "token", "add", "ci", "--scope", "override", "--expires", "90d", *words
    ).stdout.strip()
    found = Tokens(tmp_path / "state").find(text, time.time())
    assert (
        found is not None
        and found.expires is not None
        and abs(found.expires - time.time() - 90 * 86400) < 60
    )
    assert (
        "ci: override" in irqbal("token", "list", *words).stdout
        and text not in irqbal("token", "list", *words).stdout
    )
    for wrong in (("--expires", "soon"), ("--expires", "0s"), ("--scope", "root")):
        assert irqbal("token", "add", "x", *wrong, *words, check=2).stdout == ""
    irqbal("token", "revoke", "ci", *words)
    assert Tokens(tmp_path / "state").find(text, time.time()) is None
    assert irqbal("token", "revoke", "ci", *words, check=None).returncode != 0
    assert irqbal("token", "add", *words, check=2).stderr


_TOKENS = """
import sys
from pathlib import Path
from irqbal.state import tokens
folder, who = Path(sys.argv[1]), sys.argv[2]
for number in range(60):
    tokens.add(folder, f"{who}-{number}", "read", None)
    if number % 2:
        tokens.revoke(folder, f"{who}-{number}")
"""


def test_two_who_add_and_revoke_tokens_at_once_lose_none(tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", _TOKENS, str(tmp_path), who]) for who in "ab"
    ]
    assert [one.wait(60) for one in started] == [0, 0]
    left = sorted(token.name for token in tokens.load(tmp_path))
    assert left == sorted(f"{who}-{number}" for who in "ab" for number in range(0, 60, 2))


@pytest.mark.root("mounts a file system")
def test_a_revoke_that_could_not_be_written_says_that_the_token_still_works(tmp_path: Path) -> None:
    script = (
        'mount -t tmpfs -o size=64k none "$1" && "$2" -c "$3" "$1" && '
        'mount -o remount,ro "$1" && "$2" -c "$4" "$1"'
    )
    add = "import sys; from pathlib import Path; from irqbal.state import tokens; "
    path = "Path(sys.argv[1])"
    done = subprocess.run(
        [
            *("unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), sys.executable),
            f"{add}tokens.add({path}, 'one', 'read', None)",
            f"{add}\ntry: tokens.revoke({path}, 'one')\nexcept Exception as error: print(error)\n"
            f"print([token.name for token in tokens.load({path})])",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Read-only file system; the token one still works\n['one']" in done.stdout, done.stderr
