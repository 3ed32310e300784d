"""A captured host as a tar.gz: folders, files with their modes, and relative links.

Modes matter: from Linux 6.12 on they show which masks the kernel owns.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """A folder (neither data nor target), a file, or a link."""

    mode: int
    data: bytes | None = None
    target: str = ""


def write_archive(out: Path, entries: Mapping[str, Entry]) -> None:
    """Write the entries, by path in the archive. The same entries give the same bytes: there are no
    times and no owners. An older file `out` stays until the new one is whole. Raises OSError.
    """
    if out.exists() and not out.is_file():
        # A device or a pipe is written where it is.
        _write(out, entries)
        return
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        _write(part, entries)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _write(out: Path, entries: Mapping[str, Entry]) -> None:
    with (
        open(out, "wb") as raw,  # noqa: PTH123
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        # A folder sorts before what it holds.
        for path in sorted(entries):
            entry = entries[path]
            member = tarfile.TarInfo(path)
            member.mode = entry.mode
            if entry.target:
                member.type, member.linkname = tarfile.SYMTYPE, entry.target
                tar.addfile(member)
            elif entry.data is None:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            else:
                member.size = len(entry.data)
                tar.addfile(member, io.BytesIO(entry.data))
