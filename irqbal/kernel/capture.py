"""A host as an archive: the files that irqbal reads, and nothing else, so that its decisions can be
looked into elsewhere.

What is taken is listed here by name; everything else stays behind. The kernel's command line is cut
to the parameters that concern CPUs and interrupts, `/proc/stat` to what irqbal reads, threads to
those that handle interrupts; cgroups lose their names, the boot its id; MAC addresses and UUIDs,
which can stand in the names of interfaces and devices, become numbers. Modes are kept, for they
tell which masks the kernel owns, and so are links, made relative so that they lead to the tree's
own folders.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

from irqbal.errors import HostError
from irqbal.kernel.files import names, read_bytes, text_or
from irqbal.kernel.irqs import check_readable
from irqbal.kernel.threads import read_threads

BOOT_ID = "00000000-0000-4000-8000-000000000000"
"""Stands in every archive for the boot's own id."""

_PARAMETERS = frozenset(
    {
        "isolcpus",
        "nohz_full",
        "nohz",
        "rcu_nocbs",
        "rcu_nocb_poll",
        "irqaffinity",
        "threadirqs",
        "noirqbalance",
        "nr_cpus",
        "maxcpus",
        "possible_cpus",
        "nosmt",
        "nosmp",
        "noapic",
        "nolapic",
        "irqpoll",
        "irqfixup",
        "kthread_cpus",
    }
)
_VALUE = re.compile(r"[0-9A-Za-z_,:/+-]*", re.ASCII)
_STAT = re.compile(rb"cpu|intr |softirq ")
_SECRET = re.compile(
    r"(?P<uuid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<mac>(?<![0-9a-fA-F:])[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}(?![0-9a-fA-F:]))"
    # systemd's name for an interface that has no better one than its MAC address.
    r"|(?<=enx)(?P<name>[0-9a-f]{12})(?![0-9a-f])",
    re.ASCII,
)

_IRQ_PROC = (
    "smp_affinity",
    "smp_affinity_list",
    "effective_affinity_list",
    "affinity_hint",
    "node",
)
_IRQ_SYS = ("actions", "chip_name", "hwirq")
_PLAIN = (
    "proc/interrupts",
    "proc/softirqs",
    "proc/net/softnet_stat",
    "proc/sys/kernel/osrelease",
    "proc/irq/default_smp_affinity",
    *(
        f"sys/devices/system/cpu/{name}"
        for name in ("online", "possible", "present", "isolated", "nohz_full")
    ),
)
_TOPOLOGY = ("core_cpus_list", "thread_siblings_list", "physical_package_id")
_CACHE = ("level", "type", "shared_cpu_list")
_PCI = ("irq", "numa_node", "local_cpulist", "class")
_QUEUE = ("xps_cpus", "xps_rxqs", "rps_cpus", "rps_flow_cnt")
_PARTITION = (
    "cpuset.cpus.partition",
    "cpuset.cpus.effective",
    "cpuset.cpus",
    "cpuset.cpus.exclusive.effective",
)
_MAX_CGROUPS = 20_000


