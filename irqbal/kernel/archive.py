"""A captured host as a tar.gz: folders, files with their modes, and relative links.

Modes matter: from Linux 6.12 on they show which masks the kernel owns.
"""

from __future__ import annotations

import gzip
import io
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
    times and no owners. Raises OSError.
    """
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


def extract(archive: Path, folder: Path) -> None:
    """Unpack an archive; nothing is written outside of the folder. Raises tarfile.TarError or
    OSError.
    """
    with tarfile.open(archive, "r:gz") as tar:
        tar.extractall(folder, filter=_with_its_mode)


def _with_its_mode(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """tarfile's `data` filter, but for the modes of files: it would make each file writable for its
    owner, and so each mask movable.
    """
    checked = tarfile.data_filter(member, folder)
    if checked is None or not member.isreg():
        return checked
    return checked.replace(mode=member.mode & 0o755, deep=False)
