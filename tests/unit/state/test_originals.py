"""Originals, overrides, the ledger and the lock on disk: nothing is relied on that is not there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from irqbal.cpuset import CpuSet
from irqbal.errors import JournalError, LockError
from irqbal.model.readings import Original
from irqbal.model.view import Override
from irqbal.planner.ledger import Ledger, LedgerEntry
from irqbal.state.originals import (
    LEDGER,
    ORIGINALS,
    OVERRIDES,
    Lock,
    OriginalsFile,
    holder,
    load_overrides,
    recall,
    remember,
    save_overrides,
)

ROOT = Path("/")
A, B = Original("a", 7, "0-3"), Original("b", None, "4096")


def journal(folder: Path, boot: str = "boot", root: Path = ROOT) -> OriginalsFile:
    return OriginalsFile(folder, root, boot)


def values(folder: Path, boot: str = "boot", root: Path = ROOT) -> dict[str, str]:
    """Identity -> value, as a new process reads it."""
    return {
        key: original.value for key, original in journal(folder, boot, root).originals().items()
    }


# Originals


def test_what_was_saved_is_there_for_the_next_process(tmp_path: Path) -> None:
    journal(tmp_path).save([A, B])
    assert journal(tmp_path).originals() == {"a": A, "b": B}


def test_the_first_value_wins_in_one_process_and_over_several(tmp_path: Path) -> None:
    here = journal(tmp_path)
    here.save([A])
    here.save([Original("a", 7, "5"), B])
    assert here.originals()["a"] == A
    journal(tmp_path).save([Original("a", 9, "6")])
    assert journal(tmp_path).originals()["a"] == A


def test_of_one_identity_twice_in_one_call_the_first_is_kept(tmp_path: Path) -> None:
    here = journal(tmp_path)
    here.save([A, Original("a", 7, "5")])
    assert here.originals()["a"] == journal(tmp_path).originals()["a"] == A


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    here = journal(tmp_path)
    here.save([A])
    before = (tmp_path / ORIGINALS).read_bytes()
    here.save([A])
    assert (tmp_path / ORIGINALS).read_bytes() == before


def test_another_boots_or_another_roots_originals_are_not_ours(tmp_path: Path) -> None:
    journal(tmp_path, "old boot").save([Original("a", 7, "1")])
    journal(tmp_path, root=tmp_path).save([Original("a", 7, "2")])
    assert values(tmp_path) == {}
    journal(tmp_path).save([A])
    assert (values(tmp_path), values(tmp_path, root=tmp_path)) == ({"a": "0-3"}, {"a": "2"})


def test_a_torn_last_line_is_passed_over_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    journal(tmp_path).save([A])
    path = tmp_path / ORIGINALS
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert values(tmp_path) == {"a": "0-3"}
    journal(tmp_path).save([B])
    assert values(tmp_path) == {"a": "0-3", "b": "4096"}


@pytest.mark.parametrize(
    "junk", [b"\xff\xfe\x00", b"{}", b"[1, 2]", b'{"boot": 1}', b"\x00" * 64, b'"' * 9]
)
def test_a_line_of_junk_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / ORIGINALS).write_bytes(junk + b"\n")
    journal(tmp_path).save([A])
    assert values(tmp_path) == {"a": "0-3"}


def test_an_unreadable_journal_is_an_error_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / ORIGINALS).mkdir()
    with pytest.raises(JournalError, match="cannot be read"):
        journal(tmp_path).originals()
    with pytest.raises(JournalError):
        journal(tmp_path).save([A])


def test_what_was_restored_is_forgotten_and_the_rest_stays(tmp_path: Path) -> None:
    journal(tmp_path, root=tmp_path).save([A])
    here = journal(tmp_path)
    here.save([A, B])
    here.keep_only(["b"])
    assert here.originals() == {"b": B}
    assert (values(tmp_path), values(tmp_path, root=tmp_path)) == ({"b": "4096"}, {"a": "0-3"})
    here.save([Original("a", 7, "9")])  # a new life of it: the next original is its first again
    assert values(tmp_path) == {"a": "9", "b": "4096"}


def test_when_nothing_is_left_the_file_goes(tmp_path: Path) -> None:
    here = journal(tmp_path)
    here.save([A])
    here.keep_only([])
    assert list(tmp_path.iterdir()) == []


def test_forgetting_is_atomic(tmp_path: Path) -> None:
    """Whoever has the old file open reads it whole: it is replaced, not rewritten."""
    here = journal(tmp_path)
    here.save([A, B])
    with (tmp_path / ORIGINALS).open("rb") as old:
        whole = (tmp_path / ORIGINALS).read_bytes()
        here.keep_only(["b"])
        assert old.read() == whole
    assert [path.name for path in tmp_path.iterdir()] == [ORIGINALS]


def test_the_files_are_for_root_alone(tmp_path: Path) -> None:
    journal(tmp_path).save([A])
    save_overrides(tmp_path, [Override("a", CpuSet.of(1))])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


# No room


# Overrides


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
    with pytest.raises(JournalError, match=r"is damaged .*move it away"):
        load_overrides(tmp_path)


# The ledger

LEDGERED = Ledger(
    {
        "a": LedgerEntry(
            3, "0-3", "p", "why", 10.0, drift=(1.0,), barred=CpuSet.of(5), bad_sets=("7",)
        ),
        "moved on": LedgerEntry(1, "5", "p", "why"),
        "never placed": LedgerEntry(1, None, "p", "why"),
        "refused": LedgerEntry(2, None, refused=2),
        "refused in another life": LedgerEntry(3, None, refused=2),
        "another life": LedgerEntry(1, "5", "p", "why"),
        "gone": LedgerEntry(1, "5", "p", "why"),
    }
)
INODES = {identity: 100 + number for number, identity in enumerate(LEDGERED.entries)}


def test_the_ledger_comes_back_for_irqs_that_live_on_and_whose_mask_still_stands(
    tmp_path: Path,
) -> None:
    remember(tmp_path / "run", "boot", LEDGERED, INODES)
    masks = {
        "a": "0-3",
        "moved on": "6",
        "never placed": "1",
        "refused": "1",
        "refused in another life": "1",
    }
    now = {identity: (CpuSet.parse(mask), INODES[identity]) for identity, mask in masks.items()}
    now["another life"] = (CpuSet.of(5), 999)
    back = recall(tmp_path / "run", "boot", now)
    assert sorted(back.entries) == ["a", "refused"]
    entry = back.entry("a")
    assert (entry.written, entry.policy, entry.drift, entry.moved) == ("0-3", "p", (1.0,), 10.0)
    assert (entry.barred, entry.bad_sets) == (CpuSet.of(5), ("7",))
    assert (entry.generation, entry.refused) == (
        1,
        0,
    )  # generations are counted anew by each process
    assert (back.entry("refused").generation, back.entry("refused").refused) == (1, 1)


def test_a_ledger_of_another_boot_or_a_damaged_one_is_none(tmp_path: Path) -> None:
    now = {"a": (CpuSet.parse("0-3"), INODES["a"])}
    assert recall(tmp_path, "boot", now) == Ledger()
    remember(tmp_path, "boot", LEDGERED, INODES)
    assert recall(tmp_path, "boot", now) != Ledger()
    assert recall(tmp_path, "next boot", now) == Ledger()
    for junk in (
        b"",
        b"{",
        b"\xff",
        json.dumps({"boot": "boot", "ledger": {"entries": {"a": 1}}}).encode(),
    ):
        (tmp_path / LEDGER).write_bytes(junk)
        assert recall(tmp_path, "boot", now) == Ledger()


# The lock

HOLD = """
import sys, time
from pathlib import Path
from irqbal.state.originals import Lock
lock = Lock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_kept_out_and_told_by_whom_until_the_first_is_gone(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    assert holder(folder) is None
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == b"held\n"
            assert holder(folder) == other.pid
            with pytest.raises(
                LockError, match=rf"another irqbal works on this host \(pid {other.pid}, "
            ):
                Lock(folder)
        finally:
            other.send_signal(signal.SIGKILL)
        other.wait()
    assert holder(folder) is None
    lock = Lock(folder)
    assert holder(folder) == os.getpid()
    lock.release()


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    Lock(tmp_path).release()
    assert holder(tmp_path) is None
    Lock(tmp_path).release()


def test_locks_of_two_roots_do_not_meet(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "a"), Lock(tmp_path / "b")
    first.release()
    second.release()


def test_a_lock_that_cannot_be_made_is_an_error_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LockError, match="file/lock cannot be opened"):
        Lock(tmp_path / "file")
