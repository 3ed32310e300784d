"""The documents' pictures are there, can be read out, and are small; none lies about unused."""

from __future__ import annotations

import re
import struct

from places import TOP

ROOT = TOP
PICTURES = ROOT / "docs/screenshots"
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "policies").glob("*.md"),
    *(ROOT / "contrib").rglob("*.md"),
]
SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def test_every_picture_that_the_documents_show_is_there_and_every_one_is_shown() -> None:
    shown = set()
    for document in DOCUMENTS:
        for words, path in SHOWN.findall(document.read_text()):
            assert "://" not in path and len(words.split()) >= 4, (document, path)
            assert (document.parent / path).is_file(), (document, path)
            shown.add((document.parent / path).resolve())
    assert shown >= {path for path in PICTURES.iterdir() if path.suffix != ".md"}


def test_pictures_are_small_and_fetch_nothing() -> None:
    for path in PICTURES.glob("*.png"):
        width, _ = struct.unpack(">II", path.read_bytes()[16:24])
        assert path.stat().st_size < 300_000 and width <= 1280, path
    for path in PICTURES.glob("*.svg"):
        text = path.read_text()
        assert (
            path.stat().st_size < 300_000
            and "url(http" not in text.replace('"', "")
            and "<script" not in text
        ), path
