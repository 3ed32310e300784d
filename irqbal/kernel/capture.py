"""A host as an archive: the files that irqbal reads, and nothing else, so that its decisions can be
examined on another machine.

The archive holds the files that the readers name (`host.READERS`), and a few that explain them.
`redaction` removes private parts from some. Files of processes and of cgroups hold the names of
programs, containers and users, so they are not copied: those of the threads that handle interrupts
and of cpuset partitions are written from the values that irqbal reads, with made-up cgroup names.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import msgspec

from irqbal.errors import HostError
from irqbal.kernel.archive import Entry, write_archive
from irqbal.kernel.files import confine, names, read_bytes
from irqbal.kernel.host import READERS
from irqbal.kernel.irqs import check_readable
from irqbal.kernel.isolation import MOUNTS, partitions
from irqbal.kernel.redaction import REDACTED, Scrubber
from irqbal.kernel.threads import read_threads

_CONTEXT = (
    "proc/sys/kernel/osrelease",
    "sys/bus/pci/devices/*/class",
    "sys/class/net/*/threaded",
    "sys/class/net/*/upper_*/",
)
"""Files that irqbal does not read, and that explain what it read: the kernel's version, the kinds
of devices, threaded NAPI, bonds and bridges.
"""
_RELEASE = "proc/sys/kernel/osrelease"
"""The kernel's version may have four numbers, as an IPv4 address has."""
_NOT_COPIED = re.compile(r"proc/\d+/.*|sys/fs/cgroup/.*", re.ASCII | re.DOTALL)
"""Files of processes and of cgroups, whichever reader names them."""
_PARTITION = (
    "cpuset.cpus.partition",
    "cpuset.cpus.effective",
    "cpuset.cpus",
    "cpuset.cpus.exclusive.effective",
)
"""Files of a cgroup v2 partition (Documentation/admin-guide/cgroup-v2.rst)."""


MOST_NAMED = 8
"""Files that could not be read, as far as they are named."""


class CaptureSummary(msgspec.Struct, frozen=True):
    """What an archive holds; `bytes` is the size of all files, uncompressed. `unreadable` are files
    that exist but could not be read, and links that lead out of the root.
    """

    files: int
    links: int
    bytes: int
    unreadable: tuple[str, ...] = ()

    def sentences(self, out: Path) -> Iterator[str]:
        """What the archive `out` holds, what it lacks, and what it is for."""
        packed = f"{out.stat().st_size / 1000:.0f} kB" if out.is_file() else "written"
        yield (
            f"{out} ({packed}) holds {self.files} files and {self.links} links of the kernel, "
            f"{self.bytes / 1000:.0f} kB unpacked."
        )
        if self.unreadable:
            some = ", ".join(self.unreadable[:MOST_NAMED])
            more = len(self.unreadable) - MOST_NAMED
            count = len(self.unreadable)
            yield (
                f"{count} {'file' if count == 1 else 'files'} could not be read, and "
                f"{'is' if count == 1 else 'are'} left out: {some}"
                f"{f' and {more} more' if more > 0 else ''}."
            )
        yield (
            "Addresses, UUIDs, WWNs, and the names of programs, containers and users are "
            "left out or replaced."
        )
        yield (
            "Look at it with `tar -tzf`, and attach it to your report. Unpacked into a folder, "
            "`irqbal --root FOLDER topology`, plan, verify and explain work on it."
        )


def capture(root: Path, out: Path) -> CaptureSummary:
    """Write `out`, a tar.gz of what irqbal reads under a root. Raises HostError if that is no host,
    OSError if `out` cannot be written.
    """
    check_readable(root)
    collector = _Collector(root)
    for reader in READERS:
        for pattern in reader.PATHS:
            collector.collect(pattern)
    for pattern in _CONTEXT:
        collector.collect(pattern)
    for mount in MOUNTS:
        _add_partitions(collector, mount)
    _add_threads(collector)
    write_archive(out, collector.entries)
    return collector.summary()