class CaptureSummary(msgspec.Struct, frozen=True):
    """What an archive holds. `unreadable`: files that are there but could not be read, and links
    that lead out of the root.
    """

    files: int
    links: int
    bytes: int
    unreadable: tuple[str, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    """A folder (neither data nor target), a file, or a link."""

    mode: int
    data: bytes | None = None
    target: str = ""


def capture(root: Path, out: Path) -> CaptureSummary:
    """Write `out`, a tar.gz of what irqbal reads under a root. Raises HostError if that is no host,
    OSError if `out` cannot be written.
    """
    check_readable(root)
    taker = _Taker(root)
    taker.take()
    _write(out, taker.entries)
    entries = taker.entries.values()
    sizes = [len(entry.data) for entry in entries if entry.data is not None]
    links = sum(1 for entry in entries if entry.target)
    return CaptureSummary(len(sizes), links, sum(sizes), tuple(sorted(taker.unreadable)))


def extract(archive: Path, folder: Path) -> None:
    """Unpack such an archive; nothing gets outside of the folder. Raises tarfile.TarError or
    OSError.

    tarfile's own `data` filter would make every file writable for its owner, and so every mask
    movable.
    """
    with tarfile.open(archive, "r:gz") as tar:
        tar.extractall(folder, filter=_kept_mode)


def _kept_mode(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    checked = tarfile.data_filter(member, folder)
    if checked is None or not member.isreg():
        return checked
    return checked.replace(mode=member.mode & 0o755, deep=False)


class _Scrubber:
    """Puts numbers in place of MAC addresses and UUIDs; the same one everywhere, and as long, for
    columns stay in place.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def text(self, text: str) -> str:
        return _SECRET.sub(self._number, text)

    def data(self, data: bytes) -> bytes:
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def _number(self, match: re.Match[str]) -> str:
        # An address is the same with and without colons.
        plain = match[0].lower().replace(":", "")
        number = self._known.setdefault(plain, str(len(self._known) + 1))
        if match["uuid"]:
            return f"00000000-0000-0000-0000-{number:>012}"
        digits = f"{number:>012}"
        return digits if match["name"] else ":".join(digits[i : i + 2] for i in range(0, 12, 2))


class _Taker:
    """Collects entries by their path in the archive."""

    def __init__(self, root: Path) -> None:
        self.entries: dict[str, _Entry] = {}
        self.unreadable: set[str] = set()
        self._root = Path(os.path.realpath(root))
        self._scrub = _Scrubber()

    def take(self) -> None:
        """Everything."""
        for path in _PLAIN:
            self._file(path)
        self._file("proc/stat", lambda data: b"".join(_lines(data, _STAT)))
        self._file("proc/cmdline", _parameters)
        self._put("proc/sys/kernel/random/boot_id", b"", 0o444)
        self.entries["proc/sys/kernel/random/boot_id"] = _Entry(0o444, f"{BOOT_ID}\n".encode())
        self._irqs()
        self._cpus()
        self._pci_devices()
        self._interfaces()
        for base in ("sys/block", "sys/class/nvme"):
            for name in self._names(base):
                self._disk(base, name)
        for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
            self._partitions(mount)
        self._threads()

    def _irqs(self) -> None:
        for name in filter(str.isdigit, self._names("proc/irq")):
            base = f"proc/irq/{name}"
            self._folder(base)
            for file in _IRQ_PROC:
                self._file(f"{base}/{file}")
            # An action's folder is named after it.
            for folder in self._names(base):
                if (self._root / base / folder).is_dir():
                    self._folder(f"{base}/{folder}")
        for name in filter(str.isdigit, self._names("sys/kernel/irq")):
            for file in _IRQ_SYS:
                self._file(f"sys/kernel/irq/{name}/{file}")

    def _cpus(self) -> None:
        base = "sys/devices/system/cpu"
        for name in self._numbered(base, "cpu"):
            self._file(f"{base}/{name}/cpu_capacity")
            for file in _TOPOLOGY:
                self._file(f"{base}/{name}/topology/{file}")
            for index in self._numbered(f"{base}/{name}/cache", "index"):
                for file in _CACHE:
                    self._file(f"{base}/{name}/cache/{index}/{file}")
        for name in self._numbered("sys/devices/system/node", "node"):
            self._file(f"sys/devices/system/node/{name}/cpulist")

    def _pci_devices(self) -> None:
        for address in self._names("sys/bus/pci/devices"):
            real = self._link(f"sys/bus/pci/devices/{address}")
            if real is None:
                continue
            for file in _PCI:
                self._file(f"{real}/{file}")
            for number in filter(str.isdigit, self._names(f"{real}/msi_irqs")):
                self._file(f"{real}/msi_irqs/{number}")
            self._link(f"{real}/driver")

    def _interfaces(self) -> None:
        for name in self._names("sys/class/net"):
            # `bonding_masters` is a file.
            if not (self._root / "sys/class/net" / name).is_dir():
                continue
            real = self._link(f"sys/class/net/{name}")
            if real is None:
                continue
            self._folder(real)
            self._file(f"{real}/operstate")
            self._file(f"{real}/threaded")
            self._link(f"{real}/device")
            for entry in self._names(real):
                if entry.startswith(("lower_", "upper_")):
                    self._link(f"{real}/{entry}")
            for queue in [
                *self._numbered(f"{real}/queues", "rx-"),
                *self._numbered(f"{real}/queues", "tx-"),
            ]:
                self._folder(f"{real}/queues/{queue}")
                for file in _QUEUE:
                    self._file(f"{real}/queues/{queue}/{file}")

    def _disk(self, base: str, name: str) -> None:
        """Only disks on a device: loops, RAM disks and the like have no IRQ."""
        if (self._root / base / name / "device").exists():
            real = self._link(f"{base}/{name}")
            if real is not None:
                self._link(f"{real}/device")

    def _partitions(self, mount: str) -> None:
        """cgroup v2 partitions under made-up names: the real ones name users, containers and
        services.
        """
        folder = self._root / mount
        if not (folder / "cgroup.controllers").exists():
            return
        found = list(_partitions(folder))
        at_root = (folder / "cpuset.cpus.isolated").exists()
        if not found and not at_root:
            return
        self._file(f"{mount}/cgroup.controllers")
        self._file(f"{mount}/cpuset.cpus.isolated")
        for number, partition in enumerate(found, 1):
            for file in _PARTITION:
                self._file(f"{mount}/partition-{number}/{file}", source=partition / file)

    def _threads(self) -> None:
        """Threads that handle interrupts; of their stat, the parent and the last CPU, of their
        status, the CPUs allowed.
        """
        pids = []
        for thread in read_threads(self._root):
            pids.append(str(thread.pid))
            base = f"proc/{thread.pid}"
            # Fields 3 to 52; 39 is the CPU it last ran on.
            fields = ["S", "2", *["0"] * 48]
            fields[36] = str(thread.cpu)
            self._put(f"{base}/comm", f"{thread.name}\n".encode(), 0o644)
            self._put(
                f"{base}/stat", f"{thread.pid} ({thread.name}) {' '.join(fields)}\n".encode(), 0o444
            )
            self._put(f"{base}/status", f"Cpus_allowed_list:\t{thread.cpus}\n".encode(), 0o444)
        if pids:
            self._put("proc/2/task/2/children", f"{' '.join(pids)} \n".encode(), 0o444)

    def _names(self, path: str) -> list[str]:
        return names(self._root / path)

    def _numbered(self, path: str, prefix: str) -> list[str]:
        return [
            name
            for name in self._names(path)
            if name.startswith(prefix) and name[len(prefix) :].isdigit()
        ]

    def _file(
        self, path: str, change: Callable[[bytes], bytes] | None = None, source: Path | None = None
    ) -> None:
        """Take one file, if it is there. Some that are there cannot be read: `xps_cpus` of a NIC
        with one queue.
        """
        source = source or self._root / path
        try:
            mode = source.stat().st_mode
            data = read_bytes(source)
        except FileNotFoundError:
            return
        except (HostError, OSError):
            self.unreadable.add(self._scrub.text(path))
            return
        self._put(path, data if change is None else change(data), stat.S_IMODE(mode) & 0o755)

    def _put(self, path: str, data: bytes, mode: int) -> None:
        path = self._scrub.text(path)
        self._folder(str(PurePosixPath(path).parent))
        self.entries[path] = _Entry(mode, self._scrub.data(data))

    def _folder(self, path: str) -> None:
        path = self._scrub.text(path)
        for folder in (path, *map(str, PurePosixPath(path).parents)):
            if folder != "." and folder not in self.entries:
                self.entries[folder] = _Entry(0o755)

    def _link(self, path: str) -> str | None:
        """Take a link and the folder that it leads to; returns that folder's path, None where it is
        outside of the root.

        A hand-made tree may have a folder where the kernel has a link.
        """
        place = self._root / path
        if not place.is_symlink():
            if not place.is_dir():
                return None
            self._folder(path)
            return path
        real = Path(os.path.realpath(place))
        if not real.is_relative_to(self._root):
            self.unreadable.add(self._scrub.text(path))
            return None
        target = str(real.relative_to(self._root))
        self._folder(target)
        parent = str(PurePosixPath(path).parent)
        self._folder(parent)
        relative = os.path.relpath(self._scrub.text(target), self._scrub.text(parent))
        self.entries[self._scrub.text(path)] = _Entry(0o777, target=relative)
        return target


def _partitions(mount: Path) -> Iterator[Path]:
    for count, (folder, _, files) in enumerate(os.walk(mount)):
        if count > _MAX_CGROUPS:
            return
        if (
            "cpuset.cpus.partition" in files
            and text_or(f"{folder}/cpuset.cpus.partition", "member") != "member"
        ):
            yield Path(folder)


def _lines(data: bytes, wanted: re.Pattern[bytes]) -> Iterator[bytes]:
    return (line for line in data.splitlines(keepends=True) if wanted.match(line))


def _parameters(data: bytes) -> bytes:
    """The command line without what is none of irqbal's business; after ` -- ` it is init's."""
    kept = []
    for word in data.decode("utf-8", "replace").split():
        if word == "--":
            break
        name, _, value = word.partition("=")
        if name in _PARAMETERS and _VALUE.fullmatch(value):
            kept.append(word)
    return f"{' '.join(kept)}\n".encode()


def _write(out: Path, entries: dict[str, _Entry]) -> None:
    """The archive is the same for the same entries: no times, no owners."""
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
