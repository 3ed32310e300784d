"""Every file that irqbal opens below its root is named by the reader that opens it, so that
`capture` takes it along.
"""

from __future__ import annotations

import os
import re
import sys
from fnmatch import translate
from pathlib import Path

import pytest

from irqbal.kernel.host import READERS, KernelHost
from trees import EVERYTHING, HOSTS, copy_host, make_tree

_opened: list[str] | None = None
"""Paths that were opened while this is a list; an audit hook cannot be removed again."""


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str):
        _opened.append(arguments[0])


sys.addaudithook(_note)


def _files_opened(root: Path) -> set[str]:
    """What a KernelHost opens when everything is read twice, relative to the root."""
    global _opened
    _opened = []
    try:
        host = KernelHost(root)
        try:
            for _ in range(2):
                census = host.census()
                host.topology()
                host.pulse()
                host.counts()
                host.isolation()
                host.masks([facts.number for facts in census.irqs])
                host.population()
            assert host.boot_id
        finally:
            host.close()
        opened = [path for path in _opened if path.startswith(f"{root}/")]
    finally:
        _opened = None
    return {os.path.relpath(path, root) for path in opened} - {"."}


def _pattern(pattern: str) -> re.Pattern[str]:
    """A reader's pattern as a regular expression; `*` does not pass a slash, `**` does."""
    parts = [
        r"(?:[^/]+/)*" if part == "**" else translate(part)[4:-3] for part in pattern.split("/")
    ]
    text = "/".join(parts).replace(r"(?:[^/]+/)*/", r"(?:[^/]+/)*")
    return re.compile(text.replace(".*", "[^/]*"))


PATTERNS = [_pattern(pattern) for reader in READERS for pattern in reader.PATHS]


def _unnamed(root: Path) -> set[str]:
    opened = _files_opened(root)
    assert "proc/interrupts" in opened and "proc/stat" in opened
    return {path for path in opened if not any(regex.fullmatch(path) for regex in PATTERNS)}


@pytest.mark.parametrize("name", [path.name for path in sorted(HOSTS.iterdir()) if path.is_dir()])
def test_a_captured_host(name: str, tmp_path: Path) -> None:
    assert _unnamed(copy_host(name, tmp_path / "root")) == set()


def test_a_host_with_everything(tmp_path: Path) -> None:
    make_tree(tmp_path / "root", EVERYTHING)
    assert _unnamed(tmp_path / "root") == set()


def test_every_reader_names_its_paths_relative_to_the_root() -> None:
    for reader in READERS:
        assert reader.PATHS and isinstance(reader.PATHS, tuple), reader.__name__
        for pattern in reader.PATHS:
            assert pattern.startswith(("proc/", "sys/")), (reader.__name__, pattern)


def test_a_file_that_no_reader_names_is_found() -> None:
    assert not any(regex.fullmatch("proc/loadavg") for regex in PATTERNS)
    assert not any(regex.fullmatch("sys/class/net/eth0/a/operstate") for regex in PATTERNS)
