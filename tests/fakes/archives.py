"""Unpacks captured hosts and kept folders."""

from __future__ import annotations

import posixpath
import tarfile
from pathlib import Path


def extract(archive: Path, folder: Path) -> None:
    """Unpack an archive with the modes that its members have; nothing is written outside of the
    folder, and no link leads there.

    tarfile's own `data` filter would make each file writable for its owner, and so each mask
    movable. Python 3.11.2 (Debian 12) has no filters, so this function checks the members. Raises
    tarfile.TarError or OSError.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            for path in _paths(member):
                if posixpath.normpath(path).startswith(("/", "..")):
                    raise tarfile.TarError(f"{member.name} would lie outside of the archive")
        # An attribute, unlike the argument `filter`, is harmless where there are no filters.
        tar.extraction_filter = lambda member, _folder: member
        tar.extractall(folder)


def _paths(member: tarfile.TarInfo) -> tuple[str, ...]:
    """Where the member lies, and where it leads."""
    if not member.islnk() and not member.issym():
        return (member.name,)
    start = posixpath.dirname(member.name) if member.issym() else ""
    return member.name, posixpath.join(start, member.linkname)
