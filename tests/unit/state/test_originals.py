"""Originals on disk: no write depends on a value that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from irqbal.errors import StateFileError
from irqbal.model.readings import Original
from irqbal.state.originals import ORIGINALS, OriginalsFile

ROOT = Path("/")
A, B = Original("a", 7, "0-3"), Original("b", None, "4096")


def originals_file(folder: Path, boot: str = "boot", root: Path = ROOT) -> OriginalsFile:
    return OriginalsFile(folder, root, boot)


def values(folder: Path, boot: str = "boot", root: Path = ROOT) -> dict[str, str]:
    """Identity -> value, as a new process reads it."""
    return {
        key: original.value
        for key, original in originals_file(folder, boot, root).originals().items()
    }


def test_what_was_saved_is_there_for_the_next_process(tmp_path: Path) -> None:
    originals_file(tmp_path).save([A, B])
    assert originals_file(tmp_path).originals() == {"a": A, "b": B}


def test_the_first_value_wins_in_one_process_and_over_several(tmp_path: Path) -> None:
    here = originals_file(tmp_path)
    here.save([A])
    here.save([Original("a", 7, "5"), B])
    assert here.originals()["a"] == A
    originals_file(tmp_path).save([Original("a", 9, "6")])
    assert originals_file(tmp_path).originals()["a"] == A


def test_of_one_identity_twice_in_one_call_the_first_is_kept(tmp_path: Path) -> None:
    here = originals_file(tmp_path)
    here.save([A, Original("a", 7, "5")])
    assert here.originals()["a"] == originals_file(tmp_path).originals()["a"] == A


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    here = originals_file(tmp_path)
    here.save([A])
    before = (tmp_path / ORIGINALS).read_bytes()
    here.save([A])
    assert (tmp_path / ORIGINALS).read_bytes() == before


def test_another_boots_or_another_roots_originals_are_not_ours(tmp_path: Path) -> None:
    originals_file(tmp_path, "old boot").save([Original("a", 7, "1")])
    originals_file(tmp_path, root=tmp_path).save([Original("a", 7, "2")])
    assert values(tmp_path) == {}
    originals_file(tmp_path).save([A])
    assert (values(tmp_path), values(tmp_path, root=tmp_path)) == ({"a": "0-3"}, {"a": "2"})


def test_a_torn_last_line_is_passed_over_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    originals_file(tmp_path).save([A])
    path = tmp_path / ORIGINALS
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert values(tmp_path) == {"a": "0-3"}
    originals_file(tmp_path).save([B])
    assert values(tmp_path) == {"a": "0-3", "b": "4096"}


@pytest.mark.parametrize(
    "junk", [b"\xff\xfe\x00", b"{}", b"[1, 2]", b'{"boot": 1}', b"\x00" * 64, b'"' * 9]
)
def test_a_line_of_junk_is_passed_over(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / ORIGINALS).write_bytes(junk + b"\n")
    originals_file(tmp_path).save([A])
    assert values(tmp_path) == {"a": "0-3"}


def test_an_unreadable_file_is_an_error_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / ORIGINALS).mkdir()
    with pytest.raises(StateFileError, match="no regular file"):
        originals_file(tmp_path).originals()
    with pytest.raises(StateFileError):
        originals_file(tmp_path).save([A])


def test_what_was_restored_is_forgotten_and_the_rest_stays(tmp_path: Path) -> None:
    originals_file(tmp_path, root=tmp_path).save([A])
    here = originals_file(tmp_path)
    here.save([A, B])
    here.keep_only(["b"])
    assert here.originals() == {"b": B}
    assert (values(tmp_path), values(tmp_path, root=tmp_path)) == ({"b": "4096"}, {"a": "0-3"})
    here.save([Original("a", 7, "9")])  # set up anew: its next original is the first again
    assert values(tmp_path) == {"a": "9", "b": "4096"}


def test_when_nothing_is_left_the_file_goes(tmp_path: Path) -> None:
    here = originals_file(tmp_path)
    here.save([A])
    here.keep_only([])
    assert list(tmp_path.iterdir()) == []


def test_forgetting_is_atomic(tmp_path: Path) -> None:
    """Whoever has the old file open reads it whole: it is replaced, not rewritten."""
    here = originals_file(tmp_path)
    here.save([A, B])
    with (tmp_path / ORIGINALS).open("rb") as old:
        whole = (tmp_path / ORIGINALS).read_bytes()
        here.keep_only(["b"])
        assert old.read() == whole
    assert [path.name for path in tmp_path.iterdir()] == [ORIGINALS]