class _Collector:
    """Collects entries by their path in the archive, from a host's files."""

    def __init__(self, root: Path) -> None:
        self.entries: dict[str, Entry] = {}
        self.root = Path(os.path.realpath(root))
        confine(self.root)
        self._unreadable: set[str] = set()
        self._scrubber = Scrubber(names(self.root / "sys/class/net"))

    def collect(self, pattern: str) -> None:
        """Add every file or folder that matches a reader's pattern, with the links on its way. A
        file that exists and cannot be read (`xps_cpus` of a NIC with one queue) is noted.
        """
        folder = pattern.endswith("/")
        for place in self._matches("", pattern.rstrip("/").split("/"), folder):
            if _NOT_COPIED.fullmatch(place.path):
                continue
            for link in place.links:
                self._add_link(link)
            if folder:
                self._add_folder(place.path)
            else:
                self.add_file(place.path, self.root / place.path)

    def add_file(self, path: str, source: Path) -> None:
        """Add a file, if it exists. `path` is its place in the archive."""
        try:
            mode = source.stat().st_mode
            data = read_bytes(source)
        except FileNotFoundError:
            return
        except (HostError, OSError):
            self._unreadable.add(self._scrubber.path(path))
            return
        redact = REDACTED.get(path)
        self.add_data(path, data if redact is None else redact(data), stat.S_IMODE(mode) & 0o755)

    def add_data(self, path: str, data: bytes, mode: int) -> None:
        """Add a file with this content."""
        self._add_folder(str(PurePosixPath(path).parent))
        self.entries[self._scrubber.path(path)] = Entry(
            mode, data if path == _RELEASE else self._scrubber.data(data)
        )

    def summary(self) -> CaptureSummary:
        """What was collected."""
        sizes = [len(entry.data) for entry in self.entries.values() if entry.data is not None]
        links = sum(1 for entry in self.entries.values() if entry.target)
        return CaptureSummary(len(sizes), links, sum(sizes), tuple(sorted(self._unreadable)))

    def _matches(self, base: str, parts: list[str], folder: bool) -> Iterator[_Match]:
        """Places below `base` (a real path, relative to the root) that match the rest of a pattern.
        Links are followed as long as they stay below the root.
        """
        part, *rest = parts
        for name in self._candidates(base, part):
            path = f"{base}/{name}" if base else name
            place = self.root / path
            links: tuple[str, ...] = ()
            if (rest or folder) and place.is_symlink():
                real = Path(os.path.realpath(place))
                if not real.is_relative_to(self.root):
                    self._unreadable.add(self._scrubber.path(path))
                    continue
                links, path = (path,), str(real.relative_to(self.root))
            elif (rest or folder) and not place.is_dir():
                continue
            if not rest:
                yield _Match(path, links)
                continue
            for found in self._matches(path, rest, folder):
                yield _Match(found.path, links + found.links)

    def _candidates(self, base: str, part: str) -> list[str]:
        if not any(char in part for char in "*?["):
            return [part] if os.path.lexists(self.root / base / part) else []
        return [name for name in names(self.root / base) if fnmatchcase(name, part)]

    def _add_folder(self, path: str) -> None:
        path = self._scrubber.path(path)
        for folder in (path, *map(str, PurePosixPath(path).parents)):
            if folder != "." and folder not in self.entries:
                self.entries[folder] = Entry(0o755)

    def _add_link(self, path: str) -> None:
        """Add a link, relative, and the folder that it leads to."""
        target = str(Path(os.path.realpath(self.root / path)).relative_to(self.root))
        self._add_folder(target)
        parent = str(PurePosixPath(path).parent)
        self._add_folder(parent)
        relative = os.path.relpath(self._scrubber.path(target), self._scrubber.path(parent))
        self.entries[self._scrubber.path(path)] = Entry(0o777, target=relative)


class _Match(msgspec.Struct, frozen=True):
    """A real path, and the links that were followed on the way to it; relative to the root."""

    path: str
    links: tuple[str, ...]


def _add_partitions(collector: _Collector, mount: str) -> None:
    """cgroup v2 partitions under made-up names: the real ones name users, containers and
    services.
    """
    folder = collector.root / mount
    if not (folder / "cgroup.controllers").exists():
        return
    found = list(partitions(folder))
    if not found and not (folder / "cpuset.cpus.isolated").exists():
        return
    for name in ("cgroup.controllers", "cpuset.cpus.isolated"):
        collector.add_file(f"{mount}/{name}", folder / name)
    for number, partition in enumerate(found, 1):
        for name in _PARTITION:
            collector.add_file(f"{mount}/partition-{number}/{name}", partition / name)


def _add_threads(collector: _Collector) -> None:
    """Threads that handle interrupts; of their stat the parent and the last CPU, of their status
    the CPUs allowed.
    """
    pids = []
    for thread in read_threads(collector.root):
        pids.append(str(thread.pid))
        base = f"proc/{thread.pid}"
        # Fields 3 to 52; 39 is the CPU it last ran on.
        fields = ["S", "2", *["0"] * 48]
        fields[36] = str(thread.cpu)
        line = f"{thread.pid} ({thread.name}) {' '.join(fields)}\n"
        collector.add_data(f"{base}/comm", f"{thread.name}\n".encode(), 0o644)
        collector.add_data(f"{base}/stat", line.encode(), 0o444)
        collector.add_data(f"{base}/status", f"Cpus_allowed_list:\t{thread.cpus}\n".encode(), 0o444)
    if pids:
        collector.add_data("proc/2/task/2/children", f"{' '.join(pids)} \n".encode(), 0o444)
