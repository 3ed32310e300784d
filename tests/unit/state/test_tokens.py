"""Tokens on disk: only hashes are kept, changes count at once, a damaged file lets nobody in."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from irqbal.errors import IrqbalError
from irqbal.state import tokens
from irqbal.state.tokens import ADMIN_FILE, FILE, Tokens


def test_a_token_is_found_by_its_text_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    text = tokens.add(tmp_path, "ci", "override", None)
    assert (
        text.startswith("irqbal_") and len(text) > 45 and text not in (tmp_path / FILE).read_text()
    )
    found = Tokens(tmp_path).find(text, time.time())
    assert found is not None and (found.name, found.scope) == ("ci", "override")
    for other in ("", text[:-1], text + "a", text.upper(), found.digest):
        assert Tokens(tmp_path).find(other, time.time()) is None


def test_no_two_tokens_are_alike(tmp_path: Path) -> None:
    assert len({tokens.add(tmp_path, f"t{number}", "read", None) for number in range(20)}) == 20


def test_a_token_ends_when_it_was_to(tmp_path: Path) -> None:
    text = tokens.add(tmp_path, "short", "read", 1000.0)
    known = Tokens(tmp_path)
    assert known.find(text, 999.9) is not None
    assert known.find(text, 1000.0) is None and known.find(text, 2000.0) is None


def test_changes_count_with_the_next_request(tmp_path: Path) -> None:
    known = Tokens(tmp_path)
    assert known.find("x", 0) is None
    text = tokens.add(tmp_path, "a", "read", None)
    assert known.find(text, 0) is not None
    tokens.revoke(tmp_path, "a")
    assert known.find(text, 0) is None
    (tmp_path / FILE).unlink()
    assert known.find(text, 0) is None


def test_the_files_are_roots_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        tokens.ensure_admin(tmp_path)
    finally:
        os.umask(before)
    for name in (FILE, ADMIN_FILE):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("*.part"))


def test_the_admins_token_is_made_once_and_stays_revoked(tmp_path: Path) -> None:
    tokens.ensure_admin(tmp_path)
    text = (tmp_path / ADMIN_FILE).read_text().strip()
    tokens.ensure_admin(tmp_path)
    assert (tmp_path / ADMIN_FILE).read_text().strip() == text
    tokens.revoke(tmp_path, "admin")
    tokens.ensure_admin(tmp_path)
    assert not (tmp_path / ADMIN_FILE).exists() and Tokens(tmp_path).find(text, 0) is None


@pytest.mark.parametrize(
    "name", ["", "a b", "-a", "../a", "a/b", "a\nb", "é", "a" * 65, "a\x1b[2J"]
)
def test_a_name_that_logs_could_not_show_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(IrqbalError, match="is not a valid token name"):
        tokens.add(tmp_path, name, "read", None)
    assert not (tmp_path / FILE).exists()


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    text = tokens.add(tmp_path, "a", "read", None)
    with pytest.raises(IrqbalError, match="already"):
        tokens.add(tmp_path, "a", "admin", None)
    found = Tokens(tmp_path).find(text, 0)
    assert found is not None and found.scope == "read"
    with pytest.raises(IrqbalError, match="there is no token named b"):
        tokens.revoke(tmp_path, "b")


@pytest.mark.parametrize("data", [b"", b"{", b"[{}]", b'[{"name": 1}]', b"\xff", b"null"])
def test_a_damaged_file_is_an_error_and_no_open_door(tmp_path: Path, data: bytes) -> None:
    text = tokens.add(tmp_path, "a", "admin", None)
    known = Tokens(tmp_path)
    (tmp_path / FILE).write_bytes(data)
    for _ in range(2):
        with pytest.raises(IrqbalError, match="is damaged"):
            known.find(text, 0)
    with pytest.raises(IrqbalError, match="is damaged"):
        tokens.add(tmp_path, "b", "admin", None)
    assert (tmp_path / FILE).read_bytes() == data, "what may be mended is not overwritten"
